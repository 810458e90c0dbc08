"""A backlog is sent no faster than its store can take it."""

import math
import threading

from hypothesis import given
from hypothesis import strategies as st

from importer.lane import REPLAY_BURST_POINTS, Pace
from importer.outbox import Outbox
from tests.delivery.lanes import A, frozen, payload, taken, waiting
from tests.doubles import WAIT_SECONDS, FakeClock, MemorySink


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
