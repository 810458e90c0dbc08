"""metrics-importer replay, inside this process: what it sends, what it says, and which command lines it refuses."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from importer.cli.metrics_importer.asked_keys import destination_keys, secrets_in
from importer.points import Point
from importer.simulators.graphite import GraphiteReceiver
from importer.sinks.sqlite import SqliteSink
from tests.apteligent import unused_port
from tests.cli.metrics_importer.in_process import MetricsImporter

DAY = 86400
FIRST = 16923
"""2 May 2016, in days since 1970."""


def fill(path: Path, *points: Point) -> None:
    with closing(SqliteSink(path=path)) as sink:
        for payload in sink.encode(points):
            sink.deliver(payload)


def days(name: str, *values: float) -> list[Point]:
    return [Point(("shop", name), value, (FIRST + number) * DAY) for number, value in enumerate(values)]


@pytest.fixture
def store(metrics_importer: MetricsImporter) -> MetricsImporter:
    """The command, with a store of two series in its state directory."""
    fill(metrics_importer.state / "metrics.db", *days("dau", 10, 30, 20), *days("rating", 4.125, 4.5))
    return metrics_importer


def jsonl(path: Path) -> str:
    return json.dumps({"protocol": "file", "path": str(path)})


def plain(port: int) -> str:
    return json.dumps({"protocol": "plain", "host": "127.0.0.1", "port": port})


def values(path: Path) -> list[tuple[str, float]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [(line["name"], line["value"]) for line in map(json.loads, lines)]


EVERYTHING = [("shop.dau", 10), ("shop.rating", 4.125), ("shop.dau", 30), ("shop.rating", 4.5), ("shop.dau", 20)]


def test_everything_is_sent_oldest_first_and_told(store: MetricsImporter, tmp_path: Path) -> None:
    outcome = store.run("replay", "--destination", jsonl(tmp_path / "out"))
    assert values(tmp_path / "out") == EVERYTHING
    assert outcome.out.splitlines() == [
        "replay: sending 5 points of 2 series, 2016-05-02T00:00:00Z to 2016-05-04T00:00:00Z,"
        f" to file://{tmp_path / 'out'}",
        "replay: 5 points delivered in 0 s",
    ]
    assert outcome.err == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--from", "2016-05-03"], EVERYTHING[2:]),
        (["--to", "2016-05-03"], EVERYTHING[:4]),
        (["--to", "20160503"], EVERYTHING[:4]),
        (["--to", "2016-W18-2"], EVERYTHING[:4]),
        (["--to", "2016-05-03T00:00"], EVERYTHING[:2]),
        (["--from", "2016-05-03T02:00+02:00", "--to", "2016-05-03T00:00:01"], EVERYTHING[2:4]),
        (["--name", "*.rating"], [EVERYTHING[1], EVERYTHING[3]]),
        (["--name", "nothing"], []),
    ],
)
def test_a_range_and_a_pattern_choose(
    store: MetricsImporter, tmp_path: Path, arguments: list[str], expected: list[tuple[str, float]]
) -> None:
    store.run("replay", *arguments, "--destination", jsonl(tmp_path / "out"))
    assert values(tmp_path / "out") == expected


def test_the_same_command_sends_only_what_came_in_since_unless_told_otherwise(
    store: MetricsImporter,
) -> None:
    with GraphiteReceiver() as carbon:
        command = ("replay", "--destination", plain(carbon.port))
        store.run(*command)
        assert "nothing more" in store.run(*command).out
        fill(store.state / "metrics.db", *days("dau", 10, 30, 20, 40))
        outcome = store.run(*command)
        assert "sending 1 point of 1 series" in outcome.out
        assert "5 points went before" in outcome.out
        assert [(point.name, point.value) for point in carbon.points] == [*EVERYTHING, ("shop.dau", 40)]
        assert "sending 6 points of 2 series" in store.run(*command, "--again").out
        assert len(carbon.points) == 12


def test_another_range_or_destination_is_another_replay(store: MetricsImporter, tmp_path: Path) -> None:
    store.run("replay", "--destination", jsonl(tmp_path / "one"))
    store.run("replay", "--destination", jsonl(tmp_path / "two"), "--from", "2016-05-04")
    store.run("replay", "--destination", jsonl(tmp_path / "two"), "--name", "*.rating")
    assert values(tmp_path / "one") == EVERYTHING
    assert values(tmp_path / "two") == [("shop.dau", 20), ("shop.rating", 4.125), ("shop.rating", 4.5)]


def test_a_dry_run_shows_what_would_be_sent_and_leaves_nothing_behind(store: MetricsImporter, tmp_path: Path) -> None:
    before = sorted(path.name for path in store.state.iterdir() if path.suffix != ".db-shm")
    outcome = store.run("replay", "--destination", plain(unused_port()), "--name", "*.rating", "--dry-run")
    told, *lines = outcome.out.splitlines()
    assert told.startswith("replay: would send 2 points of 1 series")
    assert lines == ["shop.rating 4.125 1462147200.000", "shop.rating 4.5 1462233600.000"]
    assert sorted(path.name for path in store.state.iterdir() if path.suffix == ".outbox") == []
    assert "metrics.db" in before


def test_a_dry_run_begins_where_the_next_run_would(store: MetricsImporter, tmp_path: Path) -> None:
    command = ("replay", "--destination", jsonl(tmp_path / "out"))
    store.run(*command)
    fill(store.state / "metrics.db", *days("dau", 10, 30, 20, 40))
    assert "would send 1 point" in store.run(*command, "--dry-run").out
    assert "would send 6 points" in store.run(*command, "--dry-run", "--again").out
    assert len(values(tmp_path / "out")) == 5


def test_a_graphite_json_that_names_the_store_too_sends_to_the_others(store: MetricsImporter, tmp_path: Path) -> None:
    path = store.config / "graphite.json"
    path.write_text(f'[{{"protocol": "sqlite"}}, {jsonl(tmp_path / "a")}, {jsonl(tmp_path / "b")}]')
    store.run("replay", "--config", path)
    assert values(tmp_path / "a") == EVERYTHING
    assert values(tmp_path / "b") == EVERYTHING


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_another_name_of_the_store_is_the_store(
    store: MetricsImporter, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    link(tmp_path / "other.db", store.state / "metrics.db")
    description = json.dumps({"protocol": "sqlite", "path": str(tmp_path / "other.db")})
    assert "itself" in store.run("replay", "--destination", description, code=2).err


def test_what_has_no_history_is_left_out_and_told(store: MetricsImporter, tmp_path: Path) -> None:
    both = f'[{jsonl(tmp_path / "out")}, {{"protocol": "prometheus", "textfile": "shop.prom"}}]'
    outcome = store.run("replay", "--destination", both)
    assert "shop.prom has the newest values alone" in outcome.err
    assert values(tmp_path / "out") == EVERYTHING
    assert not (store.state / "shop.prom").exists()


def test_several_destinations_have_a_line_each_in_a_dry_run(store: MetricsImporter, tmp_path: Path) -> None:
    both = f"[{jsonl(tmp_path / 'a')}, {plain(2003)}]"
    out = store.run("replay", "--destination", both, "--name", "*.rating", "--dry-run").out
    assert [line for line in out.splitlines() if line.startswith("#")] == [
        f"# file://{tmp_path / 'a'}",
        "# plain://127.0.0.1:2003",
    ]


def test_a_store_that_lies_elsewhere_can_be_named(metrics_importer: MetricsImporter, tmp_path: Path) -> None:
    fill(tmp_path / "old.db", *days("dau", 1))
    metrics_importer.run("replay", "--database", tmp_path / "old.db", "--destination", jsonl(tmp_path / "out"))
    assert values(tmp_path / "out") == [("shop.dau", 1)]
    assert (metrics_importer.state / "replay.outbox").exists()


def test_a_missing_store_is_told_with_the_place(metrics_importer: MetricsImporter, tmp_path: Path) -> None:
    outcome = metrics_importer.run("replay", "--destination", jsonl(tmp_path / "out"), code=1)
    assert str(metrics_importer.state / "metrics.db") in outcome.err
    outcome = metrics_importer.run(
        "replay", "--database", tmp_path / "none.db", "--destination", jsonl(tmp_path / "out"), code=1
    )
    assert "does it exist" in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "none.db").exists()


def test_status_and_outbox_know_a_replay(store: MetricsImporter) -> None:
    port = unused_port()
    outcome = store.run("replay", "--destination", plain(port), "--wait", "0", code=1)
    assert outcome.err.startswith(f"metrics-importer: replay: not delivered, kept: plain://127.0.0.1:{port}")
    assert outcome.err.endswith("0 of 5 points were delivered, the same command goes on from there\n")
    status = json.loads(store.run("status", "--json", code=1).out)
    (command,) = status["commands"]
    assert (command["command"], command["waiting"]["points"]) == ("replay", 5)
    assert f"plain://127.0.0.1:{port}" in store.run("outbox", "list", "-c", "replay").out


def test_points_kept_while_the_store_was_away_are_sent_first_and_counted(store: MetricsImporter) -> None:
    with GraphiteReceiver() as carbon:
        carbon.stop()
        command = ("replay", "--destination", plain(carbon.port), "--wait", "0")
        store.run(*command, code=1)
        carbon.start()
        outcome = store.run(*command)
        assert "sending nothing, and 5 points kept by an earlier run" in outcome.out
        assert "replay: 5 points delivered" in outcome.out
        assert [(point.name, point.value) for point in carbon.points] == EVERYTHING
    assert "nothing more" in store.run(*command).out


def test_what_waits_for_one_destination_never_goes_to_another(store: MetricsImporter) -> None:
    with GraphiteReceiver() as other:
        away = unused_port()
        store.run("replay", "--destination", plain(away), "--wait", "0", "--name", "*.rating", code=1)
        outcome = store.run("replay", "--destination", plain(other.port), "--name", "*.dau")
        assert {point.name for point in other.points} == {"shop.dau"}
    assert f"2 points of an earlier replay wait for plain://127.0.0.1:{away}" in outcome.err


def test_a_time_that_no_store_can_hold_is_left_out(store: MetricsImporter, tmp_path: Path) -> None:
    fill(store.state / "metrics.db", *days("big", 1))
    with closing(sqlite3.connect(store.state / "metrics.db")) as connection, connection:
        # What no command of ours writes.
        connection.execute("UPDATE points SET timestamp = 4294967296 WHERE value = 1")
    store.run("replay", "--destination", jsonl(tmp_path / "out"))
    assert values(tmp_path / "out") == EVERYTHING


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--destination --config"),
        (["--destination", "{"], "neither the name of a file nor JSON"),
        (["--destination", '{"protocol": "plain"}'], "host: is missing"),
        (["--destination", '{"protocol": "pigeon"}'], "is not one of plain"),
        (["--destination", '{"protocol": "sqlite"}'], "itself"),
        (["--destination", '{"protocol": "prometheus", "textfile": "x.prom"}'], "the newest values alone"),
        (["--destination", '{"protocol": "dummy"}', "--from", "yesterday"], "is no time"),
        (["--destination", '{"protocol": "dummy"}', "--from", "2016-05-03", "--to", "2016-05-02"], "not after --from"),
        (["--destination", '{"protocol": "dummy"}', "--from", "1969-12-31"], "is no time"),
        (["--destination", '{"protocol": "dummy"}', "--wait", "-1"], "--wait"),
        (["--destination", "x.json", "--config", "y.json"], "not allowed with"),
    ],
)
def test_a_wrong_command_line_is_one_line(store: MetricsImporter, arguments: list[str], told: str) -> None:
    outcome = store.run("replay", *arguments, code=2)
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.parametrize("secret", ["password", "token"])
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(store: MetricsImporter, secret: str) -> None:
    description = {"protocol": "influxdb", "url": "http://127.0.0.1:9", "database": "shop", secret: "open sesame"}
    outcome = store.run("replay", "--destination", json.dumps(description), code=2)
    assert f"give {secret}_file" in outcome.err
    assert "open sesame" not in outcome.err


def test_a_wrong_file_is_a_configuration_error(store: MetricsImporter, tmp_path: Path) -> None:
    assert "does not exist" in store.run("replay", "--destination", tmp_path / "none.json", code=78).err
    (tmp_path / "graphite.json").write_text('{"protocol": "plain", "host": "127.0.0.1"}')
    assert "port: is missing" in store.run("replay", "--config", tmp_path / "graphite.json", code=78).err


def test_secrets_are_known_by_what_the_destination_reads_as_one(tmp_path: Path) -> None:
    keys = destination_keys(
        tmp_path, {"protocol": "hosted_graphite", "push_url": "tcp://a", "api_key": "k"}, state=tmp_path
    )
    assert secrets_in(keys) == ["api_key"]
    keys = destination_keys(tmp_path, {"protocol": "influxdb", "url": "http://a", "username": "u"}, state=tmp_path)
    assert secrets_in(keys) == []
