"""A run brings what sources yield to every destination, and ends with what went wrong."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from importer import job as job_module
from importer.errors import BadAnswer, ExitCode, Rejected, SinkRefused, SourceRefused, SourceUnavailable, Stopped
from importer.job import COMMIT_POINTS, Job, Report
from importer.outbox import Outbox
from importer.points import Batch, Payload, Point
from importer.sources.base import Missing
from tests.doubles import (
    WAIT_SECONDS,
    FakeClock,
    Gate,
    MemorySink,
    ScriptedSource,
    day_batch,
    day_point,
    unavailable,
)

A, B = "memory://a", "memory://b"
CURSOR = "daily/dau"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with Outbox(path) as outbox:
        yield outbox


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink(A)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def job(outbox: Outbox, sink: MemorySink, stop: threading.Event, clock: FakeClock) -> Job:
    return Job("dailyjobs", outbox=outbox, sinks=[sink], stop=stop, clock=clock)


def run(job: Job, *sources: ScriptedSource) -> Report:
    with job.delivering():
        return job.run(sources)


def days(sink: MemorySink) -> list[int]:
    return [int(str(timestamp)) // 86400 for _, timestamp in sink.points]


def queued(outbox: Outbox, lane: str = A) -> list[Payload]:
    payloads = []
    while (stored := outbox.oldest(lane)) is not None:
        outbox.delivered(stored)
        payloads.append(stored.payload)
    return payloads


def waiting(outbox: Outbox, lane: str = A) -> int:
    return sum(state.points for state in outbox.lanes() if state.lane == lane)


# ---- a run


def test_a_run_imports_delivers_and_moves_the_cursor(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    report = run(job, ScriptedSource(day_batch(1), day_batch(2)))
    assert days(sink) == [1, 2]
    assert outbox.cursors() == {CURSOR: 2}
    assert (report.points, report.newest, report.exit_code, report.message) == (2, 2 * 86400, ExitCode.OK, "")


def test_a_source_is_told_how_far_earlier_runs_came(job: Job) -> None:
    first, second = ScriptedSource(day_batch(3)), ScriptedSource()
    run(job, first, second)
    third = ScriptedSource()
    run(job, third)
    assert (first.cursors, second.cursors, third.cursors) == ([{}], [{CURSOR: 3}], [{CURSOR: 3}])


def test_every_destination_gets_every_point(outbox: Outbox, stop: threading.Event) -> None:
    sinks = [MemorySink(A), MemorySink(B, payload_points=2)]
    report = run(Job("job", outbox=outbox, sinks=sinks, stop=stop), ScriptedSource(day_batch(1), day_batch(2)))
    assert [days(sink) for sink in sinks] == [[1, 2], [1, 2]]
    assert [len(sink.taken) for sink in sinks] == [2, 1]
    assert report.points == 2


def test_without_deliveries_a_run_only_keeps(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    report = job.run([ScriptedSource(day_batch(1))])
    assert (report.exit_code, waiting(outbox), sink.taken) == (ExitCode.OK, 1, [])


def test_a_run_without_points_is_a_success(job: Job, outbox: Outbox) -> None:
    report = run(job, ScriptedSource(Batch((), CURSOR, 4)))
    assert (report.points, report.newest, report.exit_code) == (0, None, ExitCode.OK)
    assert outbox.cursors() == {CURSOR: 4}


def test_batches_without_a_cursor_are_kept_every_time(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    for _ in range(2):
        run(job, ScriptedSource(Batch((day_point(1),))))
    assert (days(sink), outbox.cursors()) == ([1, 1], {})


def test_the_newest_point_is_told_whatever_order_they_come_in(job: Job) -> None:
    assert run(job, ScriptedSource(day_batch(5), Batch((day_point(2),)))).newest == 5 * 86400


def test_each_run_is_recorded(job: Job, outbox: Outbox, clock: FakeClock) -> None:
    began = clock.now

    def advance() -> None:
        clock.now += 7

    run(job, ScriptedSource(day_batch(1), advance))
    run(job, ScriptedSource(SourceUnavailable("vendor", "timed out")))
    second, first = outbox.runs()
    assert (first.started, first.ended, first.exit_code, first.points, first.newest) == (began, began + 7, 0, 1, 86400)
    assert (second.exit_code, second.points, second.newest, second.message) == (1, 0, None, "vendor: timed out")


# ---- kept payloads first


def test_what_was_kept_is_delivered_before_the_source_is_asked(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    job.run([ScriptedSource(day_batch(1))])
    at_the_source: list[list[int]] = []
    run(job, ScriptedSource(lambda: at_the_source.append(days(sink)), day_batch(2)))
    assert at_the_source == [[1]]
    assert days(sink) == [1, 2]


def test_a_destination_that_hangs_does_not_keep_the_source_from_being_asked(
    outbox: Outbox, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "KEPT_FIRST_SECONDS", 0.0)
    gate = Gate()
    sink = MemorySink(A, answers=[gate])
    job = Job("job", outbox=outbox, sinks=[sink], stop=stop)
    job.run([ScriptedSource(day_batch(1))])
    report = run(job, ScriptedSource(gate.wait_until_entered, gate.open, day_batch(2)))
    assert (report.exit_code, days(sink)) == (ExitCode.OK, [1, 2])


def test_an_unavailable_destination_fails_no_run(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    sink.answers.extend([unavailable()] * 99)
    report = run(job, ScriptedSource(day_batch(1)))
    assert (report.exit_code, waiting(outbox)) == (ExitCode.OK, 1)
    assert outbox.cursors() == {CURSOR: 1}


def test_a_refusal_fails_the_run_with_one_line(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    job.run([ScriptedSource(day_batch(1))])
    sink.answers.extend([SinkRefused(A, "401: mend api_key")] * 2)
    report = run(job, ScriptedSource(day_batch(2)))
    assert report.failures == [f"not delivered, kept: {A}: 401: mend api_key"]
    assert (report.exit_code, waiting(outbox)) == (ExitCode.FAILED, 2)


def test_a_rejected_payload_fails_the_run(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    sink.answers.append(Rejected(A, "400"))
    report = run(job, ScriptedSource(day_batch(1), day_batch(2)))
    assert report.failures == [f"{A}: 1 payloads set aside: 400; see 'metrics-importer outbox list'"]
    assert (report.exit_code, days(sink), len(outbox.rejects())) == (ExitCode.FAILED, [2], 1)


# ---- cursors


def test_what_an_overlapping_run_kept_meanwhile_is_dropped(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    def overlap() -> None:
        job.run([ScriptedSource(day_batch(1), day_batch(2))])

    report = run(job, ScriptedSource(overlap, day_batch(1), day_batch(2), day_batch(3)))
    assert days(sink) == [1, 2, 3]
    assert (report.points, outbox.cursors()) == (1, {CURSOR: 3})


def test_a_cursor_never_moves_back(job: Job, outbox: Outbox) -> None:
    run(job, ScriptedSource(day_batch(5)))
    report = run(job, ScriptedSource(day_batch(4)))
    assert (report.points, outbox.cursors()) == (0, {CURSOR: 5})


def test_what_is_imported_again_is_kept_and_leaves_the_cursor(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    run(job, ScriptedSource(day_batch(5)))
    report = run(job, ScriptedSource(day_batch(4, again=True), day_batch(5)))
    assert (days(sink), report.points, outbox.cursors()) == ([5, 4], 1, {CURSOR: 5})


def test_again_moves_the_cursor_forward_too(job: Job, outbox: Outbox) -> None:
    run(job, ScriptedSource(day_batch(4, again=True)))
    assert outbox.cursors() == {CURSOR: 4}


def test_cursors_do_not_touch_each_other(job: Job, outbox: Outbox, sink: MemorySink) -> None:
    run(job, ScriptedSource(day_batch(5, cursor="a"), day_batch(3, cursor="b"), day_batch(4, cursor="b")))
    assert (days(sink), outbox.cursors()) == ([5, 3, 4], {"a": 5, "b": 4})


# ---- transactions


def test_groups_do_not_share_payloads(outbox: Outbox, stop: threading.Event) -> None:
    job = Job("job", outbox=outbox, sinks=[MemorySink(A, payload_points=100)], stop=stop)
    script = [day_batch(1, group="x"), day_batch(2, group="x"), day_batch(3, group="y"), day_batch(4, group="x")]
    job.run([ScriptedSource(*script)])
    assert [payload.points for payload in queued(outbox)] == [2, 1, 1]


def test_a_group_is_committed_before_the_next_is_asked_for(job: Job, outbox: Outbox) -> None:
    seen: list[dict[str, int]] = []

    def look() -> None:
        seen.append(outbox.cursors())

    job.run([ScriptedSource(day_batch(1, group="x"), look, day_batch(2, group="y"), look, day_batch(3, group="y"))])
    assert seen == [{}, {CURSOR: 1}]
    assert outbox.cursors() == {CURSOR: 3}


def test_a_large_group_is_committed_piece_by_piece(outbox: Outbox, stop: threading.Event) -> None:
    def batch(position: int) -> Batch:
        points = tuple(Point(("n",), number, position) for number in range(COMMIT_POINTS // 2))
        return Batch(points, CURSOR, position, "group")

    job = Job("job", outbox=outbox, sinks=[MemorySink(A, payload_points=COMMIT_POINTS * 9)], stop=stop)
    seen: list[dict[str, int]] = []
    source = ScriptedSource(batch(1), batch(2), batch(3), lambda: seen.append(outbox.cursors()), batch(4), batch(5))
    report = job.run([source])
    assert seen == [{CURSOR: 2}]
    assert [payload.points for payload in queued(outbox)] == [COMMIT_POINTS, COMMIT_POINTS, COMMIT_POINTS // 2]
    assert (report.points, outbox.cursors()) == (5 * COMMIT_POINTS // 2, {CURSOR: 5})


def test_a_full_outbox_fails_the_run_and_leaves_the_cursor(outbox: Outbox, stop: threading.Event) -> None:
    sinks = [MemorySink(B), MemorySink(A, outbox_max_bytes=60, answers=[unavailable()] * 99)]
    job = Job("job", outbox=outbox, sinks=sinks, stop=stop)
    report = run(job, ScriptedSource(day_batch(1, group="x"), day_batch(2, group="y"), day_batch(3, group="z")))
    assert report.exit_code == ExitCode.FAILED
    assert f"{A} is full" in report.message
    assert "outbox_max_bytes is 60" in report.message
    kept = outbox.cursors()[CURSOR]
    assert 0 < kept < 3
    assert days(sinks[0]) == list(range(1, kept + 1))
    assert report.points == kept

    sinks[1].answers.clear()
    rest = [day_batch(day, group=str(day)) for day in range(kept + 1, 4)]
    assert run(job, ScriptedSource(*rest)).exit_code == ExitCode.OK
    assert days(sinks[0]) == days(sinks[1]) == [1, 2, 3]


# ---- what goes wrong


def test_what_is_missing_fails_the_run_and_the_rest_is_kept(
    job: Job, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    missing = Missing("Bike Shop crashes", BadAnswer("apteligent", "no 'data'"))
    report = run(job, ScriptedSource(day_batch(1), missing, day_batch(2)))
    assert report.failures == ["not obtained: Bike Shop crashes: apteligent: no 'data'"]
    assert (days(sink), report.exit_code) == ([1, 2], ExitCode.FAILED)
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == report.failures


@pytest.mark.parametrize("error", [SourceRefused("vendor", "401"), SourceUnavailable("vendor", "timed out")])
def test_a_source_that_breaks_off_keeps_what_it_gave(
    job: Job, outbox: Outbox, sink: MemorySink, error: Exception
) -> None:
    report = run(job, ScriptedSource(day_batch(1), day_batch(2), error))
    assert (days(sink), outbox.cursors(), report.points) == ([1, 2], {CURSOR: 2}, 2)
    assert (report.exit_code, report.failures) == (ExitCode.FAILED, [str(error)])


def test_the_gravest_failure_comes_first(job: Job) -> None:
    missing = Missing("app", BadAnswer("vendor", "odd"))
    report = run(job, ScriptedSource(missing, missing, SourceUnavailable("vendor", "timed out")))
    assert report.message == "vendor: timed out (and 2 more, see the log)"


def test_a_stopped_source_keeps_what_it_gave_and_is_no_failure(job: Job, outbox: Outbox) -> None:
    report = run(job, ScriptedSource(day_batch(1), Stopped("asked to stop")), ScriptedSource(day_batch(2)))
    assert (report.exit_code, report.failures) == (ExitCode.OK, [])
    assert outbox.cursors() == {CURSOR: 1}


def test_no_other_source_is_asked_once_the_process_is_to_stop(job: Job, stop: threading.Event, outbox: Outbox) -> None:
    other = ScriptedSource(day_batch(2))
    report = run(job, ScriptedSource(day_batch(1), stop.set), other)
    assert (other.cursors, outbox.cursors(), report.exit_code) == ([], {CURSOR: 1}, ExitCode.OK)


def test_a_stop_during_delivery_ends_the_run_and_keeps_the_rest(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    sink = MemorySink(A, answers=[gate])
    job = Job("job", outbox=outbox, sinks=[sink], stop=stop)
    reports: list[Report] = []
    with job.delivering():
        runner = threading.Thread(target=lambda: reports.append(job.run([ScriptedSource(day_batch(1), day_batch(2))])))
        runner.start()
        gate.wait_until_entered()
        stop.set()
        runner.join(WAIT_SECONDS)
        assert [report.exit_code for report in reports] == [ExitCode.OK]
        gate.open()
    assert len(days(sink)) + waiting(outbox) == 2


def test_a_bug_in_a_source_commits_nothing_of_the_group_in_hand(job: Job, outbox: Outbox) -> None:
    with pytest.raises(ZeroDivisionError):
        run(job, ScriptedSource(day_batch(1, group="x"), day_batch(2, group="y"), ZeroDivisionError()))
    assert outbox.cursors() == {CURSOR: 1}


def test_a_damaged_outbox_fails_the_run_once(path: Path, sink: MemorySink, stop: threading.Event) -> None:
    path.write_bytes(b"garbage" * 1000)
    with Outbox(path) as outbox:
        job = Job("job", outbox=outbox, sinks=[sink], stop=stop)
        first = run(job, ScriptedSource(day_batch(1)))
        second = run(job, ScriptedSource(day_batch(2)))
    assert (first.exit_code, len(first.failures), second.failures) == (ExitCode.FAILED, 1, [])
    assert "was damaged" in first.message
    assert str(path) in first.message
    assert days(sink) == [1, 2]


def test_an_outbox_that_cannot_be_written_fails_the_run_and_loses_nothing(
    path: Path, job: Job, outbox: Outbox, sink: MemorySink
) -> None:
    job.run([ScriptedSource(day_batch(1))])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for table in ("payloads", "runs"):
            other.execute(
                f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no {table}'); END"
            )
        report = run(job, ScriptedSource(day_batch(2)))
        assert report.exit_code == ExitCode.FAILED
        assert ["no payloads" in report.failures[0], "no runs" in report.failures[1]] == [True, True]
        assert all(len(failure.splitlines()) == 1 for failure in report.failures)
        for table in ("payloads", "runs"):
            other.execute(f"DROP TRIGGER no_{table}")
    assert outbox.cursors() == {CURSOR: 1}
    run(job, ScriptedSource(day_batch(2)))
    assert days(sink) == [1, 2]


def test_a_changed_address_is_known_to_a_new_job(outbox: Outbox, stop: threading.Event) -> None:
    Job("job", outbox=outbox, sinks=[MemorySink(A)], stop=stop).run([ScriptedSource(day_batch(1))])
    moved = MemorySink(B)
    run(Job("job", outbox=outbox, sinks=[moved], stop=stop), ScriptedSource(day_batch(2)))
    assert days(moved) == [1, 2]
    assert [state.lane for state in outbox.lanes()] == [B]
