"""Sinks and sources that tests control: they implement the base classes, without a vendor or a store."""

import json
import math
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from importer.config import ObjectReader
from importer.errors import SinkUnavailable
from importer.points import Batch, Payload, Point
from importer.sinks.base import PointSink
from importer.sources.base import Missing, Source

WAIT_SECONDS = 30.0
"""How long a test waits for what ought to happen at once; it fails when that is over."""


def day_point(day: int, name: str = "dau") -> Point:
    """Return the one point of a day that the tests import."""
    return Point(("daily", name), day * 10, day * 86400)


def day_batch(day: int, *, cursor: str = "daily/dau", group: str = "", again: bool = False) -> Batch:
    """Return a batch of that day's point, whose cursor ends on the day."""
    return Batch((day_point(day),), cursor, day, group, again)


class MemorySink(PointSink):
    """Keeps what it is given, point by point, and answers as `answers` says, which is used up from the left.

    An answer is an exception to raise, or a function to call with the payload; without one, it takes the payload.
    """

    def __init__(
        self,
        lane: str = "memory://a",
        *,
        family: str = "memory",
        payload_points: int = 1,
        outbox_max_bytes: int = 2**30,
        replay_points_per_second: float = math.inf,
        answers: Iterable[Exception | Callable[[Payload], None]] = (),
    ) -> None:
        super().__init__(lane)
        self.family = family
        self.outbox_max_bytes = outbox_max_bytes
        self.replay_points_per_second = replay_points_per_second
        self.answers = deque(answers)
        self.attempts: queue.SimpleQueue[Payload] = queue.SimpleQueue()
        self.taken: list[Payload] = []
        self.closed = False
        self._payload_points = payload_points

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        return cls()

    @property
    def points(self) -> list[tuple[object, object]]:
        """(name, timestamp) of every point that was taken, in that order."""
        return [(name, timestamp) for payload in self.taken for name, _, timestamp in json.loads(payload.data)]

    def next_attempt(self) -> Payload:
        """Wait for the next call of `deliver`, and return its payload."""
        return self.attempts.get(timeout=WAIT_SECONDS)

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        rows = [(".".join(point.path), point.value, point.timestamp) for point in points]
        chunks = (rows[start : start + self._payload_points] for start in range(0, len(rows), self._payload_points))
        return [Payload(json.dumps(chunk).encode(), len(chunk), "json") for chunk in chunks]

    def deliver(self, payload: Payload) -> None:
        self.attempts.put(payload)
        answer = self.answers.popleft() if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            answer(payload)
        self.taken.append(payload)

    def check(self) -> str:
        return "in memory"

    def close(self) -> None:
        self.closed = True


class Gate:
    """An answer of a sink that hangs until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def __call__(self, payload: Payload) -> None:
        self.entered.set()
        if not self._open.wait(WAIT_SECONDS):
            raise AssertionError("nobody opened the gate")

    def wait_until_entered(self) -> None:
        assert self.entered.wait(WAIT_SECONDS)

    def open(self) -> None:
        self._open.set()


def unavailable(lane: str = "memory://a", *, retry_after_seconds: float | None = None) -> SinkUnavailable:
    """Return what a sink raises while its store is away."""
    return SinkUnavailable(lane, "connection refused", retry_after_seconds=retry_after_seconds)


class ScriptedSource(Source):
    """Yields batches and Missing, raises exceptions, calls functions, in the order of its script."""

    def __init__(self, *script: Batch | Missing | Exception | Callable[[], None], name: str = "scripted") -> None:
        self.name = name
        self.cursors: list[dict[str, int]] = []
        """What each `collect` was told."""
        self._script = script

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        self.cursors.append(dict(cursors))
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Batch | Missing):
                yield step
            else:
                step()


class FakeClock:
    """Seconds that pass only when a test says so."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
