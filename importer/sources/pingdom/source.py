"""pingdom: each hour of each check once it is over; what was missed is asked for, so that nothing is lost.

The tests of the checks are in `importer.sources.pingdom.checks`.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeGuard, TypeVar

from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable, Stopped
from importer.parallel import map_ordered
from importer.points import Batch, Point
from importer.sources.base import Missing, Source
from importer.sources.pingdom.api import SOURCE, PingdomApi
from importer.sources.pingdom.parse import Check, Hour

Item = TypeVar("Item")
Answer = TypeVar("Answer")

HOUR_METRICS = {"uptime": ("uptime",), "downtime": ("downtime",), "avgresponse": ("hourly", "response_time")}
"""Pingdom's figure -> what follows the check's name: seconds of the hour, and milliseconds on average."""
PAUSED = "paused"

HOUR_SECONDS = 3600
SETTLING_SECONDS = 600
"""How long after its end an hour is asked for: the last tests of it may still be on their way."""
FIRST_HOURS = 24
"""How far back a check is imported that was not before."""
IN_FLIGHT_FACTOR = 4


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to ask, with how many threads, and what to call the answers."""

    api: PingdomApi
    metric_root: str
    pool: Executor
    width: int
    """Threads in the pool."""
    stop: threading.Event
    clock: Callable[[], float] = time.time

    def point(self, check: Check, *path: str, value: float, timestamp: float) -> Point:
        """Return a point below the check's name; raises ValueError if it cannot be one."""
        return Point((self.metric_root, check.name, *path), value, timestamp)

    def ask(
        self, items: Iterable[Item], ask_one: Callable[[Item], Answer]
    ) -> Iterator[tuple[Item, Answer | SourceError]]:
        """Yield each item with what was answered, or with the error that concerns it alone, in their order.

        Raises SourceError after the last answer if the login was refused or the host could not be reached. Ends early
        when the process is asked to stop.
        """
        fatal: SourceError | None = None
        window = self.width * IN_FLIGHT_FACTOR
        for outcome in map_ordered(self.pool, ask_one, items, window=window, stop=self.stop):
            error = outcome.error
            if error is None:
                yield outcome.item, outcome.result()
            elif _ends_cycle(error):
                fatal = fatal or error
            elif isinstance(error, SourceError):
                yield outcome.item, error
            elif not isinstance(error, Stopped):
                raise error
        if fatal is not None:
            raise fatal


@dataclass(frozen=True, slots=True)
class Window:
    """Hours, the end not included; both in seconds since 1970 UTC."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{_utc(self.start):%Y-%m-%dT%H:%MZ} to {_utc(self.end):%Y-%m-%dT%H:%MZ}"


def hour_cursor(check: Check) -> str:
    """Return the name of the cursor whose position is the start of the last imported hour."""
    return f"hours/{check.id}"


class HourSource(Source):
    """The hours of each check that are over and were not imported yet, or those of a window once more."""

    name = "hours"

    def __init__(self, account: Account, *, window: Window | None = None) -> None:
        self._account = account
        self._window = window

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each hour, check by check."""
        if self._window is not None and self._window.start >= self._settled():
            yield Missing("hours", BadAnswer(SOURCE, f"{self._window} is not over"))
        questions = [
            (check, window)
            for check in self._account.api.checks()
            if (window := self._wanted(check, cursors)) is not None
        ]
        for (check, window), answer in self._account.ask(questions, self._ask):
            if isinstance(answer, SourceError):
                yield Missing(f"hours of {check.name} ({check.id}), {window}", answer)
            else:
                yield from self._batches(check, window, answer, cursors)

    def _wanted(self, check: Check, cursors: Mapping[str, int]) -> Window | None:
        end = self._settled()
        if self._window is not None:
            window = Window(self._window.start, min(self._window.end, end))
            return window if window.start < window.end else None
        if check.status == PAUSED:
            return None
        done = cursors.get(hour_cursor(check))
        start = end - FIRST_HOURS * HOUR_SECONDS if done is None or done > end else done + HOUR_SECONDS
        return Window(start, end) if start < end else None

    def _settled(self) -> int:
        """Return the end of the last hour that may be asked for."""
        return int(self._account.clock() - SETTLING_SECONDS) // HOUR_SECONDS * HOUR_SECONDS

    def _ask(self, question: tuple[Check, Window]) -> list[Hour]:
        check, window = question
        return self._account.api.hours(check.id, _utc(window.start), _utc(window.end))

    def _batches(self, check: Check, window: Window, hours: list[Hour], cursors: Mapping[str, int]) -> Iterator[Batch]:
        """Yield the hours of the window in order of time.

        The cursor moves with the hours that are given: one that the vendor adds up later is asked for again.
        """
        done = cursors.get(hour_cursor(check))
        joins = window.end == self._settled() if done is None else window.start <= done + HOUR_SECONDS
        for hour in sorted(hours, key=lambda hour: hour.start):
            if window.start <= hour.start < window.end:
                yield Batch(
                    tuple(self._points(check, hour)),
                    cursor=hour_cursor(check) if joins else "",
                    position=hour.start,
                    group=str(check.id),
                    again=self._window is not None or (done is not None and done >= window.end),
                )

    def _points(self, check: Check, hour: Hour) -> Iterator[Point]:
        for figure, path in HOUR_METRICS.items():
            if figure in hour.figures:
                yield self._account.point(check, *path, value=hour.figures[figure], timestamp=hour.start)


def _ends_cycle(error: Exception) -> TypeGuard[SourceError]:
    return isinstance(error, SourceRefused) or (isinstance(error, SourceUnavailable) and error.unreachable)


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
