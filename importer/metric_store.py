"""The embedded store: points in one SQLite file, for teams without a metrics server.

`MetricWriter` is for the sink, `MetricStore` for whoever reads. A series is a name and labels; it has one value
a timestamp. Names follow Graphite's rules, so that one pattern finds the same metric in both.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import attrgetter

from importer.errors import SinkRefused
from importer.metric_database import MetricDatabase, create_schema, file_error
from importer.points import MAX_TIMESTAMP, Labels, Point
from importer.surrogate import replaced

Row = tuple[str, str, float, float]
"""Name, labels as `labels_text` writes them, seconds since 1970-01-01 UTC, value."""

_MAX_INTEGER = 2**63

_UPSERT = (
    "INSERT INTO points (series_id, timestamp, value) VALUES (?, ?, ?)"
    " ON CONFLICT (series_id, timestamp) DO UPDATE SET value = excluded.value"
)
# Named by series, so that the primary key finds the old points; by time alone every point would be looked at.
_PRUNE = "DELETE FROM points WHERE series_id IN (SELECT id FROM series) AND timestamp < ?"

_BETWEEN = "FROM points WHERE series_id = :id AND timestamp >= :start AND timestamp < :end"
_SUMMARY = (
    f"SELECT COUNT(*), MIN(timestamp), MAX(timestamp), (SELECT value {_BETWEEN} ORDER BY timestamp DESC LIMIT 1),"
    f" MIN(value), MAX(value), AVG(value) {_BETWEEN}"
)
_POINTS = f"SELECT timestamp, value {_BETWEEN} ORDER BY timestamp"


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One series and what it holds in the time that was asked for: one point at least."""

    id: int
    """Identifies the series within its file."""
    name: str
    labels: Labels
    points: int
    """How many there are."""
    first: float
    """Time of the oldest of them, in seconds since 1970-01-01 UTC."""
    last: float
    """Time of the newest of them."""
    last_value: float
    minimum: float
    maximum: float
    mean: float


class MetricStore(MetricDatabase):
    """Reads a store and never makes or changes one. Close it, or use it in a `with` block.

    Its methods raise SinkRefused where the file is missing, blank, damaged or not ours, and SinkUnavailable
    where it cannot be read just now.
    """

    def series(self, pattern: str = "*", *, start: float = 0, end: float = MAX_TIMESTAMP) -> list[SeriesSummary]:
        """Return the series whose name matches a shell pattern, with points in [start, end), by name and labels.

        Looks at those points alone, so that a short time is answered fast however much is stored.
        """
        with self._access() as connection:
            rows = connection.execute("SELECT id, name, labels FROM series").fetchall()
            found = []
            for identity, name, labels in rows:
                if fnmatchcase(name, pattern):
                    bounds = {"id": identity, "start": start, "end": end}
                    facts = connection.execute(_SUMMARY, bounds).fetchone()
                    found.append(SeriesSummary(identity, name, parse_labels(labels), *facts))
        return sorted((series for series in found if series.points), key=attrgetter("name", "labels"))

    def points(self, series: SeriesSummary, *, start: float = 0, end: float = MAX_TIMESTAMP) -> Iterator[Point]:
        """Yield the points of a series in [start, end) in the order of time; the path is the name's elements."""
        path = tuple(series.name.split("."))
        with self._access() as connection:
            for timestamp, value in connection.execute(_POINTS, {"id": series.id, "start": start, "end": end}):
                yield Point(path, value, timestamp, series.labels)

    def _connect(self) -> sqlite3.Connection:
        return self._connect_in_mode("ro")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._has_schema(connection):
            raise SinkRefused(self.lane, "the file is blank: nothing was stored yet")


class MetricWriter(MetricDatabase):
    """Writes to a store, and makes it where there is none: for its user alone (mode 0600).

    Its methods raise SinkUnavailable where the file cannot be written just now, and SinkRefused where it
    may not be, is damaged or not ours; nothing of that call was kept then.
    """

    def write(self, rows: Iterable[Row]) -> None:
        """Keep the rows, all of them safe on disk when this returns; the same series and time is overwritten."""
        with self._transaction() as connection:
            identities: dict[tuple[str, str], int] = {}
            values: list[tuple[int, float, float]] = []
            for name, labels, timestamp, value in rows:
                if (name, labels) not in identities:
                    identities[name, labels] = _series_id(connection, name, labels)
                values.append((identities[name, labels], timestamp, _storable(value)))
            connection.executemany(_UPSERT, values)

    def prune(self, before: float) -> int:
        """Delete the points older than a time, in seconds since 1970-01-01 UTC, and return how many they were."""
        with self._transaction() as connection:
            return connection.execute(_PRUNE, (before,)).rowcount

    def count_series(self) -> int:
        """Return how many series the store has ever had."""
        with self._access() as connection:
            ((count,),) = connection.execute("SELECT COUNT(*) FROM series").fetchall()
            return int(count)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._access() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _connect(self) -> sqlite3.Connection:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise file_error(self.lane, error) from error
        return self._connect_in_mode("rw")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._has_schema(connection):
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if not self._has_schema(connection):  # another process may have been first
                    create_schema(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")


def labels_text(labels: Labels) -> str:
    """Return labels as the store keeps them: a JSON object in the order of the names.

    >>> labels_text((("zone", "eu"), ("host", "web")))
    '{"host":"web","zone":"eu"}'
    """
    return json.dumps({replaced(name): replaced(value) for name, value in sorted(labels)}, separators=(",", ":"))


def parse_labels(text: str) -> Labels:
    """Return the labels in a text that `labels_text` wrote."""
    return tuple(json.loads(text).items())


def _series_id(connection: sqlite3.Connection, name: str, labels: str) -> int:
    row = connection.execute("SELECT id FROM series WHERE name = ? AND labels = ?", (name, labels)).fetchone()
    if row is not None:
        return int(row[0])
    inserted = connection.execute("INSERT INTO series (name, labels) VALUES (?, ?) RETURNING id", (name, labels))
    return int(inserted.fetchone()[0])


def _storable(value: float) -> float:
    """Return a value as it is, but for integers of more than 64 bits: SQLite has only floats for those."""
    return value if -_MAX_INTEGER <= value < _MAX_INTEGER else float(value)
