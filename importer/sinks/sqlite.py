"""The embedded store as a destination: no server, no set-up."""

import json
import os
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Self

from importer.config import ObjectReader
from importer.errors import Rejected, SinkRefused
from importer.metric_database import BUSY_TIMEOUT_SECONDS
from importer.metric_store import MetricWriter, Row, labels_text
from importer.points import Payload, Point
from importer.sinks.base import PointSink, batches
from importer.sinks.plain_text import Names

DEFAULT_FILE = "metrics.db"
"""In the state directory, unless a configuration names another path."""
MAX_PAYLOAD_POINTS = 5_000
PRUNE_INTERVAL_SECONDS = 3_600
_DAY_SECONDS = 86_400

_labels_text = lru_cache(maxsize=10_000)(labels_text)


class SqliteSink(PointSink):
    """A metric store in one SQLite file, which `metrics-importer show` reads.

    Names are those of Graphite; labels are kept apart from them, as they are. Points older than retention_days
    are deleted, at most once an hour. Raises ValueError for retention_days that are not above 0.
    """

    family = "sqlite"

    def __init__(
        self,
        *,
        path: Path,
        retention_days: float | None = None,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if retention_days is not None and not retention_days > 0:
            raise ValueError(f"retention_days {retention_days} is not above 0")
        self._writer = MetricWriter(path, busy_timeout_seconds=busy_timeout_seconds)
        super().__init__(self._writer.lane)
        self._retention_days = retention_days
        self._clock = clock
        self._pruned_at: float | None = None
        self._names = Names()

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that the keys path (relative: to the state directory) and retention_days describe."""
        retention_days = keys.number("retention_days", None)
        if retention_days is not None and not retention_days > 0:
            keys.problem("retention_days", "must be above 0, or left out to keep all points")
            retention_days = None
        return cls(path=state / keys.text("path", DEFAULT_FILE), retention_days=retention_days)

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads of at most MAX_PAYLOAD_POINTS: JSON arrays of rows, numbers with all their digits."""
        rows = [
            (name, _labels_text(point.labels), point.timestamp, point.value)
            for point in points
            if (name := self._names[point.path])
        ]
        return [
            Payload(json.dumps(part, separators=(",", ":")).encode(), points=len(part), format="rows")
            for part in batches(rows, MAX_PAYLOAD_POINTS)
        ]

    def deliver(self, payload: Payload) -> None:
        """Write one payload; it is safe on disk when this returns.

        Raises SinkUnavailable for a locked file or a full disk, SinkRefused for a file that may not be written,
        is damaged or another program's, and Rejected for a payload that is no array of rows.
        """
        try:
            rows = _parse_rows(payload.data)
        except ValueError as error:
            raise Rejected(self.lane, f"the kept payload is damaged: {error}") from error
        self._writer.write(rows)
        self._prune_if_due()

    def _prune_if_due(self) -> None:
        if self._retention_days is None:
            return
        now = self._clock()
        if self._pruned_at is None or abs(now - self._pruned_at) >= PRUNE_INTERVAL_SECONDS:
            self._writer.prune(now - self._retention_days * _DAY_SECONDS)
            self._pruned_at = now

    def check(self) -> str:
        """Return how many series the file has, or that the file will be made; makes none.

        Raises SinkUnavailable or SinkRefused.
        """
        path = self._writer.path
        if path.exists():
            return f"{self.lane} holds {self._writer.count_series()} series"
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise SinkRefused(self.lane, f"{path.parent} is no directory that this user may write to")
        return f"{self.lane} will be made"

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _parse_rows(data: bytes) -> list[Row]:
    rows: object = json.loads(data)
    if not isinstance(rows, list):
        raise ValueError("not an array")
    return [_parse_row(row) for row in rows]


def _parse_row(row: object) -> Row:
    match row:
        case [str(name), str(labels), int() | float() as timestamp, int() | float() as value]:
            Point((name,), value, timestamp)  # raises ValueError for what no point can hold
            return name, labels, timestamp, value
    raise ValueError(f"{row!r:.100} is not: name, labels, timestamp, value")
