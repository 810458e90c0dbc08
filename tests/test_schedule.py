import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.schedule import (
    LONGEST_WAIT_SECONDS,
    STEP_BACK_SECONDS,
    ClockSchedule,
    Entry,
    daily_minute,
    next_multiple,
    resume_from,
    ticks,
    wait_until,
)

TIMES = st.floats(0, 2**32, allow_nan=False)
MINUTES = st.sets(st.integers(0, 59), min_size=1, max_size=6)


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-03-29T{text}+00:00").timestamp()


class Clock:
    """A wall clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Waits(threading.Event):
    """A stop whose waits pass at once, on a clock of ours. What `during` holds happens at the waits, one each."""

    def __init__(self, clock: Clock, *during: Callable[[], object]) -> None:
        super().__init__()
        self.clock = clock
        self.during = list(during)
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.clock.now += timeout
        if self.during:
            self.during.pop(0)()
        return self.is_set()


# Multiples of minutes


@pytest.mark.parametrize(
    ("now", "minutes", "then"),
    [
        ("10:00:00", 2, "10:02:00"),
        ("10:01:59.9", 2, "10:02:00"),
        ("10:02:00.001", 2, "10:04:00"),
        ("10:00:00", 15, "10:15:00"),
        ("10:59:00", 60, "11:00:00"),
        ("10:50:00", 25, "11:00:00"),
        ("10:55:00", 7, "10:56:00"),
        ("10:56:00", 7, "11:00:00"),
        ("00:59:30", 1, "01:00:00"),
    ],
)
def test_the_next_multiple_is_on_the_clock(now: str, minutes: int, then: str) -> None:
    assert next_multiple(at(now), minutes) == at(then)


@given(now=TIMES, minutes=st.integers(1, 60))
def test_the_next_multiple_is_after_now_and_within_the_interval(now: float, minutes: int) -> None:
    then = next_multiple(now, minutes)
    assert now < then <= now + minutes * 60
    assert then % 3600 == 0 or then % 3600 % (minutes * 60) == 0


@given(now=TIMES, minutes=st.integers(1, 60))
def test_no_multiple_is_left_out(now: float, minutes: int) -> None:
    hour = now // 3600 * 3600
    multiples = [hour + minute * 60 for minute in [*range(0, 60, minutes), 60]]
    assert next_multiple(now, minutes) == min(multiple for multiple in multiples if multiple > now)


@pytest.mark.parametrize("minutes", [0, -1, 61])
def test_other_minutes_are_refused(minutes: int) -> None:
    with pytest.raises(ValueError, match="minutes"):
        next_multiple(0, minutes)


# Five past local midnight


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (-8, (8, 5)),
        (0, (0, 5)),
        (1, (23, 5)),
        (5.5, (18, 35)),
        (5.75, (18, 20)),
        (-3.5, (3, 35)),
        (14, (10, 5)),
        (-12, (12, 5)),
    ],
)
def test_the_day_ends_at_its_own_midnight(offset: float, expected: tuple[int, int]) -> None:
    assert daily_minute(offset) == expected


@given(st.integers(-24 * 60, 24 * 60))
def test_it_is_five_past_midnight_there(offset_minutes: int) -> None:
    hour, minute = daily_minute(offset_minutes / 60)
    there = datetime(2026, 5, 5, hour, minute, tzinfo=UTC) + timedelta(minutes=offset_minutes)
    assert (there.hour, there.minute) == (0, 5)


@pytest.mark.parametrize("offset", [math.nan, math.inf, -25, 24.01])
def test_an_offset_that_is_none_is_refused(offset: float) -> None:
    with pytest.raises(ValueError, match="offset"):
        daily_minute(offset)


# Times of the clock


def schedule() -> ClockSchedule[str]:
    return ClockSchedule(
        (
            Entry("carriers", range(2, 60, 10)),
            Entry("versions", range(0, 60, 10)),
            Entry("daily", [5], hour=8),
        )
    )


@pytest.mark.parametrize(
    ("since", "now", "due"),
    [
        ("09:00:00", "09:00:00", []),
        ("08:59:59", "09:00:00", ["versions"]),
        ("09:00:00", "09:01:59", []),
        ("09:00:00", "09:02:00", ["carriers"]),
        ("08:04:59", "08:05:30", ["daily"]),
        ("09:02:00", "11:59:00", ["versions", "carriers"]),
        ("07:59:00", "08:30:00", ["versions", "carriers", "daily"]),
        ("00:00:00", "23:59:59", ["carriers", "daily", "versions"]),
        ("09:10:00", "09:00:00", []),
    ],
)
def test_what_is_due_is_due_once(since: str, now: str, due: list[str]) -> None:
    found = schedule().due(at(since), at(now))
    assert found == due if len(due) < 3 or since != "00:00:00" else sorted(found) == due


def test_a_days_gap_makes_up_for_a_daily_task_once() -> None:
    assert schedule().due(at("08:05:00"), at("08:05:00") + 3 * 86400).count("daily") == 1


def test_the_next_time_of_a_schedule_is_that_of_its_first_task() -> None:
    assert schedule().next_after(at("08:02:00")) == at("08:05:00")
    assert schedule().next_after(at("08:05:00")) == at("08:10:00")
    assert ClockSchedule[str](()).next_after(0) == math.inf


@given(now=TIMES, minutes=MINUTES, hour=st.none() | st.integers(0, 23))
def test_an_entrys_next_time_is_the_first_that_its_clock_shows(now: float, minutes: set[int], hour: int | None) -> None:
    then = Entry("task", minutes, hour=hour).next_after(now)
    minute = math.floor(now / 60) * 60 + 60
    while (minute // 60 % 60) not in minutes or hour not in (None, minute // 3600 % 24):
        minute += 60
    assert then == minute


@given(times=st.lists(TIMES, min_size=2, max_size=10).map(sorted), minutes=MINUTES, hour=st.none() | st.integers(0, 23))
def test_looks_one_after_the_other_find_what_one_long_look_finds(
    times: list[float], minutes: set[int], hour: int | None
) -> None:
    one = ClockSchedule((Entry("task", minutes, hour=hour),))
    looks = [one.due(since, now) for since, now in pairwise(times)]
    assert any(looks) == bool(one.due(times[0], times[-1]))
    assert all(look in ([], ["task"]) for look in looks)


@pytest.mark.parametrize(("minutes", "hour"), [([], None), ([60], None), ([-1], None), ([0], 24), ([0], -1)])
def test_an_entry_that_never_comes_is_refused(minutes: list[int], hour: int | None) -> None:
    with pytest.raises(ValueError, match="hour"):
        Entry("task", minutes, hour=hour)


# A clock that is set


@pytest.mark.parametrize(
    ("since", "now", "resumed"),
    [(100.0, 200.0, 100.0), (100.0, 100.0, 100.0), (100.0, 40.0, 100.0), (100.0, 39.9, 39.9), (1e9, 0.0, 0.0)],
)
def test_a_clock_that_is_set_back_far_is_followed(since: float, now: float, resumed: float) -> None:
    assert resume_from(since, now) == resumed


# Waiting


def test_a_wait_ends_when_the_clock_is_there() -> None:
    clock = Clock(0)
    stop = Waits(clock)
    assert wait_until(100, stop, clock=clock)
    assert clock.now == 100
    assert max(stop.waits) <= LONGEST_WAIT_SECONDS


def test_a_time_that_is_past_is_not_waited_for() -> None:
    clock = Clock(100)
    stop = Waits(clock)
    assert wait_until(50, stop, clock=clock)
    assert stop.waits == []


def test_a_wait_ends_at_once_on_a_stop() -> None:
    stop = threading.Event()
    ended = threading.Event()

    def wait() -> None:
        wait_until(math.inf, stop)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    stop.set()
    assert ended.wait(10)
    thread.join()


def test_a_stop_wins_over_a_time_that_is_past() -> None:
    stop = threading.Event()
    stop.set()
    assert not wait_until(0, stop)


def test_a_wait_notices_that_the_machine_slept() -> None:
    clock = Clock(0)
    stop = Waits(clock, lambda: setattr(clock, "now", 1e6))
    assert wait_until(3600, stop, clock=clock)
    assert len(stop.waits) == 1


def test_a_wait_ends_when_the_clock_is_set_back_far() -> None:
    clock = Clock(1e9)
    stop = Waits(clock, lambda: setattr(clock, "now", 1e8))
    assert wait_until(1e9 + 3600, stop, clock=clock)
    assert len(stop.waits) == 1


def test_a_wait_goes_on_when_the_clock_is_set_back_a_little() -> None:
    clock = Clock(1000)
    stop = Waits(clock, lambda: setattr(clock, "now", 1000 - STEP_BACK_SECONDS / 2))
    assert wait_until(1100, stop, clock=clock)
    assert clock.now == 1100


def test_small_steps_back_add_up() -> None:
    clock = Clock(1e6)

    def step_back() -> None:
        clock.now -= LONGEST_WAIT_SECONDS + STEP_BACK_SECONDS * 0.7

    stop = Waits(clock, step_back, step_back, step_back, step_back)
    assert wait_until(1e6 + 3600, stop, clock=clock)
    assert len(stop.waits) == 2


def test_the_heart_beats_while_waiting() -> None:
    clock = Clock(0)
    beats: list[float] = []
    wait_until(100, Waits(clock), clock=clock, heartbeat=lambda: beats.append(clock.now))
    assert beats == [0, 30, 60, 90, 100]


# The loop


def seen_ticks(clock: Clock, stop: Waits, count: int, *, makes_up: bool = True) -> Iterator[tuple[float, float]]:
    loop = ticks(lambda now: next_multiple(now, 2), stop, clock=clock, makes_up=makes_up)
    for _ in range(count):
        yield next(loop)


def test_ticks_follow_each_other_without_a_gap() -> None:
    clock = Clock(30)
    assert list(seen_ticks(clock, Waits(clock), 3)) == [(30, 120), (120, 240), (240, 360)]


def test_a_tick_that_was_missed_while_busy_is_made_up_for_once() -> None:
    clock = Clock(0)
    loop = seen_ticks(clock, Waits(clock), 3)
    assert next(loop) == (0, 120)
    clock.now = 700
    assert next(loop) == (120, 700)
    assert next(loop) == (700, 720)


def test_ticks_may_be_left_out_while_busy() -> None:
    clock = Clock(0)
    loop = seen_ticks(clock, Waits(clock), 2, makes_up=False)
    next(loop)
    clock.now = 700
    assert next(loop) == (700, 720)


def test_a_tick_is_not_repeated_when_the_clock_is_set_back_a_little() -> None:
    clock = Clock(0)
    loop = seen_ticks(clock, Waits(clock), 2)
    assert next(loop) == (0, 120)
    clock.now = 90
    assert next(loop) == (120, 240)


def test_ticks_go_on_after_the_clock_was_set_back_far() -> None:
    clock = Clock(1e9)
    stop = Waits(clock)
    loop = seen_ticks(clock, stop, 2)
    assert next(loop)[1] > 1e9
    clock.now = 1000
    assert next(loop) == (1000, 1080)


def test_a_clock_that_is_set_back_during_the_wait_brings_no_early_tick() -> None:
    clock = Clock(1e9)
    stop = Waits(clock, lambda: setattr(clock, "now", 1000))
    assert list(seen_ticks(clock, stop, 2)) == [(1000, 1080), (1080, 1200)]


def test_a_stop_during_the_wait_ends_the_ticks() -> None:
    clock = Clock(0)
    stop = Waits(clock)
    stop.during.append(stop.set)
    assert list(ticks(lambda now: next_multiple(now, 2), stop, clock=clock)) == []


def test_a_stop_ends_the_ticks() -> None:
    clock = Clock(0)
    stop = Waits(clock)
    loop = ticks(lambda now: next_multiple(now, 2), stop, clock=clock)
    next(loop)
    stop.set()
    assert list(loop) == []


@given(st.lists(st.floats(-7200, 7200), max_size=8))
def test_whatever_happens_to_the_clock_a_tick_comes_within_the_interval_and_a_step(steps: list[float]) -> None:
    clock = Clock(1e9)
    stop = Waits(clock)
    loop = ticks(lambda now: next_multiple(now, 2), stop, clock=clock)
    for step in steps:
        clock.now += step
        stop.waits.clear()
        since, now = next(loop)
        assert since < now == clock.now
        assert sum(stop.waits) <= 120 + STEP_BACK_SECONDS
