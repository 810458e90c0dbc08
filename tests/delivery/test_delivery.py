"""All lanes together: none holds up another, and a process ends in time."""

import itertools
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.delivery import STOP_SECONDS, Delivery
from importer.errors import SinkRefused, SinkUnavailable
from importer.lane import LaneReport
from importer.outbox import Outbox
from importer.points import Payload
from tests.delivery.lanes import A, B, add, frozen, taken, waiting
from tests.doubles import WAIT_SECONDS, Gate, MemorySink, unavailable


def test_every_lane_is_delivered_and_reported_in_the_order_of_the_sinks(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, B, "b")
    add(outbox, A, "a1", "a2")
    sinks = [MemorySink(A), MemorySink(B)]
    with frozen(outbox, *sinks, stop=stop) as delivery:
        assert delivery.deliver_now() == [LaneReport(A, 2, 2), LaneReport(B, 1, 1)]
        assert delivery.deliver_now() == [LaneReport(A), LaneReport(B)]
    assert [taken(sink) for sink in sinks] == [["a1", "a2"], ["b"]]


def test_nothing_is_delivered_before_it_is_asked_for(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "1")
    sink = MemorySink(A)
    with frozen(outbox, sink, stop=stop):
        pass
    assert sink.attempts.empty()


def test_a_slow_lane_does_not_hold_up_another(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    slow, quick = MemorySink(A, answers=[gate]), MemorySink(B)
    add(outbox, A, "slow")
    add(outbox, B, "quick")
    with Delivery(outbox, [slow, quick], stop=stop) as delivery:
        reports: list[LaneReport] = []
        waiter = threading.Thread(target=lambda: reports.extend(delivery.deliver_now()))
        waiter.start()
        gate.wait_until_entered()
        quick.next_attempt()
        gate.open()
        waiter.join(WAIT_SECONDS)
    assert [report.delivered for report in reports] == [1, 1]


@pytest.mark.parametrize("error", [unavailable(), SinkRefused(A, "401"), ZeroDivisionError("bug")])
def test_a_failing_lane_does_not_hold_up_another(outbox: Outbox, stop: threading.Event, error: Exception) -> None:
    add(outbox, A, "a")
    add(outbox, B, "b")
    with frozen(outbox, MemorySink(A, answers=[error]), MemorySink(B), stop=stop) as delivery:
        first, second = delivery.deliver_now()
    assert (first.error is None, second) == (False, LaneReport(B, 1, 1))


def test_a_lane_that_takes_too_long_is_left_out_and_goes_on(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    slow, quick = MemorySink(A, answers=[gate]), MemorySink(B)
    add(outbox, A, "slow", "next")
    add(outbox, B, "quick")
    with frozen(outbox, slow, quick, stop=stop) as delivery:
        waiter = threading.Thread(target=delivery.deliver_now)
        waiter.start()
        gate.wait_until_entered()
        quick.next_attempt()
        assert delivery.deliver_now(timeout_seconds=0.0) in ([], [LaneReport(B)])
        gate.open()
        waiter.join(WAIT_SECONDS)
        assert delivery.deliver_now() == [LaneReport(A), LaneReport(B)]
    assert taken(slow) == ["slow", "next"]


def test_a_pass_that_was_asked_for_sees_what_was_added_before(outbox: Outbox, stop: threading.Event) -> None:
    """Even though a pass is under way that may have looked already."""
    gate = Gate()
    sink = MemorySink(A, answers=[gate])
    add(outbox, A, "1")
    with frozen(outbox, sink, stop=stop) as delivery:
        first = threading.Thread(target=delivery.deliver_now)
        first.start()
        gate.wait_until_entered()
        add(outbox, A, "2")
        second = threading.Thread(target=delivery.deliver_now)
        second.start()
        gate.open()
        first.join(WAIT_SECONDS)
        second.join(WAIT_SECONDS)
        assert waiting(outbox) == 0


class HeldOutbox(Outbox):
    """Holds a pass that has found its lane empty, once, until it is let go on."""

    def __init__(self) -> None:
        super().__init__(None)
        self.emptied = threading.Event()
        self.go_on = threading.Event()

    def shrink(self) -> None:
        self.emptied.set()
        assert self.go_on.wait(WAIT_SECONDS)
        super().shrink()


@pytest.mark.parametrize("wake", [Delivery.nudge, Delivery.flush])
def test_what_is_added_after_a_pass_has_looked_is_not_forgotten(
    stop: threading.Event, wake: Callable[[Delivery], None]
) -> None:
    sink = MemorySink(A)
    with HeldOutbox() as outbox, frozen(outbox, sink, stop=stop) as delivery:
        add(outbox, A, "1")
        delivery.nudge()
        assert outbox.emptied.wait(WAIT_SECONDS)
        add(outbox, A, "2")
        wake(delivery)
        outbox.go_on.set()
        assert [sink.next_attempt().data for _ in range(2)] == [b"1", b"2"]


def test_a_flush_during_a_pass_that_fails_shortens_no_pause(outbox: Outbox, stop: threading.Event) -> None:
    first, second = Gate(), Gate()

    def fail_late(payload: Payload) -> None:
        first(payload)
        raise unavailable()

    add(outbox, A, "1")
    with frozen(outbox, MemorySink(A, answers=[fail_late, second]), stop=stop) as delivery:
        reports: list[LaneReport] = []
        waiter = threading.Thread(target=lambda: reports.extend(delivery.deliver_now()))
        waiter.start()
        first.wait_until_entered()
        delivery.flush()
        first.open()
        waiter.join(WAIT_SECONDS)
        is_at_work = delivery._works[A].running
        second.open()
    assert isinstance(reports[0].error, SinkUnavailable)
    assert not is_at_work


def test_who_asks_a_delivery_that_has_ended_is_not_kept_waiting(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "1")
    with frozen(outbox, MemorySink(A), stop=stop) as delivery:
        pass
    reports: list[list[LaneReport]] = []
    waiter = threading.Thread(target=lambda: reports.append(delivery.deliver_now()), daemon=True)
    waiter.start()
    waiter.join(WAIT_SECONDS)
    assert reports == [[]]


def test_a_stopped_process_does_not_wait_for_its_lanes(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    add(outbox, A, "1")
    ticks = itertools.count(step=STOP_SECONDS)
    sink = MemorySink(A, answers=[gate])
    with Delivery(outbox, [sink], stop=stop, clock=lambda: float(next(ticks))) as delivery:
        reports: list[list[LaneReport]] = []
        waiter = threading.Thread(target=lambda: reports.append(delivery.deliver_now()))
        waiter.start()
        gate.wait_until_entered()
        stop.set()
        waiter.join(WAIT_SECONDS)
        assert reports == [[]]
    assert not sink.closed
    assert waiting(outbox) == 1
    gate.open()


def test_what_hangs_when_the_process_ends_is_kept_for_the_next_one(tmp_path: Path, stop: threading.Event) -> None:
    path = tmp_path / "outbox.db"
    gate = Gate()
    ticks = itertools.count(step=STOP_SECONDS)
    hanging = MemorySink(A, answers=[gate])
    with Outbox(path) as outbox:
        add(outbox, A, "1", "2")
        with Delivery(outbox, [hanging], stop=stop, clock=lambda: float(next(ticks))) as delivery:
            assert delivery.deliver_now(timeout_seconds=STOP_SECONDS) == []
            gate.wait_until_entered()
    with Outbox(path) as outbox:
        assert waiting(outbox) == 2
    gate.open()  # the thread finds the outbox closed, and ends


def test_what_goes_on_after_the_end_is_not_logged(
    tmp_path: Path, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    ticks = itertools.count(step=STOP_SECONDS)
    with Outbox(tmp_path / "outbox.db") as outbox:
        add(outbox, A, "1")
        delivery = Delivery(outbox, [MemorySink(A, answers=[gate])], stop=stop, clock=lambda: float(next(ticks)))
        with delivery:
            delivery.nudge()
            gate.wait_until_entered()
    gate.open()
    delivery._pool.join(WAIT_SECONDS)
    assert not [record for record in caplog.records if record.name == "importer.delivery"]


def test_a_failure_that_stays_is_logged_once(
    outbox: Outbox, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    add(outbox, A, "1")
    answers = [unavailable(), unavailable(), SinkRefused(A, "HTTP 401"), SinkRefused(A, "HTTP 401"), None]
    with frozen(outbox, MemorySink(A, answers=[*answers, unavailable()]), stop=stop) as delivery:
        for _ in answers:
            delivery.deliver_now()
        add(outbox, A, "2")
        delivery.deliver_now()
    assert [message.split(": ")[0] for message in caplog.messages] == [
        "kept for later",
        "not delivered, kept",
        "kept for later",
    ]


def test_a_payload_in_hand_is_finished_before_the_process_ends(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    leaving = threading.Event()
    sink = MemorySink(A, answers=[gate])
    add(outbox, A, "1", "2")

    def clock() -> float:
        if leaving.is_set():
            gate.open()
        return 0.0

    with Delivery(outbox, [sink], stop=stop, clock=clock) as delivery:
        waiter = threading.Thread(target=delivery.deliver_now)
        waiter.start()
        gate.wait_until_entered()
        stop.set()
        waiter.join(WAIT_SECONDS)
        leaving.set()
    assert sink.closed
    assert (taken(sink), waiting(outbox)) == (["1"], 1)


def test_sinks_are_closed_in_the_end_even_if_one_cannot_be(outbox: Outbox, stop: threading.Event) -> None:
    class Broken(MemorySink):
        def close(self) -> None:
            raise OSError("broken pipe")

    other = MemorySink(B)
    with frozen(outbox, Broken(A), other, stop=stop):
        pass
    assert other.closed
