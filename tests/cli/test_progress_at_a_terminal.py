"""Commands that work for long show how far they are to a person at a terminal, and leave no trace of it."""

import json
import re
from collections.abc import Iterator

import pytest

from importer.metric_store import MetricWriter
from importer.replay import CHUNK_POINTS
from importer.simulators.faults import delay
from importer.simulators.http_wire import Answer
from importer.simulators.influxdb import InfluxdbSimulator
from tests.apteligent import Site
from tests.commands import Commands
from tests.terminals import run_at_terminal

FIRST = 1_700_000_000


@pytest.fixture
def replay(commands: Commands, influxdb: InfluxdbSimulator) -> list[str]:
    """The arguments that send three chunks of points to a store."""
    with MetricWriter(commands.state_dir / "metrics.db") as writer:
        writer.write(("shop.dau", "{}", FIRST + number, number) for number in range(3 * CHUNK_POINTS))
    description = {"protocol": "influxdb", "url": influxdb.url, "database": "shop"}
    return ["replay", "--destination", json.dumps(description)]


@pytest.fixture
def influxdb() -> Iterator[InfluxdbSimulator]:
    """A store that takes a while for each payload."""
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        yield simulator


def test_a_replay_shows_a_bar_and_wipes_it(commands: Commands, influxdb: InfluxdbSimulator, replay: list[str]) -> None:
    influxdb.fail(delay(0.1), when="/write", times=None)
    code, terminal = run_at_terminal(commands, "metrics-importer", *replay)
    assert code == 0
    assert "replay: [######..............]  33% 20000 of 60000 points" in terminal.text
    assert [line.split(",")[0].partition(" in ")[0] for line in terminal.screen] == [
        "replay: sending 60000 points of 1 series",
        "replay: 60000 points delivered",
        "",
    ]


def test_what_is_logged_meanwhile_has_lines_of_its_own(
    commands: Commands, influxdb: InfluxdbSimulator, replay: list[str]
) -> None:
    influxdb.fail(delay(0.3), when="/write", times=4)
    influxdb.fail(Answer.json({"error": "broken"}, status=400), when="/write", times=1)
    influxdb.fail(delay(0.3), when="/write", times=None)
    code, terminal = run_at_terminal(commands, "metrics-importer", *replay)
    assert code == 1
    assert "20000 of 60000 points" in terminal.text
    assert [line for line in terminal.screen if "[###" in line] == []
    assert len([line for line in terminal.screen if line.startswith("payload set aside: influxdb://")]) == 1


def test_nobody_but_a_terminal_gets_a_bar(commands: Commands, influxdb: InfluxdbSimulator, replay: list[str]) -> None:
    influxdb.fail(delay(0.1), when="/write", times=None)
    result = commands.run("metrics-importer", *replay)
    assert (result.code, result.stderr) == (0, "")
    assert "\r" not in result.stdout


def test_dailyjobs_counts_answers_and_tells_its_failure_on_a_line_of_its_own(site: Site) -> None:
    site.vendor.fail(Answer(400), when="/v1.0/errorMonitoring/*", times=1)
    site.vendor.fail(delay(0.1), when="/v1.0/errorMonitoring/*", times=None)
    code, terminal = run_at_terminal(site.commands, "dailyjobs", "--once", "--threads", "1")
    assert code == 1
    assert re.search(r"dailyjobs: \d+ answers", terminal.text)
    (line, rest) = terminal.screen
    assert line.startswith("dailyjobs: not obtained")
    assert rest == ""
    assert "answers" not in line
