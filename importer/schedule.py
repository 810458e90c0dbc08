"""When to run: pure functions over epoch seconds (so all in UTC), and one loop that waits.

for since, now in ticks(schedule.next_after, stop):
    for app in schedule.due(since, now):
        ...
"""

import math
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

HOUR_SECONDS = 3600.0
DAY_SECONDS = 24 * HOUR_SECONDS

LONGEST_WAIT_SECONDS = 30.0
"""How long a wait goes on before it looks at the clock again, which may have been set or slept through."""

STEP_BACK_SECONDS = 60.0
"""A clock that is set back by no more than this is waited for; by more, it is followed."""

Task = TypeVar("Task")


def next_multiple(now: float, minutes: int) -> float:
    """Return the first time after now at a multiple of that many minutes (1..60) of the clock hour.

    Where minutes doesn't divide 60, each hour begins anew: for 25 that is :00, :25, :50, :00.
    Raises ValueError for other minutes.

    >>> next_multiple(3600.0, 2), next_multiple(3719.9, 2), next_multiple(3600 + 50 * 60, 25)
    (3720.0, 3720.0, 7200.0)
    """
    if not 1 <= minutes <= 60:
        raise ValueError(f"{minutes} is not a number of minutes from 1 to 60")
    hour = _floor(now, HOUR_SECONDS)
    return min(hour + _floor(now - hour, minutes * 60.0) + minutes * 60.0, hour + HOUR_SECONDS)


def _floor(seconds: float, step_seconds: float) -> float:
    return math.floor(seconds / step_seconds) * step_seconds


def daily_minute(offset_hours: float) -> tuple[int, int]:
    """Return hour and minute, in UTC, of 5 minutes past midnight where local time is UTC + offset_hours.

    Raises ValueError for an offset that is no number of hours between -24 and 24.

    >>> [daily_minute(offset) for offset in (-8, 0, 1, 5.5, 5.75)]
    [(8, 5), (0, 5), (23, 5), (18, 35), (18, 20)]
    """
    if not -24 <= offset_hours <= 24:
        raise ValueError(f"{offset_hours!r} is not an offset from UTC in hours")
    hour, minute = divmod((5 - round(offset_hours * 60)) % (24 * 60), 60)
    return hour, minute


class Entry(Generic[Task]):
    """A task and when it runs: at each of these minutes, of one UTC hour or of every hour.

    Raises ValueError for no minute, a minute outside 0..59 or an hour outside 0..23.
    """

    def __init__(self, task: Task, minutes: Collection[int], *, hour: int | None = None) -> None:
        if not minutes or not all(0 <= minute <= 59 for minute in minutes):
            raise ValueError(f"{sorted(minutes)} are not minutes of an hour")
        if hour is not None and not 0 <= hour <= 23:
            raise ValueError(f"{hour} is not an hour of the day")
        self.task = task
        self._period_seconds = HOUR_SECONDS if hour is None else DAY_SECONDS
        self._offsets = sorted((hour or 0) * HOUR_SECONDS + minute * 60.0 for minute in set(minutes))

    def next_after(self, now: float) -> float:
        """Return the first time after now at which the task runs."""
        begin = _floor(now, self._period_seconds)
        later = (begin + offset for offset in self._offsets if begin + offset > now)
        return next(later, begin + self._period_seconds + self._offsets[0])


@dataclass(frozen=True)
class ClockSchedule(Generic[Task]):
    """Tasks that run at times of the clock."""

    entries: tuple[Entry[Task], ...]

    def next_after(self, now: float) -> float:
        """Return the first time after now at which anything runs; infinity without entries."""
        return min((entry.next_after(now) for entry in self.entries), default=math.inf)

    def due(self, since: float, now: float) -> list[Task]:
        """Return the tasks with a time in (since, now], each once, in the order of the first such time.

        Nothing is due when the clock stands before `since`.
        """
        times = [(entry.next_after(since), entry.task) for entry in self.entries]
        return [task for at, task in sorted(times, key=lambda pair: pair[0]) if at <= now]


def resume_from(since: float, now: float) -> float:
    """Return from when on to look for what is due, where all up to `since` has been looked after.

    That is `since`, also while a clock that was set back a little comes up to it again: nothing runs twice.
    When it was set back by more than STEP_BACK_SECONDS it is `now`: better twice than not for a long time.
    """
    return now if since - now > STEP_BACK_SECONDS else since


def wait_until(
    at: float,
    stop: threading.Event,
    *,
    clock: Callable[[], float] = time.time,
    heartbeat: Callable[[], object] | None = None,
) -> bool:
    """Wait for the clock to reach `at`; return False as soon as `stop` is set.

    Returns True, too, when it sees the clock set back by more than STEP_BACK_SECONDS: then `at` may be far
    away, and the caller has to look what is next. `heartbeat` is called at least every LONGEST_WAIT_SECONDS.
    """
    seen = clock()
    while not stop.is_set():
        if heartbeat is not None:
            heartbeat()
        now = clock()
        if now >= at or now < seen - STEP_BACK_SECONDS:
            return True
        seen = max(seen, now)
        stop.wait(min(at - now, LONGEST_WAIT_SECONDS))
    return False


def ticks(
    next_after: Callable[[float], float],
    stop: threading.Event,
    *,
    clock: Callable[[], float] = time.time,
    heartbeat: Callable[[], object] | None = None,
    makes_up: bool = True,
    since: float | None = None,
) -> Iterator[tuple[float, float]]:
    """Yield (since, now) whenever the clock has reached a time of next_after, until `stop` is set.

    Begins at `since`, up to which everything was looked after before; at the time of the call without it.

    The intervals (since, now] don't overlap, and leave nothing out while the machine sleeps or the caller is
    busy, unless `makes_up` is false: then what fell due while the caller was busy is not made up for.
    """
    since = clock() if since is None else since
    while not stop.is_set():
        since = resume_from(since, clock())
        at = next_after(since)
        if not wait_until(at, stop, clock=clock, heartbeat=heartbeat):
            return
        now = clock()
        if now < at:  # the clock was set back
            continue
        yield since, now
        since = now if makes_up else max(now, clock())
