"""Every example below etc/ loads exactly as it is shipped."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.metrics_importer.projects import PROJECTS
from importer.cli.pp_collector.files import FILES as PP_FILES
from importer.collector.content import PATH_KEY
from importer.collector.jobs_file import load_jobs
from importer.collector.platform import read_platform
from importer.collector.run import Query
from importer.collector.timers import Layout, build_units
from importer.destinations import load_destinations
from importer.events.settings.settings import read_settings
from importer.events.tokens.users import load_users
from importer.exporter.config import read_configuration
from importer.exporter.secrets_file import get_credentials_from_secret_file
from importer.group_map import load_group_map
from importer.http_client import HttpClients
from importer.leexport.config import Configuration, ConfigurationReader
from importer.metric_store import MetricStore
from importer.self_metrics.settings import load_settings
from importer.simulators.pingdom import TOKEN, PingdomSimulator, SimulatedCheck
from importer.sinks.push_client import push_client
from importer.sources.apteligent.config import load_account, load_app_zones
from importer.stores import load_entries, load_json
from tests.apteligent import COMMANDS
from tests.commands import ROOT, Commands

ETC = ROOT / "etc"
EXAMPLES = ETC / "apteligent-importer"
SEARCHES = ETC / "leexportpy" / "config.ini"
COUNTRIES = ["AU", "AR", "CA", "US", "IE", "PL", "ZA", "IT", "NL", "DK", "DE", "MX", "BE", "TW", "UK"]
NOBODY = "http://127.0.0.1:9"
"""A proxy where nobody listens: the configuration is accepted, and what fails is the request."""


def load_searches(path: Path) -> Configuration:
    configuration = ConfigurationReader(path, state=path.parent, clients=HttpClients(push_client), environ={}).read()
    assert configuration.problems == ()
    return configuration


LOADERS: dict[str, Callable[[Path], object]] = {
    "apteligent-importer/apteligent.json": load_account,
    "apteligent-importer/graphite.json": lambda path: load_destinations(path, state=path.parent),
    "apteligent-importer/app_timezones.json": load_app_zones,
    "apteligent-importer/app.blacklist": load_entries,
    "apteligent-importer/services.whitelist": load_entries,
    "apteligent-importer/carrier.map": load_group_map,
    "apteligent-importer/pingdom.json": load_json,
    "leexportpy/config.ini": load_searches,
    "stats-service/stats-service.ini": lambda path: read_settings(path, environ={}, make_directories=False),
    "stats-service/access.json.example": load_users,
    "pp-collector/cronjobs": lambda path: build_units(load_jobs(path), Layout(path)),
    **{f"{project}/self-metrics.json": load_settings for project in PROJECTS},
}


def load_services(path: Path) -> None:
    """Read a configuration of cton beside the files of secrets that its user has filled in."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for example in path.parent.glob("*.secret.example"):
            Path(example.stem).write_text(example.read_text().replace('""', '"secret"'))
        configuration = read_configuration(path, None, state=lambda: path.parent)
    assert configuration.warnings == ()


def load_query(path: Path) -> None:
    Query.from_content({**load_object(path), PATH_KEY: str(path)})


def load_platform(path: Path) -> None:
    place = {"data-group": "any", "data-type": "any"}
    read_platform({**load_object(path), PATH_KEY: str(path)}, {}, place, state=path.parent)


def load_object(path: Path) -> dict[str, object]:
    content = load_json(path)
    assert isinstance(content, dict)
    return content


def load_credentials(path: Path) -> None:
    """Read what a vendor wants to know, beside the file of a secret that its user has filled in."""
    (credentials,) = (file for file in PP_FILES if file.name == "credentials.json")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pingdom.token").write_text(TOKEN)
        credentials.check(Path(shutil.copy(path, folder)), path.parent)


CREDENTIALS = ("ga", "ga-private-key", "ga-user", "gcloud", "pingdom", "pingdom-2.0", "piwik", "webtrends")

LOADERS |= {
    "pp-collector/performanceplatform.json": load_platform,
    "pp-collector/token.json": load_object,
    **{f"pp-collector/credentials/{name}.json": load_credentials for name in CREDENTIALS},
    "pp-collector/queries/pingdom.json": load_query,
    "pp-collector/queries/visits.json": load_query,
    "collectington/config.json": load_services,
    "collectington/bearer-apis.json": load_services,
    "collectington/splunk-oncall.json": load_services,
    "collectington/nats_api.py": lambda path: compile(path.read_text(), path, "exec"),
    "collectington/bearer-apis.secret.example": get_credentials_from_secret_file,
    "collectington/splunk-oncall.secret.example": get_credentials_from_secret_file,
}


def test_every_example_has_a_reader() -> None:
    assert {str(path.relative_to(ETC)) for path in ETC.rglob("*") if path.is_file()} == set(LOADERS)


@pytest.mark.parametrize("name", LOADERS)
def test_an_example_loads_as_it_is_shipped(name: str) -> None:
    LOADERS[name](ETC / name)


def test_the_old_sample_values_are_kept() -> None:
    account = load_account(EXAMPLES / "apteligent.json")
    assert (account.url, account.metric_root) == ("https://developers.crittercism.com", "apteligent")
    assert json.loads((EXAMPLES / "graphite.json").read_text()) == {
        "host": "127.0.0.1",
        "port": 2014,
        "protocol": "dummy",
        "max_buffer": 500,
    }
    assert list(load_group_map(EXAMPLES / "carrier.map")) == COUNTRIES


def test_the_examples_use_countries_of_the_carrier_map() -> None:
    zones = load_app_zones(EXAMPLES / "app_timezones.json").values()
    assert {zone.country for zone in zones} - {None} <= set(load_group_map(EXAMPLES / "carrier.map"))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_in_a_users_home_are_all_that_a_command_wants(command: str, commands: Commands) -> None:
    (commands.home / ".apteligent-importer").symlink_to(EXAMPLES)
    commands.config_dir.rmdir()
    result = commands.run(command, "--once", env={"CONFIG_DIR": None, "https_proxy": NOBODY})
    assert result.code == 1
    assert "connection refused" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_examples_of_pp_collector_bring_the_hours_of_a_check_into_the_embedded_store(commands: Commands) -> None:
    shutil.copytree(ETC / "pp-collector", commands.home, dirs_exist_ok=True)  # the working directory
    (commands.home / "credentials" / "pingdom.token").write_text(TOKEN)
    credentials = commands.home / "credentials" / "pingdom.json"
    name = json.loads((commands.home / "queries" / "pingdom.json").read_text())["query"]["name"]
    with PingdomSimulator(checks=[SimulatedCheck(1, name)]) as vendor:
        credentials.write_text(json.dumps(json.loads(credentials.read_text()) | {"url": vendor.url_3_1}))
        files = ["-q", "queries/pingdom.json", "-c", credentials, "-t", "token.json", "-b", "performanceplatform.json"]
        result = commands.run("pp-collector", *files)
    assert (result.code, result.stderr) == (0, "")
    with MetricStore(commands.state_dir / "metrics.db") as store:
        (uptime,) = store.series("shop.monitoring.uptime*")
        assert uptime.points == 24


def test_the_example_of_searches_shows_a_widget_a_series_and_a_store() -> None:
    services = [search.destination.service for search in load_searches(SEARCHES).searches]
    assert services == ["geckoboard", "geckoboard", "hosted_graphite", "sqlite"]


def test_the_example_of_searches_is_all_that_leexportpy_wants(commands: Commands) -> None:
    result = commands.run("leexportpy", "start", "-c", SEARCHES, "--once", env={"https_proxy": NOBODY})
    assert result.code == 1
    told = result.stderr.splitlines()
    assert len(told) == len(load_searches(SEARCHES).searches)
    assert all("connection refused" in line for line in told)
