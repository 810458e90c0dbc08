"""When a command's next run is to be expected, by when the last ones began."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

MIN_INTERVALS = 3
"""Fewer tell no habit."""
MAX_INTERVALS = 20
MIN_INTERVAL_SECONDS = 30.0
"""Runs that follow each other faster were started by hand, or make up for something."""
REGULAR_SHARE = 0.7
"""So many of the intervals are about as long as the middle one, or there is no habit."""
_TOLERANCE = 0.25
_LATE_FACTOR = 2.0
_LATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """A command's habit."""

    interval_seconds: float
    next_run: float
    """When the next run is to begin, in seconds since 1970 UTC."""

    def is_late(self, now: float) -> bool:
        """Return whether the run has not begun though a whole further one is due too; `now` as `next_run`."""
        return now > self.next_run + (_LATE_FACTOR - 1) * self.interval_seconds + _LATE_SECONDS


def expected(starts: Sequence[float]) -> Expectation | None:
    """Return what the starts of runs, newest first, let expect; None where they show no habit.

    >>> expected([1200.0, 900.0, 600.0, 300.0])
    Expectation(interval_seconds=300.0, next_run=1500.0)
    >>> expected([1200.0, 1199.0, 600.0, 300.0]) is None
    True
    """
    intervals = [newer - older for newer, older in pairwise(starts[: MAX_INTERVALS + 1])]
    if len(intervals) < MIN_INTERVALS:
        return None
    middle = median(intervals)
    alike = sum(abs(interval - middle) <= _TOLERANCE * middle for interval in intervals)
    if middle < MIN_INTERVAL_SECONDS or alike < REGULAR_SHARE * len(intervals):
        return None
    return Expectation(middle, starts[0] + middle)
