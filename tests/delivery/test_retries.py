"""When a lane is tried again."""

import math
import threading

import pytest

from importer.delivery import BACKOFF_LIMIT_SECONDS, Backoff, Delivery
from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.lane import LaneReport
from importer.outbox import Outbox
from tests.delivery.lanes import A, B, add, frozen, taken, waiting
from tests.doubles import WAIT_SECONDS, Gate, MemorySink, unavailable


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
