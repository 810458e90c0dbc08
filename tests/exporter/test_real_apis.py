"""The shipped examples against the servers that they are for, scraped by a real Prometheus, and their dashboards."""

import json
import re
import shutil
from pathlib import Path

import pytest
import requests

from tests.commands import ROOT, Commands
from tests.exporter.site import samples, scraped
from tests.running import Running
from tests.servers import Influxdb, Nats, Prometheus
from tests.servers.process import wait_until

EXAMPLES = ROOT / "etc" / "collectington"
DASHBOARDS = ROOT / "docs" / "dashboards"
WAIT_SECONDS = 20.0


def install(folder: Path, service: str, *, port: int, api_url: str) -> Path:
    """Put the shipped example into a folder, with one service asked elsewhere and shown elsewhere; return its path."""
    for source in EXAMPLES.glob("*.py"):
        shutil.copy(source, folder)
    content = json.loads((EXAMPLES / "config.json").read_text())
    content["api_call_intervals"] = 0.2
    content["services"][service] |= {"port": port, "api_url": api_url}
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return path


def names_shown(service: str, port: int) -> dict[str, float]:
    """Return the samples of a service once a poll was good."""
    up = f'collectington_up{{service="{service}"}}'
    wait_until(lambda: shown(port).get(up) == 1, lambda: f"{shown(port)}", deadline_seconds=WAIT_SECONDS)
    return shown(port)


def shown(port: int) -> dict[str, float]:
    try:
        return samples(scraped(port))
    except OSError:
        return {}


def dashboard_names(service: str) -> set[str]:
    """Return the metrics that a dashboard asks for."""
    panels = json.loads((DASHBOARDS / f"{service}.json").read_text())["panels"]
    expressions = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    return set(re.findall(r"\b(?:nats|influxdb|collectington)_\w+", expressions))


def assert_dashboard_fits(service: str, found: dict[str, float]) -> None:
    names = {re.split(r"[{ ]", name)[0] for name in found}
    assert dashboard_names(service) <= names
    assert {name for name in names if name.startswith(f"{service}_")} <= dashboard_names(service)


def test_nats_by_the_class_of_the_example(commands: Commands, nats: Nats, prometheus: Prometheus) -> None:
    port = prometheus.scraped_port
    path = install(commands.home, "nats", port=port, api_url=nats.url)
    with commands.start("cton", "-s", "nats", "-c", path) as process:
        Running(process, logs_to_stderr=True)
        nats.publish("shop.orders", 40)
        prometheus.wait_for("nats_messages_received_total", {(("__name__", "nats_messages_received_total"),): 40.0})
        found = names_shown("nats", port)
    assert found['nats_account_connections{account="$G"}'] == 0
    assert found["nats_memory_bytes"] > 1_000_000
    assert_dashboard_fits("nats", {name: value for name, value in found.items() if not name.endswith("_created")})


def test_influxdb_by_the_configuration_of_the_example(
    commands: Commands, influxdb: Influxdb, prometheus: Prometheus
) -> None:
    port = prometheus.scraped_port
    influxdb.query('CREATE DATABASE "shop"')
    requests.post(
        f"{influxdb.url}/write?db=shop", b"orders value=1 1\norders value=2 2\n", timeout=10
    ).raise_for_status()
    path = install(commands.home, "influxdb", port=port, api_url=f"{influxdb.url}/debug/vars")
    with commands.start("cton", "-s", "influxdb", "-c", path) as process:
        Running(process, logs_to_stderr=True)
        series = (("__name__", "influxdb_database_series"), ("database", "shop"))
        prometheus.wait_for('influxdb_database_series{database="shop"}', {series: 1.0})
        found = names_shown("influxdb", port)
    bind = f"{influxdb.address}:{influxdb.http_port}"
    assert found[f'influxdb_points_written_total{{bind="{bind}"}}'] == 2
    assert found["influxdb_start_time_seconds"] > 1_700_000_000
    assert_dashboard_fits("influxdb", found)


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_has_what_grafana_wants_of_one(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    assert dashboard["schemaVersion"] >= 36
    assert dashboard["uid"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    places = [tuple(panel["gridPos"][key] for key in ("x", "y")) for panel in dashboard["panels"]]
    assert len(places) == len(set(places))
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in dashboard["panels"])


def test_ports_of_examples_do_not_meet() -> None:
    ports = [
        service["port"]
        for path in EXAMPLES.glob("*.json")
        for service in json.loads(path.read_text()).get("services", {}).values()
    ]
    assert len(ports) == len(set(ports))
