"""Reads the embedded store for a page: names without looking at all points, and points no more than a chart shows."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from importer.metric_store import MetricStore, parse_labels
from importer.points import MAX_TIMESTAMP, Labels

MAX_POINTS = 800
"""Of one curve in one answer: a chart is not wider."""
MAX_CURVES = 12
"""Label sets of one name in one answer: more lines cannot be told apart."""
MAX_COMPARED = 200
"""Points of a series that are compared to see which one is worth a look."""
_MAX_LOOKED_AT = 2_000
_MAX_SETS_LOOKED_AT = 100

_NAMES = (
    "SELECT name, COUNT(*) FROM series WHERE EXISTS (SELECT 1 FROM points WHERE series_id = series.id)"
    " GROUP BY name ORDER BY name"
)
_NEWEST = (
    "SELECT MAX(timestamp), value FROM points WHERE (series_id, timestamp) IN"
    " (SELECT id, (SELECT MAX(timestamp) FROM points WHERE series_id = series.id) FROM series WHERE name = ? LIMIT ?)"
)
_SERIES = (
    "SELECT id, labels FROM series WHERE name = ? AND EXISTS (SELECT 1 FROM points WHERE series_id = series.id)"
    " ORDER BY labels"
)
_VARIETY = (
    "SELECT name, (SELECT COUNT(DISTINCT value) FROM (SELECT value FROM points WHERE series_id = series.id LIMIT ?))"
    " FROM series LIMIT ?"
)
_BETWEEN = "FROM points WHERE series_id = :id AND timestamp >= :start AND timestamp < :end"
_BOUNDS = f"SELECT COUNT(*), MIN(timestamp), MAX(timestamp) {_BETWEEN}"
_POINTS = f"SELECT timestamp, value {_BETWEEN} ORDER BY timestamp"
_LAST = f"SELECT timestamp, value {_BETWEEN} ORDER BY timestamp DESC LIMIT 1"
# Beside a lone MIN or MAX, SQLite gives the other columns of the row that has it:
# https://www.sqlite.org/lang_select.html#bareagg (2026-11-28)
_EXTREMES = tuple(f"SELECT timestamp, {extreme}(value) {_BETWEEN}" for extreme in ("MIN", "MAX"))
_BUCKETS = MAX_POINTS // 2 - 1
"""Two points of each, the first and the last point of all."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest point of a name, whatever its labels."""

    timestamp: float
    """In seconds since 1970 UTC."""
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One series in a stretch of time, as a chart draws it."""

    labels: Labels
    total: int
    """How many points there are in that time."""
    points: Sequence[tuple[float, float]]
    """(seconds since 1970 UTC, value) in the order of time: all, or the least and the greatest of each bucket."""


class SeriesReader(MetricStore):
    """A view of one store; raises what `MetricStore` does."""

    def names(self) -> list[tuple[str, int]]:
        """Return the names that have points, in their order, and how many label sets each has."""
        with self._access() as connection:
            return list(connection.execute(_NAMES))

    def newest(self, name: str) -> Newest | None:
        """Return the newest point of a name; of one with very many label sets, among some of them."""
        with self._access() as connection:
            timestamp, value = connection.execute(_NEWEST, (name, _MAX_SETS_LOOKED_AT)).fetchone()
        return None if timestamp is None else Newest(timestamp, value)

    def varieties(self) -> dict[str, int]:
        """Return how many different values there are among the oldest points of some names: of their busiest series."""
        found: dict[str, int] = {}
        with self._access() as connection:
            for name, values in connection.execute(_VARIETY, (MAX_COMPARED, _MAX_LOOKED_AT)):
                found[name] = max(values, found.get(name, 0))
        return found

    def curves(self, name: str, *, start: float = 0, end: float = MAX_TIMESTAMP) -> tuple[list[Curve], int]:
        """Return the first MAX_CURVES series of a name in [start, end), and how many it has beyond these."""
        with self._access() as connection:
            series = connection.execute(_SERIES, (name,)).fetchall()
        shown = [self._curve(*row, start=start, end=end) for row in series[:MAX_CURVES]]
        return shown, len(series) - len(shown)

    def _curve(self, identity: int, labels: str, *, start: float, end: float) -> Curve:
        bounds: dict[str, float] = {"id": identity, "start": start, "end": end}
        with self._access() as connection:
            count, first, last = connection.execute(_BOUNDS, bounds).fetchone()
            if count <= MAX_POINTS:
                points = connection.execute(_POINTS, bounds).fetchall()
            else:
                points = _reduced(connection, bounds, first=first, last=last)
        return Curve(parse_labels(labels), count, points)


def _reduced(
    connection: sqlite3.Connection, bounds: Mapping[str, float], *, first: float, last: float
) -> list[tuple[float, float]]:
    """Return the least and the greatest of each bucket between two times, and the points at these times.

    Bucket by bucket: so SQLite follows the primary key, and does not sort all points into groups first.
    """
    width = (last - first) / _BUCKETS
    edges = [first + width * number for number in range(_BUCKETS)]
    found: set[tuple[float, float]] = set()
    for start, end in pairwise([*edges, bounds["end"]]):
        for statement in _EXTREMES:
            timestamp, value = connection.execute(statement, {**bounds, "start": start, "end": end}).fetchone()
            if timestamp is not None:
                found.add((timestamp, value))
    for statement in (_POINTS, _LAST):
        found.add(connection.execute(statement, bounds).fetchone())
    return sorted(found)
