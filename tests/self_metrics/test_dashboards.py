"""The dashboards for Grafana ask for what the commands really produce, and all of it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from importer.cli.metrics_importer.projects import PROJECTS
from tests import apteligent
from tests.commands import ROOT, Commands, isolated_environment
from tests.self_metrics.told import ask_for, names_of, samples_of
from tests.servers import Influxdb, Prometheus
from tests.servers.process import wait_until

FOLDER = ROOT / "docs" / "dashboards"
PROMETHEUS, CARBON, INFLUXDB = "importer-prometheus", "importer-carbon", "importer-influxdb"
SOURCES = {PROMETHEUS: "prometheus", CARBON: "graphite", INFLUXDB: "influxdb"}
"""Each dashboard and the kind of store that it asks."""
DATABASE = "metrics"
STAND_INS = {"$root": "apteligent", "${command:pipe}": "livestats|dailyjobs", "$timeFilter": "time > now() - 400d"}
STAND_INS |= {"$__interval": "1h", "$command": ".*"}
"""What Grafana puts in the places of variables."""


@dataclass(frozen=True)
class Produced:
    """What two runs of every Apteligent command brought to each store."""

    points: set[str]
    """The names that carbon got."""
    samples: set[str]
    """The names in the exposition."""


@pytest.fixture(scope="module")
def produced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Produced]:
    home = tmp_path_factory.mktemp("dashboards")
    with apteligent.opened_site(Commands(home, isolated_environment(home))) as site:
        ask_for(site.commands, points=True)
        for command in apteligent.COMMANDS:
            assert site.run(command, "--once").code == 0
        exposition = site.commands.run("metrics-importer", "metrics").stdout
        yield Produced({point.name for point in site.carbon.points}, names_of(samples_of(exposition)))


def dashboard(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return content


def targets(name: str) -> list[dict[str, Any]]:
    return [target for panel in dashboard(name)["panels"] for target in panel["targets"]]


def filled_in(text: str) -> str:
    for variable, value in STAND_INS.items():
        text = text.replace(variable, value)
    return text


def names_matching(pattern: str, names: set[str]) -> set[str]:
    return {name for name in names if re.fullmatch(pattern, name)}


def carbon_patterns() -> list[str]:
    """Return a regular expression for each series that the dashboard for carbon asks for."""
    series = [found for target in targets(CARBON) for found in re.findall(r"\$root\.[\w.*$]+", target["target"])]
    patterns = [re.sub(r"\$\w+", "*", path).replace(".", r"\.").replace("*", r"[^.]+") for path in series]
    assert len(patterns) == len(targets(CARBON))
    return patterns


def influxdb_patterns() -> list[str]:
    """Return the regular expression of each statement of the dashboard for InfluxDB."""
    texts = [filled_in(target["query"]).replace("livestats|dailyjobs", r"[\w-]+") for target in targets(INFLUXDB)]
    return [re.findall(r"FROM /\^(.*)\$/ WHERE", text)[0] for text in texts]


@pytest.mark.parametrize("name", [PROMETHEUS, CARBON, INFLUXDB])
def test_a_dashboard_is_what_grafana_imports(name: str) -> None:
    content = dashboard(name)
    source = {"type": SOURCES[name], "uid": "${datasource}"}
    assert content["uid"] == name
    assert content["schemaVersion"] == 39
    variables = content["templating"]["list"]
    assert (variables[0]["name"], variables[0]["query"]) == ("datasource", SOURCES[name])
    assert [panel["id"] for panel in content["panels"]] == list(range(1, len(content["panels"]) + 1))
    for panel in content["panels"]:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["datasource"] == source
        assert panel["title"]
        assert [target["refId"] for target in panel["targets"]] == ["A", "B"][: len(panel["targets"])]
        assert panel["fieldConfig"]["defaults"]["unit"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in content["panels"]}
    assert len(places) == len(content["panels"])
    used = set(re.findall(r"\$\{?(?!__|timeFilter|m\b)(\w+)", json.dumps(content)))
    assert used - {"m"} == {variable["name"] for variable in variables}


def test_the_dashboard_for_influxdb_lets_every_command_that_tells_points_be_chosen() -> None:
    (variable,) = [one for one in dashboard(INFLUXDB)["templating"]["list"] if one["name"] == "command"]
    commands = {command for project in PROJECTS.values() for command in project.commands}
    offered = [option["text"] for option in variable["options"]]
    assert set(offered) == {"All"} | {command for command in commands if not command.startswith("stats-service")}
    assert variable["query"] == ",".join(offered[1:])


def test_the_dashboard_for_prometheus_shows_each_family_and_no_other(produced: Produced) -> None:
    asked = set(re.findall(r"metrics_importer_\w+", " ".join(target["expr"] for target in targets(PROMETHEUS))))
    assert asked == produced.samples


@pytest.mark.parametrize("patterns", [carbon_patterns, influxdb_patterns], ids=["carbon", "influxdb"])
def test_a_dashboard_of_points_asks_for_what_is_there_and_leaves_no_figure_out(
    patterns: Any, produced: Produced
) -> None:
    shown: set[str] = set()
    for pattern in patterns():
        found = names_matching(pattern, produced.points)
        assert found, f"nothing is named like {pattern}"
        shown |= found
    assert {name for name in produced.points if ".importer." in name} <= shown


def test_prometheus_understands_each_expression_and_has_something_to_show(
    tmp_path: Path, prometheus: Prometheus
) -> None:
    commands = Commands(tmp_path / "home", isolated_environment(tmp_path / "home"))
    with apteligent.opened_site(commands) as site:
        assert site.run("livestats", "--once").code == 0
        with commands.start("metrics-importer", "metrics", "--port", str(prometheus.scraped_port)):
            for target in targets(PROMETHEUS):
                expression = filled_in(target["expr"])
                wait_until(
                    lambda asked=expression: bool(prometheus.query(asked)),  # type: ignore[misc]
                    lambda asked=expression: f"nothing comes of {asked}",  # type: ignore[misc]
                    deadline_seconds=60,
                )


def test_influxdb_understands_each_statement_and_has_something_to_show(tmp_path: Path, influxdb: Influxdb) -> None:
    influxdb.query(f"CREATE DATABASE {DATABASE}")
    commands = Commands(tmp_path / "home", isolated_environment(tmp_path / "home"))
    with apteligent.opened_site(commands) as site:
        site.write("graphite.json", {"protocol": "influxdb", "url": influxdb.url, "database": DATABASE})
        ask_for(commands, points=True)
        for command in ("livestats", "dailyjobs", "servicestats"):
            assert site.run(command, "--once").code == 0
        for target in targets(INFLUXDB):
            statement = filled_in(target["query"])
            shows_one_value = "non_negative_difference" not in statement
            found = influxdb.query(statement, database=DATABASE)
            assert found or not shows_one_value, statement
