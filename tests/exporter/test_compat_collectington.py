"""The import paths of Collectington lead to ours, and bring no name along that a star would put over a user's own."""

import ast
import datetime
import importlib
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import requests

from importer.exporter import secrets_file
from importer.exporter.user_class import api, decorators, exceptions
from tests.commands import ROOT, Commands
from tests.exporter.class_services import answer
from tests.http_servers import book_server

FOLDER = ROOT / "compat" / "collectington"
DECORATORS = {"enable_delta_metric", "register_metric", "register_metric_class"}
EXPORTED = {
    "abstract_api": {"AbstractApi", *DECORATORS},
    "ascii_art": {"print_ascii"},
    "collectington_api": {
        "ABC",
        "AbstractApi",
        "CollectingtonApi",
        "Counter",
        "Gauge",
        "Histogram",
        "Summary",
        "UnsupportedPrometheusInstance",
        "datetime",
        "requests",
        *DECORATORS,
    },
    "config": {
        "DECODER",
        "JSONDecodeError",
        "JSONDecoder",
        "LOGGER",
        "get_config",
        "get_list_of_available_metrics",
        "get_service",
        "importlib",
        "parse",
        "setup_logging",
        "sys",
        "validate",
        "validate_metrics_mapping",
        "validate_service",
        "validate_services",
    },
    "exceptions.collection_exceptions": {
        "InvalidMetricTypeException",
        "InvalidServiceTypeException",
        "UndefinedMetricException",
        "UnsupportedPrometheusInstance",
    },
    "logger": {"DATA_COLLECTION_LOGGER", "LOGGING_LEVEL", "LOG_DATE_FORMAT", "LOG_MSG_FORMAT", "setup_logging"},
    "runner": {"parse_args", "process_request", "run"},
    "utils": {
        "convert_list_of_key_value_pairs_to_dict",
        "get_credentials_from_secret_file",
        "get_iso_timestamp_x_min_ago",
        "get_latency_seconds",
        "login_to_vault_approle",
        "read_file_content_into_list",
        "read_secret",
    },
}

FAKE_HVAC = """
class Client:
    def __init__(self, url):
        self.url, self.auth, self.approle = url, self, self

    def login(self, role_id, secret_id):
        self.by = (role_id, secret_id)

    def read(self, path):
        return {"data": {"path": path, "data": {"by": self.by, "url": self.url}}}
"""


def module(name: str) -> Any:
    return importlib.import_module(f"collectington.{name}")


def run_python(commands: Commands, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**commands.environment, "PYTHONPATH": f"{commands.home}:{ROOT}:{ROOT / 'compat'}"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, check=False, text=True, cwd=commands.home, env=environment
    )


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_a_star_brings_exactly_the_names_of_old(name: str) -> None:
    names: dict[str, Any] = {}
    exec(f"from collectington.{name} import *", names)
    assert names.keys() - {"__builtins__"} == EXPORTED[name]


def test_every_module_of_the_old_package_is_there() -> None:
    found = {".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in FOLDER.rglob("*.py")}
    assert {name for name in found if not name.endswith("__init__")} == EXPORTED.keys()


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_the_modules_hold_nothing_of_their_own(path: Path) -> None:
    kinds = {type(node) for node in ast.parse(path.read_text()).body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.If}


def test_a_module_that_users_import_before_the_star_is_still_theirs() -> None:
    names: dict[str, Any] = {}
    exec("import datetime, os, json, time, requests", names)
    before = dict(names)
    exec("from datetime import datetime", names)
    exec("from collectington.config import *", names)
    assert names["datetime"] is datetime.datetime
    assert all(names[name] is before[name] for name in ("os", "json", "time", "requests"))


def test_the_names_are_the_real_ones() -> None:
    from json import JSONDecodeError

    old = module("collectington_api")
    assert old.CollectingtonApi is old.AbstractApi is module("abstract_api").AbstractApi is api.CollectingtonApi
    assert old.Counter is prometheus_client.Counter
    assert old.requests is requests
    assert old.datetime is datetime.datetime
    assert old.register_metric is module("abstract_api").register_metric is decorators.register_metric
    assert old.UnsupportedPrometheusInstance is exceptions.UnsupportedPrometheusInstance
    assert module("config").JSONDecodeError is JSONDecodeError
    assert module("config").sys is sys
    assert module("utils").get_credentials_from_secret_file is secrets_file.get_credentials_from_secret_file


def test_the_exceptions_are_plain_ones() -> None:
    exceptions = module("exceptions.collection_exceptions")
    assert all(getattr(exceptions, name).__bases__ == (Exception,) for name in exceptions.__all__)


def test_the_logger_has_one_handler_and_the_old_form() -> None:
    logger = module("logger")
    found = logger.setup_logging()
    assert found is logger.setup_logging() is logging.getLogger("DATA-COLLECTION")
    assert [type(handler).__mro__[1] for handler in found.handlers if handler.__module__.startswith("importer")] == [
        logging.StreamHandler
    ]
    assert logger.LOG_MSG_FORMAT == "%(asctime)s|%(name)-12s|%(levelname)-8s|%(message)s"
    assert (logger.LOG_DATE_FORMAT, logger.LOGGING_LEVEL) == ("%Y/%m/%d|%H:%M:%S", "INFO")


def test_the_banner_is_green(capsys: pytest.CaptureFixture[str]) -> None:
    module("ascii_art").print_ascii()
    text = capsys.readouterr().out
    assert text.startswith("\x1b[32m")
    assert text.endswith("\x1b[0m\n")
    assert "This is Collectington" in text


def test_times_are_utc_without_a_zone() -> None:
    utils = module("utils")
    before = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    ago = datetime.datetime.fromisoformat(utils.get_iso_timestamp_x_min_ago(30))
    after = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert before <= ago + datetime.timedelta(minutes=30) <= after
    assert (ago.tzinfo, ago.microsecond) == (None, 0)
    begin = datetime.datetime(2026, 1, 31, 12, 0)  # noqa: DTZ001 - as users have them
    assert utils.get_latency_seconds(begin, begin + datetime.timedelta(seconds=90.5)) == 90.5
    assert utils.get_latency_seconds(after) >= 0


def test_the_helpers_do_without_hvac_until_a_vault_is_asked(commands: Commands) -> None:
    ask = "from collectington.utils import *; vault = login_to_vault_approle('http://vault', 'role', 'secret')\n"
    missing = run_python(commands, "-c", "import collectington.utils, sys; assert 'hvac' not in sys.modules\n" + ask)
    assert missing.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'hvac'"
    (commands.home / "hvac.py").write_text(FAKE_HVAC)
    engines = "(None, 'database', 'kv_version_2')"
    show = f"import json; print(json.dumps([read_secret(vault, 'a', engine) for engine in {engines}]))"
    done = run_python(commands, "-c", ask + show)
    inner = {"by": ["role", "secret"], "url": "http://vault"}
    assert json.loads(done.stdout) == [
        {"data": {"path": "a", "data": inner}},
        {"path": "a", "data": inner},
        inner,
    ]


def test_the_runner_is_the_command(commands: Commands) -> None:
    shown = run_python(commands, "-m", "collectington.runner", "--version")
    assert (shown.returncode, shown.stdout.split()[0]) == (0, "cton")
    wrong = run_python(commands, "-m", "collectington.runner", "-s", "shop", "-c", "no-such-file.json")
    assert wrong.returncode == 78
    assert "no-such-file.json" in wrong.stderr


def test_the_runner_shows_a_service_once(commands: Commands) -> None:
    with book_server(answer({"depth": 7})) as vendor:
        metrics = [{"name": "depth", "path": "$.depth"}]
        config = {"api_call_intervals": 1, "services": {"shop": {"api_url": vendor.url, "metrics": metrics}}}
        (commands.home / "config.json").write_text(json.dumps(config))
        done = run_python(commands, "-m", "collectington.runner", "-s", "shop", "-c", "config.json", "--once")
    assert "depth 7.0" in done.stdout.splitlines()
    assert done.returncode == 0


def test_the_runners_arguments_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["runner", "-s", "shop", "--config", "etc/config.json", "--service", "stock"])
    assert module("runner").parse_args() == ("stock", "etc/config.json")


def test_run_gives_the_exit_code(commands: Commands) -> None:
    done = run_python(commands, "-c", "from collectington.runner import *; print(run('shop', 'no-such-file.json'))")
    assert done.stdout == "78\n"
