"""Reads the events that are kept, beside whoever writes them: finds one, lists the last, counts them over time."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from importer import outbox_file
from importer.errors import OutboxError
from importer.events.archive import COUNTED
from importer.events.event_time import format_time
from importer.events.posted import key_of
from importer.events.query import MAX_LISTED, Query

_COUNTS = """
SELECT minute / ?2 * ?2 AS step, name, sum(events) FROM (
    SELECT minute, name, events FROM event_counts WHERE minute >= ?1
    UNION ALL
    SELECT accepted / 60000000000, name, 1 FROM events
    WHERE accepted > coalesce((SELECT position FROM cursors WHERE name = ?3), 0)
) WHERE minute >= ?1 GROUP BY step, name ORDER BY step, name
"""
"""What is counted already, and what came since."""
LIST_SECONDS = 5.0
"""How long a list may take: it reads what is kept from the newest back, until it has enough."""
_LOOK_STEPS = 100_000
"""After so many of its own steps SQLite asks whether to go on."""


class ArchiveView:
    """One connection that reads; may be used by any thread, one at a time. Raises OutboxError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = outbox_file.open_for_reading(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def find(self, event_id: str) -> dict[str, object] | None:
        """Return the event of an id with its `time`, None if it is not kept here."""
        with self._reading():
            query = "SELECT time, content FROM events WHERE key = ?"
            row = self._connection.execute(query, (key_of(event_id),)).fetchone()
        return None if row is None else _shown(*row)

    def recent(self, query: Query) -> list[dict[str, object]]:
        """Return the events that a query asks for, newest first; points among them with `measurement`."""
        conditions = {
            "name = ?": query.event,
            "uid = ?": query.uid,
            "time >= ?": query.from_ns,
            "time < ?": query.to_ns,
        }
        asked = {condition: value for condition, value in conditions.items() if value is not None}
        where = f" WHERE {' AND '.join(asked)}" if asked else ""
        statement = f"SELECT time, content FROM events{where} ORDER BY time DESC LIMIT ?"
        with self._reading_for(LIST_SECONDS):
            rows = self._connection.execute(statement, (*asked.values(), min(query.limit, MAX_LISTED))).fetchall()
        return [_shown(*row) for row in rows]

    def counts(self, since_minute: int, *, step_minutes: int = 1) -> list[tuple[int, str, int]]:
        """Return (first minute of a step, since 1970 UTC; event or measurement; how many came), in that order."""
        with self._reading_for(LIST_SECONDS):
            return self._connection.execute(_COUNTS, (since_minute, step_minutes, COUNTED)).fetchall()

    def total(self) -> int:
        """Return how many events are kept."""
        with self._reading():
            (total,) = self._connection.execute("SELECT count(*) FROM events").fetchone()
        return int(total)

    @contextlib.contextmanager
    def _reading_for(self, seconds: float) -> Iterator[None]:
        """Give up what takes longer than so many seconds."""
        with self._reading():
            deadline = time.monotonic() + seconds
            self._connection.set_progress_handler(lambda: time.monotonic() > deadline, _LOOK_STEPS)
            try:
                yield
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                raise OutboxError(
                    self._path, f"not found within {seconds:g} seconds; ask for a shorter time"
                ) from error
            finally:
                self._connection.set_progress_handler(None, 0)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, outbox_file.wrapped_errors(self._path):
            yield


def _shown(nanoseconds: int, content: bytes) -> dict[str, object]:
    """Return an event as it is answered: a 1.0 event's fields beside its time, a point as it was posted."""
    said: dict[str, dict[str, object]] = orjson.loads(b"{%b}" % content)
    return {"time": format_time(nanoseconds), **said.get("event", said)}
