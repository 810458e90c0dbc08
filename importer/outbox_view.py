"""What an outbox holds, for those who only look: `metrics-importer status`, `--dry-run`, and the outbox itself."""

import contextlib
import sqlite3
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from importer import outbox_file, run_history
from importer.outbox_salvage import BUSY_SECONDS
from importer.points import Payload
from importer.run_history import Details, Run, Totals

__all__ = ["Details", "LaneState", "OutboxView", "Reject", "Run", "Stored", "Totals"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A payload that waits to be delivered."""

    id: int
    lane: str
    created: float
    """When it was committed, in seconds since 1970 UTC."""
    payload: Payload


@dataclass(frozen=True, slots=True)
class LaneState:
    """What waits for one destination."""

    lane: str
    family: str
    payloads: int
    points: int
    bytes: int
    oldest: float | None
    """When the oldest waiting payload was committed, in seconds since 1970 UTC."""
    problem: str
    """Why the last delivery failed; empty if it did not."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A payload that its destination will never take, set aside for a person."""

    id: int
    lane: str
    points: int
    bytes: int
    created: float
    rejected: float
    reason: str


WATCHER_BUSY_SECONDS = 1.0
"""Whoever watches many outboxes waits no longer for one of them: Prometheus gives up after ten seconds."""
MAX_JOINED_BYTES = 8 * 2**20
"""So much is delivered at once where payloads are joined: half of what InfluxDB takes by itself, and soon in memory."""

_PAYLOAD_COLUMNS = "id, lane, created, data, points, format, replace_key"


def _go_together(first: Payload, other: Payload) -> bool:
    return first.format == other.format and not (first.replace_key or other.replace_key)


class OutboxView:
    """Reads an outbox. Raises OutboxError for whatever its file does."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.path = path
        self._name: Path | str = path or "outbox in memory"
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> "OutboxView":
        """Return a view of the outbox at path, which is neither created nor mended nor changed.

        It waits for busy_seconds where somebody has locked the file for himself.
        """
        return OutboxView(outbox_file.open_for_reading(path, busy_seconds=busy_seconds), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with self._lock:
            self._connection.close()

    def cursors(self) -> dict[str, int]:
        """Return where every cursor stands."""
        with self._reading():
            return dict(self._connection.execute("SELECT name, position FROM cursors"))

    def lanes(self) -> list[LaneState]:
        """Return what waits for each known destination, by name."""
        with self._reading():
            return self._lane_states()

    def rejects(self) -> list[Reject]:
        """Return what was set aside, oldest first."""
        columns = "id, lane, points, length(data), created, rejected, reason"
        with self._reading():
            return [Reject(*row) for row in self._connection.execute(f"SELECT {columns} FROM rejects ORDER BY id")]

    def count_rejects(self) -> int:
        """Return how many payloads were set aside."""
        with self._reading():
            (count,) = self._connection.execute("SELECT count(*) FROM rejects").fetchone()
        return int(count)

    def runs(self) -> list[Run]:
        """Return the runs that are remembered, newest first."""
        with self._reading():
            return run_history.read_runs(self._connection)

    def totals(self) -> Totals:
        """Return what all runs came to since the outbox has been there."""
        with self._reading():
            return run_history.read_totals(self._connection)

    def oldest(self, lane: str) -> Stored | None:
        """Return the payload that is next in a lane, None if nothing waits."""
        with self._reading():
            row = self._connection.execute(
                f"SELECT {_PAYLOAD_COLUMNS} FROM payloads WHERE lane = ? ORDER BY id LIMIT 1",
                (lane,),
            ).fetchone()
        return None if row is None else Stored(row[0], row[1], row[2], Payload(*row[3:]))

    def next_payloads(self, lane: str, *, points: int) -> list[Stored]:
        """Return the payloads that are next in a lane, of one format, of so many points and MAX_JOINED_BYTES at most.

        Of a larger one, and of a state that may be replaced, one alone; none if nothing waits.
        """
        chosen: list[Stored] = []
        size = 0
        with self._reading():
            rows = self._connection.execute(
                f"SELECT {_PAYLOAD_COLUMNS} FROM payloads WHERE lane = ? ORDER BY id", (lane,)
            )
            for row in rows:
                stored = Stored(row[0], row[1], row[2], Payload(*row[3:]))
                points -= stored.payload.points
                size += len(stored.payload.data)
                is_too_much = points < 0 or size > MAX_JOINED_BYTES
                if chosen and (is_too_much or not _go_together(chosen[0].payload, stored.payload)):
                    break
                chosen.append(stored)
                if points <= 0:
                    break
        return chosen

    def newest_id(self, lane: str) -> int:
        """Return the id of the payload that is last in a lane, 0 if nothing waits."""
        with self._reading():
            (newest,) = self._connection.execute("SELECT max(id) FROM payloads WHERE lane = ?", (lane,)).fetchone()
        return newest or 0

    def rows(self, statement: str, *parameters: str | bytes | float | None) -> Generator[tuple[Any, ...], None, None]:
        """Yield what a query finds in a table that a command has of its own; close it unless it is read to the end."""
        with self._reading():
            yield from self._connection.execute(statement, parameters)

    def _lane_states(self) -> list[LaneState]:
        rows = self._connection.execute(
            "SELECT lane, family, payloads, points, bytes,"
            " (SELECT created FROM payloads WHERE payloads.lane = lanes.lane ORDER BY id LIMIT 1), problem"
            " FROM lanes ORDER BY lane"
        )
        return [LaneState(*row) for row in rows]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, outbox_file.wrapped_errors(self._name):
            yield
