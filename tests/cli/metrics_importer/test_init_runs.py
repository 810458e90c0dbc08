"""The commands work with what metrics-importer init has written, as it stands."""

import json
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from subprocess import Popen

import pytest

from importer.metric_store import MetricStore
from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.base import Answer, HttpSimulator
from importer.simulators.graphite import GraphiteReceiver
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator
from importer.simulators.pingdom import TOKEN, PingdomSimulator
from tests.commands import Commands, Result
from tests.events.service.service_site import EVENT, ask
from tests.exporter.site import samples
from tests.running import Running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file for a secret."""
    return tmp_path / "secret"


def init(commands: Commands, vendor: str, *arguments: str, **answers: object) -> Result:
    """Write a configuration without mistakes."""
    flags = [flag for key, value in answers.items() for flag in ("--set", f"{key}={value}")]
    result = commands.run("metrics-importer", "init", vendor, *arguments, *flags)
    assert (result.code, result.stderr) == (0, "")
    return result


def stored_names(commands: Commands) -> set[str]:
    with MetricStore(commands.state_dir / "metrics.db") as store:
        return {series.name for series in store.series()}


def test_pingdom_sends_to_the_store(commands: Commands, secret: Path) -> None:
    secret.write_text(TOKEN)
    with PingdomSimulator() as vendor, GraphiteReceiver() as carbon:
        store = ["--store", "pickle", "--set", "host=127.0.0.1", "--set", f"port={carbon.port}"]
        carbon.protocol = "pickle"
        init(commands, "pingdom", "--secret-file", f"token={secret}", *store, hostname=vendor.url)
        assert commands.run("pingdom", "--once").code == 0
        assert {point.name.partition(".")[0] for point in carbon.points} == {"pingdom"}


def test_leexportpy_asks_and_stores(commands: Commands, secret: Path) -> None:
    secret.write_text(API_KEY)
    with LogSearchSimulator() as vendor:
        flags = ["--store", "sqlite", "--secret-file", f"rw_api_key={secret}"]
        init(commands, "leexportpy", *flags, url=vendor.base_url, logs=LOG, metric_name="shop.requests")
        result = commands.run("leexportpy", "start", "-c", commands.config_dir / "config.ini", "--once")
        assert (result.code, result.stderr) == (0, "")
    assert stored_names(commands) == {"shop.requests"}


def test_cton_shows_the_figure_of_a_json_api(commands: Commands, secret: Path) -> None:
    secret.write_text("open-sesame")
    with HttpSimulator() as vendor:
        vendor.route("GET", "/varz", lambda _request: Answer.json({"queue": {"length": 7}}))
        keys = {"service": "queue", "metric": "queue_length", "path": "$.queue.length"}
        init(commands, "cton", "--secret-file", f"bearer_token={secret}", api_url=f"{vendor.url}/varz", **keys)
        result = commands.run("cton", "-c", commands.config_dir / "config.json", "-s", "queue", "--once")
        (request,) = vendor.requests
    assert (result.code, samples(result.stdout)["queue_length"]) == (0, 7)
    assert request.headers["authorization"] == "Bearer open-sesame"


def test_the_stats_service_lets_its_first_user_in(commands: Commands, start_command: Callable[..., Popen[str]]) -> None:
    told = init(commands, "stats-service", username="ali", host="127.0.0.1", port=0).stdout
    (user,) = json.loads((commands.config_dir / "access.json").read_text())
    token = user["tokens"][0]["access_token"]
    assert token in told
    ini = commands.config_dir / "stats-service.ini"
    running = Running(start_command("stats-service", "-c", ini), logs_to_stderr=True)
    (line,) = running.wait_for_error("serving: address=")
    with closing(HTTPConnection("127.0.0.1", int(line.rpartition("port=")[2].split()[0]), timeout=30)) as connection:
        assert ask(connection, "POST", "/log/event", EVENT, token=token).status == 200
        assert ask(connection, "POST", "/log/event", EVENT, token="x").status in (401, 403)


def test_pp_collector_fills_a_data_set(commands: Commands, secret: Path, tmp_path: Path) -> None:
    secret.write_text(TOKEN)
    (tmp_path / "token").write_text("t0ken")
    with PingdomSimulator() as vendor, BackdropSimulator() as backdrop:
        data_set = backdrop.add_data_set("shop", "monitoring", token="t0ken")
        flags = ["--secret-file", f"credentials.token={secret}", "--secret-file", f"token={tmp_path / 'token'}"]
        flags += [
            "--set",
            "data-group=shop",
            "--set",
            "data-type=monitoring",
            "--set",
            f"query.name={vendor.checks[0].name}",
        ]
        flags += ["--set", f"credentials.url={vendor.url_3_1}"]
        told = init(commands, "pp-collector", *flags, slug="shop", backdrop_url=backdrop.data_url).stdout
        (line,) = told.partition("next:")[2].strip().splitlines()
        arguments = line.split("pp-collector ", 1)[1].removesuffix(" --dry-run").split()
        result = commands.run("pp-collector", *arguments, "-s", "2026-11-01", "-e", "2026-11-02")
        assert (result.code, result.stderr) == (0, "")
        assert len(data_set.records) == 24


def test_google_analytics_and_any_other_collector_can_be_configured(commands: Commands) -> None:
    ga = ["--set", "query.metrics=sessions,users", "--set", "credentials.SERVICE_ACCOUNT=/etc/keys/ga.json"]
    place = ["--set", "data-group=shop", "--set", "data-type=visits", "--store", "sqlite"]
    entrypoint = "performanceplatform.collector."
    init(
        commands, "pp-collector", *ga, *place, "--set", "query.id=properties/1", slug="a", entrypoint=f"{entrypoint}ga"
    )
    query = json.loads((commands.config_dir / "queries/a.json").read_text())["query"]
    assert query == {"id": "properties/1", "metrics": ["sessions", "users"]}
    flags = ["--set", "query.site_id=7", "--set", "credentials.url=http://127.0.0.1"]
    init(commands, "pp-collector", *flags, *place[:4], slug="b", entrypoint=f"{entrypoint}piwik.core")
    assert json.loads((commands.config_dir / "credentials/b.json").read_text()) == {"url": "http://127.0.0.1"}
    assert json.loads((commands.config_dir / "performanceplatform.json").read_text()) == {
        "destination": {"protocol": "sqlite"}
    }
