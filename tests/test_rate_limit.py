import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import Stopped
from importer.rate_limit import RateLimit


class Clock:
    """A clock that only waits move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class WaitsOnClock(threading.Event):
    """A stop whose waits pass at once, on a clock of ours; `during` happens in the middle of the first."""

    def __init__(self, clock: Clock, during: object = None) -> None:
        super().__init__()
        self.clock = clock
        self.during = during

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.clock.now += timeout
        during, self.during = self.during, None
        if callable(during):
            during()
        return self.is_set()


def starts(limit: RateLimit, clock: Clock, count: int) -> list[float]:
    stop = WaitsOnClock(clock)
    times = []
    for _ in range(count):
        limit.acquire(stop)
        times.append(clock.now)
    return times


def test_without_a_rate_nobody_waits() -> None:
    clock = Clock()
    assert starts(RateLimit(clock=clock), clock, 5) == [1000.0] * 5


@given(rate=st.floats(0.01, 1000), count=st.integers(2, 20))
def test_requests_keep_the_distance_of_the_rate(rate: float, count: int) -> None:
    clock = Clock()
    times = starts(RateLimit(rate, clock=clock), clock, count)
    assert times[0] == 1000.0
    assert times[-1] - times[0] == pytest.approx((count - 1) / rate)


def test_time_without_requests_is_not_saved_up() -> None:
    clock = Clock()
    limit = RateLimit(1, clock=clock)
    starts(limit, clock, 1)
    clock.now += 100
    assert starts(limit, clock, 3) == [1100.0, 1101.0, 1102.0]


def test_a_hold_keeps_new_requests_waiting() -> None:
    clock = Clock()
    limit = RateLimit(clock=clock)
    limit.hold(30)
    assert starts(limit, clock, 2) == [1030.0, 1030.0]


def test_overlapping_holds_end_with_the_later_one() -> None:
    clock = Clock()
    limit = RateLimit(clock=clock)
    limit.hold(30)
    clock.now += 10
    limit.hold(5)
    limit.hold(25)
    assert starts(limit, clock, 1) == [1035.0]


def test_a_hold_moves_those_who_already_wait_and_keeps_their_distance() -> None:
    clock = Clock()
    limit = RateLimit(1, clock=clock)
    limit.acquire(WaitsOnClock(clock))
    stop = WaitsOnClock(clock, during=lambda: limit.hold(10))
    limit.acquire(stop)  # its turn is at 1001, when the hold begins
    assert clock.now == pytest.approx(1011.0)
    assert starts(limit, clock, 2) == pytest.approx([1012.0, 1013.0])


def test_a_stop_ends_the_wait_at_once() -> None:
    limit = RateLimit()
    limit.hold(3600)
    stop = threading.Event()
    stopped = threading.Event()

    def wait() -> None:
        with pytest.raises(Stopped):
            limit.acquire(stop)
        stopped.set()

    thread = threading.Thread(target=wait)
    thread.start()
    stop.set()
    assert stopped.wait(10)
    thread.join()


def test_threads_share_the_rate() -> None:
    limit = RateLimit(200)
    stop = threading.Event()
    times: list[float] = []

    def go() -> None:
        for _ in range(5):
            limit.acquire(stop)
            times.append(time.monotonic())

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 20
    assert max(times) - min(times) >= 19 / 200 - 0.005


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="requests a second"):
        RateLimit(rate)


@pytest.mark.parametrize("seconds", [-1, math.inf, math.nan])
def test_a_hold_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="not a time"):
        RateLimit().hold(seconds)
