"""Lanes deliver oldest first, each at its own pace, and lose nothing whatever a destination does."""

import itertools
import logging
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import outbox_view
from importer.delivery import BACKOFF_LIMIT_SECONDS, STOP_SECONDS, Backoff, Delivery
from importer.errors import OutboxError, PartlyRejected, Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.lane import LANE_LOCK_SECONDS, REPLAY_BURST_POINTS, LaneDelivery, LaneReport, Pace
from importer.outbox import Outbox
from importer.points import Payload
from tests.doubles import WAIT_SECONDS, FakeClock, Gate, MemorySink, unavailable

A, B = "memory://a", "memory://b"


@pytest.fixture(params=["memory", "disk"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db" if request.param == "disk" else None) as outbox:
        yield outbox


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), thread


def payload(text: str, points: int = 1) -> Payload:
    return Payload(text.encode(), points)


def add(outbox: Outbox, lane: str, *texts: str) -> None:
    with outbox.transaction() as transaction:
        transaction.add(lane, map(payload, texts))


def waiting(outbox: Outbox, lane: str = A) -> int:
    return sum(state.payloads for state in outbox.lanes() if state.lane == lane)


def problem(outbox: Outbox, lane: str = A) -> str:
    return next(state.problem for state in outbox.lanes() if state.lane == lane)


def taken(sink: MemorySink) -> list[str]:
    return [payload.data.decode() for payload in sink.taken]


def lane_of(outbox: Outbox, sink: MemorySink, clock: Callable[[], float] = FakeClock()) -> LaneDelivery:  # noqa: B008 never moves
    return LaneDelivery(outbox, sink, clock=clock)


def frozen(outbox: Outbox, *sinks: MemorySink, stop: threading.Event) -> Delivery:
    """Return deliveries that never try again by themselves: their clock stands still."""
    return Delivery(outbox, sinks, stop=stop, clock=FakeClock(), chance=lambda: 1.0)


# ---- one pass over a lane


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


# ---- pacing


def test_an_ordinary_cycle_is_not_paced() -> None:
    pace = Pace(1.0, clock=FakeClock())
    assert [pace.pause_seconds(REPLAY_BURST_POINTS // 2) for _ in range(2)] == [0.0, 0.0]


def test_beyond_the_burst_points_are_spaced_out() -> None:
    clock = FakeClock()
    pace = Pace(1000.0, clock=clock)
    pace.pause_seconds(REPLAY_BURST_POINTS)
    assert pace.pause_seconds(500) == 0.5
    clock.now += 0.5
    assert pace.pause_seconds(500) == 0.5
    clock.now += 1.5
    assert pace.pause_seconds(500) == 0.0


def test_credit_comes_back_with_time_up_to_a_burst() -> None:
    clock = FakeClock()
    pace = Pace(1000.0, clock=clock)
    pace.pause_seconds(REPLAY_BURST_POINTS)
    clock.now += 10**9
    assert pace.pause_seconds(REPLAY_BURST_POINTS) == 0.0
    assert pace.pause_seconds(1000) == 1.0


def test_without_a_rate_nothing_is_ever_paced() -> None:
    pace = Pace(math.inf, clock=FakeClock())
    assert pace.pause_seconds(10**12) == 0.0


@given(st.lists(st.tuples(st.integers(1, 50_000), st.floats(0, 10)), max_size=40), st.floats(10, 1e6))
def test_who_waits_as_told_never_sends_faster_than_the_rate(
    sends: list[tuple[int, float]], points_per_second: float
) -> None:
    clock = FakeClock(0.0)
    pace = Pace(points_per_second, clock=clock)
    sent = 0
    for points, idle_seconds in sends:
        clock.now += idle_seconds
        clock.now += pace.pause_seconds(points)
        sent += points
        assert sent <= (REPLAY_BURST_POINTS + clock.now * points_per_second) * (1 + 1e-9)


def test_a_paced_lane_stops_when_told_to(outbox: Outbox, stop: threading.Event) -> None:
    with outbox.transaction() as transaction:
        transaction.add(A, [payload("burst", REPLAY_BURST_POINTS), payload("paced", REPLAY_BURST_POINTS)])
    sink = MemorySink(A, replay_points_per_second=0.001)
    with frozen(outbox, sink, stop=stop) as delivery:
        waiter = threading.Thread(target=delivery.deliver_now)
        waiter.start()
        sink.next_attempt()
        stop.set()
        waiter.join(WAIT_SECONDS)
    assert (taken(sink), waiting(outbox)) == (["burst"], 1)


# ---- all lanes together


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


# ---- trying again


def test_an_unavailable_lane_tries_again_by_itself(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "1")
    sink = MemorySink(A, answers=[unavailable()] * 5)
    with Delivery(outbox, [sink], stop=stop, chance=lambda: 0.0) as delivery:
        delivery.deliver_now()
        for _ in range(6):
            sink.next_attempt()
    assert taken(sink) == ["1"]


@pytest.mark.parametrize("error", [SinkRefused(A, "401"), ZeroDivisionError("bug")])
def test_what_only_a_person_can_mend_is_not_tried_in_a_loop(
    outbox: Outbox, stop: threading.Event, error: Exception
) -> None:
    add(outbox, A, "1")
    sink = MemorySink(A, answers=[error, error])
    with Delivery(outbox, [sink], stop=stop, chance=lambda: 0.0) as delivery:
        for attempts in (1, 2):
            (report,) = delivery.deliver_now()
            assert report.failed
            assert sink.attempts.qsize() == attempts
        assert delivery.deliver_now() == [LaneReport(A, 1, 1)]


@pytest.mark.parametrize("retry_after_seconds", [None, 86400.0, 1e18, math.inf])
def test_deliver_now_does_not_wait_for_a_pause_to_end(
    outbox: Outbox, stop: threading.Event, retry_after_seconds: float | None
) -> None:
    add(outbox, A, "1")
    sink = MemorySink(A, answers=[unavailable(retry_after_seconds=retry_after_seconds)] * 3)
    with frozen(outbox, sink, stop=stop) as delivery:
        for _ in range(3):
            assert isinstance(delivery.deliver_now()[0].error, SinkUnavailable)
        assert delivery.deliver_now() == [LaneReport(A, 1, 1)]


def test_pauses_grow_to_a_limit() -> None:
    pauses = Backoff(chance=lambda: 1.0)
    assert [pauses.pause_seconds(unavailable()) for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    for _ in range(2000):
        assert pauses.pause_seconds(unavailable()) == BACKOFF_LIMIT_SECONDS


def test_pauses_have_full_jitter() -> None:
    chances = iter([0.0, 0.5, 0.25])
    pauses = Backoff(chance=lambda: next(chances))
    assert [pauses.pause_seconds(unavailable()) for _ in range(3)] == [0, 1, 1]


def test_a_success_begins_the_pauses_anew() -> None:
    pauses = Backoff(chance=lambda: 1.0)
    failed = [pauses.pause_seconds(unavailable()) for _ in range(3)]
    assert pauses.pause_seconds(None) == math.inf
    assert (failed, pauses.pause_seconds(unavailable())) == ([1, 2, 4], 1)


def test_a_store_is_left_alone_for_as_long_as_it_asks() -> None:
    pauses = Backoff(chance=lambda: 1.0)
    assert pauses.pause_seconds(unavailable(retry_after_seconds=900)) == 900
    assert pauses.pause_seconds(unavailable(retry_after_seconds=0.1)) == 2
    assert pauses.pause_seconds(unavailable(retry_after_seconds=-5)) == 4


def test_a_refusal_plans_no_other_try() -> None:
    assert Backoff(chance=lambda: 1.0).pause_seconds(SinkRefused(A, "401")) == math.inf


def test_threads_end_with_the_block(outbox: Outbox, stop: threading.Event) -> None:
    before = threading.active_count()
    with frozen(outbox, *(MemorySink(f"memory://{number}") for number in range(5)), stop=stop) as delivery:
        delivery.deliver_now()
        assert before < threading.active_count() <= before + 6
    assert threading.active_count() == before


def test_lanes_that_are_asked_one_by_one_share_a_thread(outbox: Outbox, stop: threading.Event) -> None:
    before = threading.active_count()
    lanes = [f"memory://{number}" for number in range(50)]
    with frozen(outbox, *map(MemorySink, lanes), stop=stop) as delivery:
        for lane in lanes:
            delivery.deliver_now([lane])
        assert threading.active_count() < before + 10


def test_who_waits_is_told_what_every_pass_since_came_to(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    sink = MemorySink(A, answers=[gate, Rejected(A, "too odd")])
    add(outbox, A, "in hand")
    with frozen(outbox, sink, stop=stop) as delivery:
        delivery.nudge()
        gate.wait_until_entered()
        reports: list[LaneReport] = []
        waiter = threading.Thread(target=lambda: reports.extend(delivery.deliver_now()))
        waiter.start()
        add(outbox, A, "odd", "good")
        gate.open()
        waiter.join(WAIT_SECONDS)
        assert reports == [LaneReport(A, 2, 2, 1, rejection="too odd")]
        assert delivery.deliver_now() == [LaneReport(A)]


def test_a_delivery_that_does_not_try_again_waits_to_be_asked(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "1")
    sink = MemorySink(A, answers=[unavailable()])
    with Delivery(outbox, [sink], stop=stop, tries_again=False, chance=lambda: 0.0) as delivery:
        (first,) = delivery.deliver_now()
        assert isinstance(first.error, SinkUnavailable)
        assert waiting(outbox) == 1
        assert delivery.deliver_now() == [LaneReport(A, 1, 1)]


# ---- other destinations while it runs


def test_only_the_lanes_that_are_named_are_tried(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "a")
    add(outbox, B, "b")
    first, second = MemorySink(A), MemorySink(B)
    with frozen(outbox, first, second, stop=stop) as delivery:
        assert delivery.deliver_now([B]) == [LaneReport(B, 1, 1)]
        assert first.attempts.empty()
        delivery.nudge([A])
        first.next_attempt()


def test_a_destination_that_is_left_out_is_closed_and_the_others_go_on(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "a")
    add(outbox, B, "b")
    gone, stays = MemorySink(A), MemorySink(B)
    with frozen(outbox, gone, stays, stop=stop) as delivery:
        delivery.replace([stays])
        assert (gone.closed, stays.closed) == (True, False)
        assert delivery.deliver_now() == [LaneReport(B, 1, 1)]
    assert waiting(outbox, A) == 1


def test_a_destination_that_is_replaced_finishes_what_it_has_in_hand(tmp_path: Path, stop: threading.Event) -> None:
    gate = Gate()
    old, new = MemorySink(A, answers=[gate]), MemorySink(A)
    with Outbox(tmp_path / "outbox.db") as outbox:
        add(outbox, A, "1", "2")
        with frozen(outbox, old, stop=stop) as delivery:
            delivery.nudge()
            gate.wait_until_entered()
            delivery.replace([new])
            waiter = threading.Thread(target=delivery.deliver_now)
            waiter.start()
            gate.open()
            waiter.join(WAIT_SECONDS)
    assert (taken(old), taken(new)) == (["1"], ["2"])
    assert old.closed


def test_a_destination_that_comes_in_is_delivered_to(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, B, "b")
    with frozen(outbox, MemorySink(A), stop=stop) as delivery:
        delivery.replace([MemorySink(A), MemorySink(B)])
        assert delivery.deliver_now() == [LaneReport(A), LaneReport(B, 1, 1)]


# ---- payloads that are delivered as one


class Joining(MemorySink):
    joined_points = 5


def test_payloads_that_wait_are_delivered_together_up_to_so_many_points(outbox: Outbox) -> None:
    add(outbox, A, *"abcdefg")
    sink = Joining(A)
    assert lane_of(outbox, sink).drain() == LaneReport(A, delivered=7, points=7)
    assert taken(sink) == ["abcde", "fg"]


def test_a_payload_of_more_points_goes_alone(outbox: Outbox) -> None:
    with outbox.transaction() as transaction:
        transaction.add(A, [payload("a"), payload("b", points=9), payload("c")])
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["a", "b", "c"]


def test_payloads_that_are_joined_stay_within_a_size(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_view, "MAX_JOINED_BYTES", 10)
    add(outbox, A, "a" * 6, "b" * 4, "c" * 11, "d")
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["aaaaaabbbb", "c" * 11, "d"]


def test_states_and_other_formats_are_not_joined(outbox: Outbox) -> None:
    with outbox.transaction() as transaction:
        state = Payload(b"s", 1, replace_key="state")
        transaction.add(A, [payload("a"), state, payload("b"), payload("c"), Payload(b"x", 1, "other")])
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["a", "s", "bc", "x"]


def test_of_joined_payloads_that_are_rejected_each_is_tried_alone(outbox: Outbox) -> None:
    add(outbox, A, "a", "b", "c")
    sink = Joining(A, answers=[Rejected(A, "one of them"), None, Rejected(A, "this one")])
    report = lane_of(outbox, sink).drain()
    assert report == LaneReport(A, delivered=2, points=2, rejected=1, rejection="this one")
    assert [reject.reason for reject in outbox.rejects()] == ["this one"]


def test_the_parts_that_a_destination_can_never_take_are_set_aside_alone(outbox: Outbox) -> None:
    add(outbox, A, "a", "b", "c")
    parts = [(payload("b"), "too odd"), (payload("c"), "too\nlong")]
    report = lane_of(outbox, Joining(A, answers=[PartlyRejected(A, parts)])).drain()
    assert report == LaneReport(A, delivered=3, points=1, rejected=2, rejection="too long")
    assert waiting(outbox) == 0
    assert [(reject.points, reject.reason) for reject in outbox.rejects()] == [(1, "too odd"), (1, "too long")]
    outbox.retry()
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["bc"]


def test_of_what_was_set_aside_nothing_is_told_as_sent(
    outbox: Outbox, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for texts, sent in {("b",): [], ("a", "b"): ["metrics sent: 1 lane=memory://a payloads=2"]}.items():
        add(outbox, A, *texts)
        answers = [PartlyRejected(A, [(payload("b"), "too odd")])]
        with frozen(outbox, Joining(A, answers=answers), stop=stop) as delivery:
            delivery.deliver_now()
        assert [line for line in caplog.messages if line.startswith("metrics sent")] == sent


def test_of_each_delivery_the_oldest_payload_is_told(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "a", "b", "c")
    told: list[bytes] = []
    answers = [unavailable(), Rejected(A, "together"), None, Rejected(A, "alone")]
    sink = Joining(A, answers=answers)
    deliveries = Delivery(
        outbox, [sink], stop=stop, clock=FakeClock(), delivered=lambda oldest: told.append(oldest.payload.data)
    )
    with deliveries as delivery:
        for _ in range(2):
            delivery.deliver_now()
    assert told == [b"a", b"c"]


# ---- a service that nobody restarts


def test_a_flush_leaves_lanes_that_pause_after_a_failure(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "a")
    add(outbox, B, "b")
    failing, other = MemorySink(A, answers=[unavailable()]), MemorySink(B)
    with frozen(outbox, failing, other, stop=stop) as delivery:
        delivery.deliver_now()
        add(outbox, B, "c")
        delivery.flush()
        assert delivery.deliver_now([B]) is not None
        assert taken(other) == ["b", "c"]
        assert failing.attempts.qsize() == 1
        assert waiting(outbox) == 1


def test_a_refusal_is_tried_again_by_who_cannot_wait_for_a_person() -> None:
    backoff = Backoff(base_seconds=2.0, limit_seconds=5.0, retries_refused=True, chance=lambda: 1.0)
    refused = SinkRefused(A, "HTTP 401")
    assert [backoff.pause_seconds(refused) for _ in range(3)] == [2.0, 4.0, 5.0]
    assert backoff.pause_seconds(SinkUnavailable(A, "later", retry_after_seconds=9.0)) == 9.0
    assert backoff.pause_seconds(SinkError(A, "a bug")) == math.inf


def test_what_was_asked_of_a_destination_that_is_replaced_is_done_by_the_other(
    tmp_path: Path, stop: threading.Event
) -> None:
    gate = Gate()
    old, new = MemorySink(A, answers=[gate]), MemorySink(A)
    with Outbox(tmp_path / "outbox.db") as outbox, frozen(outbox, old, stop=stop) as delivery:
        add(outbox, A, "1")
        delivery.nudge()
        gate.wait_until_entered()
        add(outbox, A, "2")
        delivery.nudge()
        delivery.replace([new])
        gate.open()
        assert new.next_attempt().data == b"2"


def test_a_destination_that_is_replaced_in_a_pause_is_tried_by_the_other(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "1")
    old, new = MemorySink(A, answers=[unavailable()]), MemorySink(A)
    with frozen(outbox, old, stop=stop) as delivery:
        delivery.deliver_now()
        delivery.replace([new])
        assert new.next_attempt().data == b"1"


def test_who_waits_for_a_destination_that_is_left_out_is_let_go(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    add(outbox, A, "1")
    with frozen(outbox, MemorySink(A, answers=[gate]), stop=stop) as delivery:
        reports: list[list[LaneReport]] = []
        waiter = threading.Thread(target=lambda: reports.append(delivery.deliver_now()))
        waiter.start()
        gate.wait_until_entered()
        delivery.replace([])
        waiter.join(WAIT_SECONDS)
        assert reports == [[]]
        gate.open()
