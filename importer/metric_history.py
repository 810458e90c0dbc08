"""The points of an embedded store in the order of time, chunk by chunk: however many there are, few are in memory.

A history is a snapshot: what is written or pruned while it is read changes nothing in it.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from importer.metric_store import MetricStore, parse_labels
from importer.points import MAX_TIMESTAMP, Labels, Point

MAX_CACHED_SERIES = 100_000
_STEPS_BETWEEN_LOOKS = 100_000
"""Of SQLite's machine: a few milliseconds."""
_LEAST_WIDTH_SECONDS = 1.0

_BEHIND = (
    "FROM points WHERE series_id IN (SELECT id FROM temp.chosen) AND timestamp >= :time AND timestamp < :end"
    " AND (timestamp > :time OR series_id > :series)"
)
_PER_SERIES = f"SELECT COUNT(*) AS points, MIN(timestamp) AS first, MAX(timestamp) AS last {_BEHIND} GROUP BY series_id"
_SUM = "COUNT(*), TOTAL(points), MIN(first), MAX(last) FROM"
_EXTENT = f"SELECT {_SUM} ({_PER_SERIES})"
_ROWS = f"SELECT series_id, timestamp, value {_BEHIND} ORDER BY timestamp, series_id LIMIT :limit"
_SERIES = "SELECT name, labels FROM series WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the order of a history: by time, and by series where times are the same."""

    time: float = 0
    """Seconds since 1970 UTC."""
    series: int = 0
    """The series' id in its file; 0 is before all of them."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is."""

    series: int
    points: int
    first: float
    """Time of the oldest point, in seconds since 1970 UTC; 0 if there is none."""
    last: float
    """Time of the newest."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Points that follow each other, one at least, and the position of the last."""

    points: list[Point]
    position: Position


class MetricHistory(MetricStore):
    """The points of the series whose name matches a shell pattern, from the first use on as they were then.

    Once `stopping` returns True, whatever SQLite is at is cut short. The methods raise what those of MetricStore do.
    """

    def __init__(self, path: Path, pattern: str = "*", *, stopping: Callable[[], bool] = lambda: False) -> None:
        super().__init__(path)
        self._pattern = pattern
        self._stopping = stopping
        self._known: dict[int, tuple[tuple[str, ...], Labels]] = {}

    def extent(self, after: Position, *, end: float = MAX_TIMESTAMP) -> Extent:
        """Return how much lies behind a position and before an end, in seconds since 1970 UTC."""
        with self._access() as connection:
            bounds = {"time": after.time, "series": after.series, "end": end}
            series, points, first, last = connection.execute(_EXTENT, bounds).fetchone()
        return Extent(series, int(points), first or 0, last or 0)

    def chunks(self, after: Position, *, end: float = MAX_TIMESTAMP, max_points: int) -> Iterator[Chunk]:
        """Yield all that lies behind a position and before an end, at most so many points at a time.

        Of a long history it is the look into a short time that finds the next points soon: its width follows what
        was found.
        """
        extent = self.extent(after, end=end)
        if not extent.points:
            return
        width = max(_LEAST_WIDTH_SECONDS, (extent.last - extent.first) / extent.points * max_points / 2)
        position = after if extent.first == after.time else Position(extent.first)
        while position.time <= extent.last:
            until = min(position.time + width, end)
            rows = self._rows(position, end=until, limit=max_points)
            if rows:
                reached = Position(rows[-1][1], rows[-1][0])
                yield Chunk([self._point(*row) for row in rows], reached)
            if len(rows) == max_points:
                position, width = reached, max(_LEAST_WIDTH_SECONDS, width / 2)
            else:
                position = Position(until)
                width *= 2 if len(rows) < max_points / 2 else 1

    def _rows(self, after: Position, *, end: float, limit: int) -> list[tuple[int, float, float]]:
        with self._access() as connection:
            bounds = {"time": after.time, "series": after.series, "end": end, "limit": limit}
            return connection.execute(_ROWS, bounds).fetchall()

    def _point(self, series: int, timestamp: float, value: float) -> Point:
        path, labels = self._known.get(series) or self._looked_up(series)
        return Point(path, value, timestamp, labels)

    def _looked_up(self, series: int) -> tuple[tuple[str, ...], Labels]:
        if len(self._known) >= MAX_CACHED_SERIES:
            self._known.clear()
        with self._access() as connection:
            name, labels = connection.execute(_SERIES, (series,)).fetchone()
        found = self._known[series] = (tuple(name.split(".")), parse_labels(labels))
        return found

    def _prepare(self, connection: sqlite3.Connection) -> None:
        super()._prepare(connection)
        self._known.clear()  # ids mean something in their own file alone, and this may be another one
        connection.set_progress_handler(self._stopping, _STEPS_BETWEEN_LOOKS)
        connection.execute("CREATE TEMP TABLE chosen (id INTEGER PRIMARY KEY)")
        connection.execute("BEGIN")  # the snapshot: what is read from now on is of one moment
        names = connection.execute("SELECT id, name FROM series")
        chosen = ((identity,) for identity, name in names if fnmatchcase(name, self._pattern))
        connection.executemany("INSERT INTO temp.chosen VALUES (?)", chosen)
