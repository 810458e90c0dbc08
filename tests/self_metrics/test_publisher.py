"""Points and textfile of one command, as self-metrics.json says, and what the disk may do to them."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.errors import ConfigError
from importer.outbox import Details, Lane, Outbox, Run
from importer.self_metrics.figures import Command
from importer.self_metrics.publisher import OFF, SelfMetrics
from importer.self_metrics.settings import Settings, load_settings, read_settings
from tests.doubles import MemorySink
from tests.self_metrics.told import names_of, samples_of
from tests.servers.prometheus import check_metrics

NOW = 1_462_147_200.0
LIVESTATS = Command("apteligent-importer", "livestats")
RUN = Run(NOW - 9, NOW - 5, 0, 270, NOW - 65, "", Details(requests={"200": 4}, newest={"liveStats": NOW - 65}))
TEXTFILE = "metrics-importer-apteligent-importer-livestats.prom"


@pytest.fixture
def outbox() -> Outbox:
    opened = Outbox(None, clock=lambda: NOW)
    opened.configure([Lane("memory://a", "memory"), Lane("memory://b", "memory")])
    opened.record_run(RUN)
    return opened


def self_metrics(directory: Path, **keys: object) -> SelfMetrics:
    write(directory, **keys)
    return SelfMetrics(LIVESTATS, directory, metric_root="apteligent", clock=lambda: NOW)


def write(directory: Path, **keys: object) -> Path:
    path = directory / "self-metrics.json"
    path.write_text(json.dumps(keys))
    return path


def queued(outbox: Outbox, lane: str) -> dict[str, object]:
    """Return the points that wait in a lane, by name."""
    found = {}
    while (stored := outbox.oldest(lane)) is not None:
        found.update({name: value for name, value, _ in json.loads(stored.payload.data)})
        outbox.delivered(stored)
    return found


def test_points_are_named_below_the_root_of_the_commands_others(outbox: Outbox, tmp_path: Path) -> None:
    told = self_metrics(tmp_path, points=True)
    assert told.publish(outbox, [MemorySink("memory://a"), MemorySink("memory://b")]) == ["memory://a", "memory://b"]
    assert queued(outbox, "memory://a") == {
        "apteligent.importer.livestats.runs": 1,
        "apteligent.importer.livestats.failed_runs": 0,
        "apteligent.importer.livestats.points": 270,
        "apteligent.importer.livestats.requests.200": 4,
        "apteligent.importer.livestats.duration_seconds": 4.0,
        "apteligent.importer.livestats.backlog_payloads": 0,
        "apteligent.importer.livestats.backlog_points": 0,
        "apteligent.importer.livestats.backlog_bytes": 0,
        "apteligent.importer.livestats.backlog_age_seconds": 0,
        "apteligent.importer.livestats.rejects": 0,
        "apteligent.importer.livestats.lag_seconds": 65,
    }


def test_what_waits_and_for_how_long_is_told(outbox: Outbox, tmp_path: Path) -> None:
    sink = MemorySink("memory://a", payload_points=50)
    told = self_metrics(tmp_path, points=True)
    told.publish(outbox, [sink])
    later = SelfMetrics(LIVESTATS, tmp_path, clock=lambda: NOW + 90)
    later.publish(outbox, [MemorySink("memory://b")])
    found = queued(outbox, "memory://b")
    assert found["metrics.importer.livestats.backlog_payloads"] == 1
    assert found["metrics.importer.livestats.backlog_points"] == 11
    assert found["metrics.importer.livestats.backlog_age_seconds"] == 90


def test_a_lane_that_has_a_problem_gets_its_points_when_it_is_over(outbox: Outbox, tmp_path: Path) -> None:
    outbox.note_problem("memory://a", "connection refused")
    told = self_metrics(tmp_path, points=True)
    assert told.publish(outbox, [MemorySink("memory://a"), MemorySink("memory://b")]) == ["memory://b"]
    assert queued(outbox, "memory://a").keys() == queued(outbox, "memory://b").keys()


def test_a_full_destination_costs_another_nothing(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.configure([Lane("memory://a", "memory", 10), Lane("memory://b", "memory")])
    told = self_metrics(tmp_path, points=True)
    for _ in range(2):
        assert told.publish(outbox, [MemorySink("memory://a"), MemorySink("memory://b")]) == ["memory://b"]
    levels = [record.levelno for record in caplog.records if "memory://a is full" in record.getMessage()]
    assert levels in ([logging.WARNING], [logging.WARNING, logging.DEBUG])


def test_the_textfile_is_for_another_user_and_without_fault(outbox: Outbox, tmp_path: Path) -> None:
    assert self_metrics(tmp_path, textfile=str(tmp_path)).publish(outbox, [MemorySink("memory://a")]) == []
    path = tmp_path / TEXTFILE
    assert path.stat().st_mode & 0o777 == 0o644
    samples = samples_of(path.read_text())
    assert samples["metrics_importer_runs_total", (("command", "livestats"),)] == 1
    assert samples["metrics_importer_lag_seconds", (("command", "livestats"), ("source", "liveStats"))] == 65
    assert samples["metrics_importer_backlog_limit_bytes", (("command", "livestats"), ("destination", "memory://a"))]
    assert sorted(tmp_path.glob("*.prom*")) == [path]
    assert queued(outbox, "memory://a") == {}


def test_the_textfiles_of_two_commands_have_no_series_in_common(outbox: Outbox, tmp_path: Path) -> None:
    write(tmp_path, textfile=str(tmp_path))
    for name in ("livestats", "dailyjobs"):
        SelfMetrics(Command("apteligent-importer", name), tmp_path).publish(outbox, ())
    one, other = (samples_of(path.read_text()).keys() for path in tmp_path.glob("*.prom"))
    assert names_of(one) == names_of(other)
    assert one & other == set()


@pytest.mark.server("prometheus")
def test_promtool_has_nothing_against_the_textfile(outbox: Outbox, tmp_path: Path) -> None:
    self_metrics(tmp_path, textfile=str(tmp_path)).publish(outbox, ())
    assert check_metrics((tmp_path / TEXTFILE).read_bytes()) == (0, "")


def test_a_directory_that_is_not_there_is_told_once_and_costs_the_points_nothing(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = self_metrics(tmp_path, points=True, textfile=str(tmp_path / "missing"))
    with caplog.at_level(logging.DEBUG, "importer"):
        for _ in range(2):
            assert told.publish(outbox, [MemorySink("memory://a")]) == ["memory://a"]
    found = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in found] == [logging.WARNING, logging.DEBUG]
    told_of = f"self-metrics not published: {tmp_path / 'missing'}: No such file or directory"
    assert {text for _, text in found} == {told_of}


def test_an_outbox_that_cannot_be_read_ends_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    closed = Outbox(None)
    closed.close()
    assert self_metrics(tmp_path, points=True).publish(closed, [MemorySink("memory://a")]) == []
    assert "self-metrics not published" in caplog.text


def test_a_clock_of_which_no_point_can_tell_ends_no_run(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, points=True)
    told = SelfMetrics(LIVESTATS, tmp_path, clock=lambda: 2.0**33)
    assert told.publish(outbox, [MemorySink("memory://a")]) == []
    assert "self-metrics not published: time 8589934592 is not between 1970 and 2106" in caplog.text


def test_the_file_is_read_again_when_it_changes(outbox: Outbox, tmp_path: Path) -> None:
    told = SelfMetrics(LIVESTATS, tmp_path)
    sinks = [MemorySink("memory://a")]
    assert told.publish(outbox, sinks) == []
    path = write(tmp_path, points=True)
    assert told.publish(outbox, sinks) == ["memory://a"]
    path.write_text("{")
    os.utime(path, (1, 1))
    assert told.publish(outbox, sinks) == ["memory://a"]  # what was read before goes on
    path.unlink()
    assert told.publish(outbox, sinks) == []


def test_without_a_directory_nothing_is_published(outbox: Outbox) -> None:
    assert OFF.publish(outbox, [MemorySink("memory://a")]) == []


def test_what_is_not_there_is_all_off(tmp_path: Path) -> None:
    path = tmp_path / "self-metrics.json"
    assert load_settings(path) == Settings()
    assert not load_settings(path).points


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ({"points": "perhaps"}, "points: .* is not true or false"),
        ({"point": True}, 'point: improper key; did you mean "points"'),
        ({"metric_root": 5}, "metric_root: 5 is not text"),
        ({"textfile": "metrics.prom"}, "textfile: 'metrics.prom' is not the absolute path of a directory"),
        ({"textfile": "/a\0b"}, "textfile: .* is not the absolute path of a directory"),
        ({"textfile": True}, "textfile: true is not text"),
        ([], "is not an object"),
    ],
)
@pytest.mark.parametrize("read", [load_settings, read_settings])
def test_a_mistake_is_one_line(content: object, mistake: str, read: Callable[[Path], Settings], tmp_path: Path) -> None:
    path = tmp_path / "self-metrics.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=mistake) as raised:
        read(path)
    assert len(raised.value.problems) == 1
