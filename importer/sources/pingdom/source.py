"""pingdom: each hour of each check once it is over; what was missed is asked for, so that nothing is lost.

The tests of the checks are in `importer.sources.pingdom.checks`.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime

from importer.errors import BadAnswer, SourceError
from importer.points import Batch, Point
from importer.sources.asking import Answer, Item, ask_all
from importer.sources.base import Missing, Source
from importer.sources.pingdom.api import SOURCE, PingdomApi
from importer.sources.pingdom.parse import Check, Hour

HOUR_METRICS = {"uptime": ("uptime",), "downtime": ("downtime",), "avgresponse": ("hourly", "response_time")}
"""Pingdom's figure -> what follows the check's name: seconds of the hour, and milliseconds on average."""
PAUSED = "paused"

HOUR_SECONDS = 3600
SETTLING_SECONDS = 600
"""How long after its end an hour is asked for: the last tests of it may still be on their way."""
FIRST_HOURS = 24
"""How far back a check is imported that was not before."""


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
        """Return what `ask_all` yields: each item with its answer or error, in their order."""
        return ask_all(items, ask_one, pool=self.pool, width=self.width, stop=self.stop)


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


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
