"""What a command keeps in the embedded store and a replay sends is what the command itself sends to another store."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from importer.config import ObjectReader
from importer.points import Point
from importer.simulators.graphite import GraphiteReceiver
from importer.sinks import sink_class
from importer.sinks.sqlite import SqliteSink
from tests.apteligent import Site
from tests.commands import Commands
from tests.servers import CarbonCache, Influxdb, VictoriaMetrics
from tests.servers.process import wait_until

LABELLED = [
    Point(("queue", "Depth (max)"), 31.0, 1_700_000_000, (("service", "shop"), ("team", "a b, c=d"))),
    Point(("queue", "Depth (max)"), 7, 1_700_000_060, (("service", "shop"), ("team", "a b, c=d"))),
    Point(("queue", "Depth (max)"), 0.1, 1_700_000_000, (("service", "6.6.1 (3705)"), ("zone", "eu.west"))),
    Point(("Größe", "überall", "???"), 48213, 1_700_000_000),
    Point(("queue", "time"), 1e-7, 1_700_000_000.25, (("time", "noon"), ("empty", ""))),
    Point(("queue", "large"), 2**60, 1_700_000_000),
]
COMMANDS = (("dailyjobs", "--once"), ("livestats", "--once"), ("groupedby", "--once"), ("servicestats", "--once"))


@pytest.fixture
def imported(site: Site) -> Iterator[Site]:
    """A site whose four commands have sent all they have to carbon and to the embedded store."""
    site.write("graphite.json", [{"host": "127.0.0.1", "port": site.carbon.port}, {"protocol": "sqlite"}])
    for name, *arguments in COMMANDS:
        assert site.run(name, *arguments).code == 0
    yield site


def test_carbon_gets_from_a_replay_what_it_got_from_the_commands(imported: Site) -> None:
    with GraphiteReceiver() as other:
        imported.write("graphite.json", [{"host": "127.0.0.1", "port": other.port}, {"protocol": "sqlite"}])
        result = imported.run(
            "metrics-importer", "replay", "--config", str(imported.commands.config_dir / "graphite.json")
        )
        assert (result.code, result.stderr) == (0, "")
        assert set(other.points) == set(imported.carbon.points)
        assert len(other.points) == len(set(other.points)) > 100


def test_options_of_the_new_destination_rename_as_they_do_for_a_command(imported: Site) -> None:
    with GraphiteReceiver() as other:
        description = {"host": "127.0.0.1", "port": other.port, "prefix": "acme", "system_name": ""}
        result = imported.run("metrics-importer", "replay", "--destination", json.dumps(description))
        assert result.code == 0
        assert {point.name for point in other.points} == {f"acme.{point.name}" for point in imported.carbon.points}


def send(points: list[Point], description: dict[str, object], state: Path) -> None:
    """Do what a command does with points, for one destination."""
    protocol = str(description["protocol"])
    keys = ObjectReader(Path("test"), description)
    with closing(sink_class(protocol).from_keys(keys, state=state)) as sink:
        keys.value("protocol")
        keys.finish()
        for payload in sink.encode(points):
            sink.deliver(payload)


@pytest.fixture
def labelled(commands: Commands) -> Commands:
    """The commands, with a store that holds points with labels."""
    with closing(SqliteSink(path=commands.state_dir / "metrics.db")) as sink:
        for payload in sink.encode(LABELLED):
            sink.deliver(payload)
    return commands


def replay(commands: Commands, description: dict[str, object]) -> None:
    result = commands.run("metrics-importer", "replay", "--destination", json.dumps(description))
    assert (result.code, result.stderr) == (0, "")


def test_influxdb_has_the_same_series_tags_and_values(labelled: Commands, influxdb: Influxdb, tmp_path: Path) -> None:
    found = []
    for database in ("direct", "replayed"):
        description: dict[str, object] = {"protocol": "influxdb", "url": influxdb.url, "database": database}
        if database == "direct":
            send(LABELLED, description, tmp_path)
        else:
            replay(labelled, description)
        found.append(influxdb.query("SELECT * FROM /.*/ GROUP BY *", database=database))
    assert found[0] == found[1]
    assert sum(len(series["values"]) for series in found[1]) == len(LABELLED)


def complete(read: Callable[[], dict[str, dict[int, float]]]) -> dict[str, dict[int, float]]:
    """Return what a store has of each series once it has all points; a server takes a while to show them."""

    def found() -> dict[str, dict[int, float]]:
        series = read()
        return series if sum(map(len, series.values())) == len(LABELLED) else {}

    return wait_until(found, lambda: f"there is only {read()}", deadline_seconds=60)


@pytest.mark.parametrize("protocol", ["plain", "pickle"])
def test_carbon_has_the_same_names_and_values(
    labelled: Commands, carbon_cache: CarbonCache, tmp_path: Path, protocol: str
) -> None:
    port = carbon_cache.pickle_port if protocol == "pickle" else carbon_cache.plain_port
    description: dict[str, object] = {"protocol": protocol, "host": "127.0.0.1", "port": port, "system_name": ""}
    send(LABELLED, description | {"prefix": "direct"}, tmp_path)
    replay(labelled, description | {"prefix": "replayed"})

    def series(prefix: str) -> dict[str, dict[int, float]]:
        names = [name for name in carbon_cache.names() if name.startswith(prefix)]
        return {name.removeprefix(prefix): carbon_cache.read(name) for name in names}

    found = complete(lambda: series("replayed."))
    assert found == complete(lambda: series("direct."))
    assert found["queue.Depth_max.shop.a_b__cd"] == {1_700_000_000: 31.0, 1_700_000_060: 7.0}


def test_victoria_metrics_has_the_same_series(
    labelled: Commands, victoria_metrics: VictoriaMetrics, tmp_path: Path
) -> None:
    description: dict[str, object] = {"protocol": "plain", "host": "127.0.0.1", "port": victoria_metrics.plain_port}
    send(LABELLED, description | {"prefix": "direct", "system_name": ""}, tmp_path)
    replay(labelled, description | {"prefix": "replayed", "system_name": ""})

    def series(prefix: str) -> dict[str, dict[int, float]]:
        lines = victoria_metrics.export(f'{{__name__=~"{prefix}[.].*"}}').splitlines()
        found = [json.loads(line) for line in lines]
        return {
            each["metric"]["__name__"].removeprefix(prefix): dict(zip(each["timestamps"], each["values"], strict=True))
            for each in found
        }

    found = complete(lambda: series("replayed"))
    assert found == complete(lambda: series("direct"))
    assert found[".queue.Depth_max.shop.a_b__cd"] == {1_700_000_000_000: 31, 1_700_000_060_000: 7}
