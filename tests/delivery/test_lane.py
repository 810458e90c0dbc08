"""One pass over what waits for one destination."""

import itertools
import logging
import threading
from pathlib import Path

import pytest

from importer.errors import OutboxError, Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.lane import LANE_LOCK_SECONDS, REPLAY_BURST_POINTS, LaneDelivery, LaneReport
from importer.outbox import Outbox
from importer.points import Payload
from tests.delivery.lanes import A, B, add, lane_of, payload, problem, taken, waiting
from tests.doubles import WAIT_SECONDS, FakeClock, MemorySink, unavailable


def test_a_pass_delivers_everything_oldest_first(outbox: Outbox) -> None:
    add(outbox, A, "1", "2")
    add(outbox, A, "3")
    add(outbox, B, "other lane")
    sink = MemorySink(A)
    assert lane_of(outbox, sink).drain() == LaneReport(A, delivered=3, points=3)
    assert taken(sink) == ["1", "2", "3"]
    assert (waiting(outbox), waiting(outbox, B)) == (0, 1)


def test_a_pass_over_an_empty_lane_reports_nothing(outbox: Outbox) -> None:
    report = lane_of(outbox, MemorySink(A)).drain()
    assert report == LaneReport(A)
    assert not report.failed


def test_an_unavailable_destination_keeps_everything_from_there_on(outbox: Outbox) -> None:
    add(outbox, A, "1", "2", "3")
    error = unavailable()
    sink = MemorySink(A, answers=[lambda _: None, error])
    report = lane_of(outbox, sink).drain()
    assert report == LaneReport(A, delivered=1, points=1, error=error)
    assert not report.failed
    assert problem(outbox) == "connection refused"
    assert lane_of(outbox, sink).drain().error is None
    assert taken(sink) == ["1", "2", "3"]


def test_a_refusal_keeps_everything_and_fails(outbox: Outbox) -> None:
    add(outbox, A, "1", "2")
    error = SinkRefused(A, "401: mend api_key")
    sink = MemorySink(A, answers=[error])
    report = lane_of(outbox, sink).drain()
    assert report == LaneReport(A, error=error)
    assert report.failed
    assert sink.attempts.qsize() == 1
    assert (waiting(outbox), problem(outbox)) == (2, "401: mend api_key")


def test_a_rejected_payload_is_set_aside_and_the_rest_goes_on(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    add(outbox, A, "1", "2", "3")
    sink = MemorySink(A, answers=[lambda _: None, Rejected(A, "400: no such field")])
    report = lane_of(outbox, sink).drain()
    assert report == LaneReport(A, delivered=2, points=2, rejected=1, rejection="400: no such field")
    assert report.failed
    assert taken(sink) == ["1", "3"]
    assert [(reject.lane, reject.bytes, reject.reason) for reject in outbox.rejects()] == [(A, 1, "400: no such field")]
    assert [(record.levelno, "400: no such field" in record.message) for record in caplog.records] == [
        (logging.ERROR, True)
    ]


def test_a_bug_in_a_sink_keeps_everything_and_fails_in_one_line(outbox: Outbox) -> None:
    add(outbox, A, "1", "2")
    sink = MemorySink(A, answers=[ZeroDivisionError("division\nby zero")])
    report = lane_of(outbox, sink).drain()
    assert report.failed
    assert str(report.error) == f"{A}: ZeroDivisionError: division by zero"
    assert waiting(outbox) == 2


def test_a_bug_outside_deliver_is_reported_too(outbox: Outbox) -> None:
    with outbox.transaction() as transaction:
        transaction.add(A, [payload("1", 2 * REPLAY_BURST_POINTS)])
    report = lane_of(outbox, MemorySink(A, replay_points_per_second=0.0)).drain()
    assert isinstance(report.error, SinkError)
    assert "ZeroDivisionError" in str(report.error)
    assert waiting(outbox) == 1


def test_an_outbox_that_fails_is_reported_and_not_raised(outbox: Outbox) -> None:
    add(outbox, A, "1")
    sink = MemorySink(A, answers=[lambda _: outbox.close()])
    report = lane_of(outbox, sink).drain()
    assert isinstance(report.error, OutboxError)
    assert report.failed


def test_what_is_added_during_a_pass_is_delivered_by_it(outbox: Outbox) -> None:
    add(outbox, A, "1")
    sink = MemorySink(A, answers=[lambda _: add(outbox, A, "2")])
    assert lane_of(outbox, sink).drain().delivered == 2
    assert taken(sink) == ["1", "2"]


def test_a_state_replaced_while_it_is_delivered_is_followed_by_the_newer_one(outbox: Outbox) -> None:
    def add_state(text: str) -> None:
        with outbox.transaction() as transaction:
            transaction.add(A, [Payload(text.encode(), 1, replace_key="widget")])

    add_state("old")
    sink = MemorySink(A, answers=[lambda _: add_state("new")])
    assert lane_of(outbox, sink).drain().error is None
    assert taken(sink) == ["old", "new"]
    assert waiting(outbox) == 0


def test_a_stopped_lane_begins_no_other_payload(outbox: Outbox) -> None:
    add(outbox, A, "1", "2")
    sink = MemorySink(A, answers=[lambda _: lane.stop()])
    lane = lane_of(outbox, sink)
    report = lane.drain()
    assert report.delivered == 1
    assert isinstance(report.error, SinkUnavailable)
    assert waiting(outbox) == 1


def test_a_lane_that_another_process_delivers_is_left_to_it_after_a_while(tmp_path: Path) -> None:
    ticks = itertools.count(step=LANE_LOCK_SECONDS)
    with Outbox(tmp_path / "outbox.db") as outbox, Outbox(tmp_path / "outbox.db") as other:
        add(outbox, A, "1")
        with other.lane_lock(A, wait=lambda: False):
            sink = MemorySink(A)
            report = lane_of(outbox, sink, clock=lambda: float(next(ticks))).drain()
        assert not report.failed
        assert "another process" in str(report.error)
        assert taken(sink) == []
        assert lane_of(outbox, sink).drain().delivered == 1


def test_two_processes_that_drain_one_lane_deliver_each_payload_once(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox, Outbox(tmp_path / "outbox.db") as other:
        add(outbox, A, *map(str, range(50)))
        first, second = MemorySink(A), MemorySink(A)
        lanes = [LaneDelivery(box, sink, clock=FakeClock()) for box, sink in ((outbox, first), (other, second))]
        threads = [threading.Thread(target=lane.drain) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
    assert sorted(taken(first) + taken(second)) == sorted(map(str, range(50)))
