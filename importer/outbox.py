"""The durable queue between sources and sinks, and the cursors that say how far sources were imported.

Payloads and cursors move in one transaction. Once it is committed, no crash loses the data; before that the
cursor has not moved, and the next run asks the vendor again:

    with outbox.transaction() as transaction:
        transaction.add("plain://127.0.0.1:2003", payloads)
        transaction.move_cursor("daily/52d0/dau", day)

One file serves any number of threads and processes. Each lane is delivered by one of them at a time.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from importer import outbox_file, run_history
from importer.credentials import redact
from importer.errors import OutboxFull, one_line
from importer.outbox_lane import MAX_LANE_BYTES, Lane, Orphan, find_heirs
from importer.outbox_salvage import BUSY_SECONDS
from importer.outbox_view import LaneState, OutboxView, Reject, Run, Stored
from importer.points import Payload
from importer.run_history import KEPT_RUNS, Details

_SHRINK_PAGES = 500
_FAMILY = "coalesce((SELECT family FROM lanes WHERE lanes.lane = {}), '')"


class Transaction:
    """What may be changed together; see `Outbox.transaction`."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path | str, configured: Mapping[str, Lane], now: float
    ) -> None:
        self._connection = connection
        self._path = path
        self._configured = configured
        self._now = now

    def cursor(self, name: str) -> int | None:
        """Return where the cursor of this name stands now, None if it never moved."""
        row = self._connection.execute("SELECT position FROM cursors WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def move_cursor(self, name: str, position: int) -> None:
        """Let the cursor of this name stand at position."""
        self._connection.execute(
            "INSERT INTO cursors (name, position) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET position = excluded.position",
            (name, position),
        )

    def execute(self, statement: str, *parameters: str | bytes | float | None) -> sqlite3.Cursor:
        """Run a statement on a table that a command has of its own in the same file."""
        return self._connection.execute(statement, parameters)

    def add(self, lane: str, payloads: Iterable[Payload]) -> None:
        """Queue payloads for a lane, behind what waits there; they stay there if it is not configured.

        Raises OutboxFull if that takes the lane over its bound; the whole transaction is then undone.
        """
        known = self._configured.get(lane, Lane(lane, family=""))
        self._connection.execute("INSERT OR IGNORE INTO lanes (lane, family) VALUES (?, ?)", (lane, known.family))
        for payload in payloads:
            if payload.replace_key:
                self._connection.execute(
                    "DELETE FROM payloads WHERE lane = ? AND replace_key = ?", (lane, payload.replace_key)
                )
            self._connection.execute(
                "INSERT INTO payloads (lane, format, replace_key, points, created, data) VALUES (?, ?, ?, ?, ?, ?)",
                (lane, payload.format, payload.replace_key, payload.points, self._now, payload.data),
            )
        (waiting,) = self._connection.execute("SELECT bytes FROM lanes WHERE lane = ?", (lane,)).fetchone()
        if waiting > known.max_bytes:
            full = f"{lane} is full: {waiting} bytes would wait, outbox_max_bytes is {known.max_bytes}"
            raise OutboxFull(self._path, f"{full}; nothing was dropped")


class Outbox(OutboxView):
    """One command's queue, cursors, rejects and run history. Raises OutboxError for whatever its file does."""

    def __init__(
        self,
        path: Path | None,
        *,
        checked: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the file at path, or an outbox in memory for None; a damaged file is set aside, unless it is `checked`.

        It is, where other processes of the same command have it open: they would go on with the one set aside.
        `busy_seconds` is how long it is waited for others who write to it.
        """
        opened = outbox_file.open_file(path, checked=checked, busy_seconds=busy_seconds, clock=clock)
        super().__init__(opened.connection, path)
        self.damage = opened.damage
        """What had to be done to a damaged file, in one line; empty if nothing."""
        self._clock = clock
        self._configured: Mapping[str, Lane] = {}
        self._durable = True  # as it was opened

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit what is done inside the block, durably, or undo all of it when the block raises."""
        with self._writing():
            yield Transaction(self._connection, self._name, self._configured, self._clock())

    def configure(self, lanes: Iterable[Lane]) -> list[LaneState]:
        """Make known which lanes are delivered from now on, and how much each may hold.

        What waits in other lanes may move to one of these, as `find_heirs` says. A lane that is configured no more
        and has nothing waiting is forgotten; returns the others, which nobody delivers.
        """
        configured = {lane.name: lane for lane in lanes}
        with self._lock:
            with self._writing():
                self._settle(configured)
                left = [state for state in self._lane_states() if state.lane not in configured]
            self._configured = configured
        return left

    @contextlib.contextmanager
    def lane_lock(self, lane: str, *, wait: Callable[[], bool]) -> Iterator[bool]:
        """Hold the right to deliver a lane; yields whether it was got.

        `wait()` is called while another thread or process has it; False from it means to give up.
        """
        if self.path is None:
            yield True
            return
        with contextlib.ExitStack() as stack:
            with outbox_file.wrapped_errors(self._name):
                lock = outbox_file.held_lock(outbox_file.lane_lock_path(self.path, lane), wait=wait)
                got = stack.enter_context(lock)
            yield got

    def delivered(self, *payloads: Stored) -> None:
        """Forget payloads of a lane that its destination has, and the problem that the lane had.

        Not synced to the disk by itself: after a power cut the payload may be sent again, which sinks allow.
        """
        with self._writing(durable=False):
            self._forget(*payloads)

    def reject(self, stored: Stored, reason: str) -> None:
        """Set a payload aside that its destination will never take; an outage that its lane had is over.

        Of a state only the newest is worth a look: it takes the place of the one that was set aside before.
        """
        key = stored.payload.replace_key
        with self._writing():
            if key:  # and if no newer one has come meanwhile, which the insertion looks at too
                self._connection.execute(
                    "DELETE FROM rejects WHERE lane = ? AND replace_key = ?"
                    " AND EXISTS (SELECT 1 FROM payloads WHERE id = ?)",
                    (stored.lane, key, stored.id),
                )
            self._connection.execute(
                "INSERT INTO rejects (lane, format, points, created, rejected, reason, data, replace_key, family)"
                f" SELECT lane, format, points, created, ?, ?, data, replace_key, {_FAMILY.format('payloads.lane')}"
                " FROM payloads WHERE id = ?",
                (self._clock(), one_line(redact(reason)), stored.id),
            )
            self._forget(stored)

    def reject_parts(self, payloads: Sequence[Stored], parts: Iterable[tuple[Payload, str]]) -> None:
        """Forget payloads of a lane of which the destination has all but some parts; set these aside, with reasons."""
        with self._writing():
            for part, reason in parts:
                self._add_reject(payloads[0].lane, part, reason, created=payloads[0].created)
            self._forget(*payloads)

    def set_aside(self, lane: str, payload: Payload, reason: str) -> None:
        """Keep a payload for a person that never waited here, and that the destination of a lane will never take."""
        with self._writing():
            self._add_reject(lane, payload, reason, created=self._clock())

    def retry(self, reject_ids: Iterable[int] | None = None) -> int:
        """Queue rejects again, behind what waits; None means all of them. Returns how many there were.

        A state that a newer one waits behind is as good as replaced by it. A lane that was forgotten is made again,
        of the family that it had; of an unknown one if the rejects do not agree on it.
        """
        with self._writing():
            chosen = self._chosen_rejects(reject_ids)
            self._connection.execute(
                "INSERT INTO lanes (lane, family, retried)"
                " SELECT lane, iif(min(family) = max(family), min(family), ''), 1 FROM rejects"
                " WHERE id IN (SELECT value FROM json_each(?)) GROUP BY lane"
                " ON CONFLICT (lane) DO UPDATE SET family = '' WHERE retried AND family <> excluded.family",
                (chosen,),
            )
            self._connection.execute(
                "INSERT OR IGNORE INTO payloads (lane, format, replace_key, points, created, data)"
                " SELECT lane, format, replace_key, points, created, data FROM rejects"
                " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
                (chosen,),
            )
            return self._delete_rejects(chosen)

    def drop_rejects(self, reject_ids: Iterable[int] | None = None) -> int:
        """Forget rejects for good; None means all of them. Returns how many there were."""
        with self._writing():
            return self._delete_rejects(self._chosen_rejects(reject_ids))

    def drop_lane(self, lane: str) -> int:
        """Forget what waits for a destination for good. Returns how many payloads that were."""
        with self._writing():
            count = self._connection.execute("DELETE FROM payloads WHERE lane = ?", (lane,)).rowcount
            self._connection.execute("DELETE FROM lanes WHERE lane = ?", (lane,))
            return count

    def note_problem(self, lane: str, problem: str) -> None:
        """Remember why the last delivery to a lane failed, for `metrics-importer status`."""
        with self._writing(durable=False):
            self._connection.execute("UPDATE lanes SET problem = ? WHERE lane = ?", (one_line(redact(problem)), lane))

    def record_run(self, run: Run) -> None:
        """Add one run to the totals and to the history, which keeps the last KEPT_RUNS and the last success."""
        with self._writing(durable=False):
            max_bytes = {lane.name: lane.max_bytes for lane in self._configured.values()}
            run_history.record(self._connection, run, max_bytes)

    def shrink(self) -> None:
        """Give the room of delivered payloads back to the file system.

        Step by step: other writers come between, and the -wal file does not grow to the size of what is freed.
        """
        with self._reading():
            (free_pages,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        for _ in range(0, free_pages, _SHRINK_PAGES):
            with self._reading():  # `execute` would free a single page: it stops at the first row, which has no columns
                self._connection.executescript(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})")

    def _forget(self, *payloads: Stored) -> None:
        ids = [(stored.id,) for stored in payloads]
        self._connection.executemany("DELETE FROM payloads WHERE id = ?", ids)
        lane = payloads[0].lane
        self._connection.execute("UPDATE lanes SET problem = '' WHERE lane = ? AND problem <> ''", (lane,))

    def _add_reject(self, lane: str, payload: Payload, reason: str, *, created: float) -> None:
        self._connection.execute(
            "INSERT INTO rejects (lane, format, points, created, rejected, reason, data, replace_key, family)"
            f" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, {_FAMILY.format('?1')})",
            (
                *(lane, payload.format, payload.points, created, self._clock()),
                *(one_line(redact(reason)), payload.data, payload.replace_key),
            ),
        )

    def _settle(self, configured: Mapping[str, Lane]) -> None:
        """Bring the table of lanes in line with those that are configured, inside a transaction."""
        self._connection.execute(
            "DELETE FROM lanes WHERE payloads = 0 AND lane NOT IN (SELECT value FROM json_each(?))",
            (_json_list(configured),),
        )
        known = [Orphan(*row) for row in self._connection.execute("SELECT lane, family, retried FROM lanes")]
        self._connection.executemany(
            "INSERT INTO lanes (lane, family) VALUES (?, ?)"
            " ON CONFLICT (lane) DO UPDATE SET family = excluded.family, retried = 0"
            " WHERE retried OR family <> excluded.family",  # nothing is written where nothing changes: disks are full
            [(lane.name, lane.family) for lane in configured.values()],
        )
        orphans = [orphan for orphan in known if orphan.name not in configured]
        new = configured.keys() - {lane.name for lane in known}
        for orphan, heir in find_heirs(orphans, configured, new=new):
            self._move_lane(orphan, heir)

    def _move_lane(self, old: str, new: str) -> None:
        """Give a lane's payloads and totals to another: the triggers count payloads that come and go, not these.

        Where both hold a state with the same replace_key, the one in the lane still in use is the newer.
        """
        self._connection.execute("UPDATE OR IGNORE payloads SET lane = ? WHERE lane = ?", (new, old))
        self._connection.execute("DELETE FROM payloads WHERE lane = ?", (old,))
        self._connection.execute("DELETE FROM lanes WHERE lane = ?", (old,))
        self._connection.execute(
            "UPDATE lanes SET (payloads, points, bytes) ="
            " (SELECT count(*), total(points), total(length(data)) FROM payloads WHERE lane = ?1) WHERE lane = ?1",
            (new,),
        )

    def _chosen_rejects(self, reject_ids: Iterable[int] | None) -> str:
        if reject_ids is not None:
            return _json_list(reject_ids)
        return _json_list(row[0] for row in self._connection.execute("SELECT id FROM rejects"))

    def _delete_rejects(self, chosen: str) -> int:
        deletion = "DELETE FROM rejects WHERE id IN (SELECT value FROM json_each(?))"
        return self._connection.execute(deletion, (chosen,)).rowcount

    @contextlib.contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[None]:
        """Run the block in a transaction of its own; a durable one is on the disk when the block is left."""
        with self._lock, outbox_file.wrapped_errors(self._name):
            if durable != self._durable:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite has rolled back by itself where the disk is full
                    self._connection.execute("ROLLBACK")
                raise


def _json_list(values: Iterable[int] | Iterable[str]) -> str:
    return json.dumps(list(values))


__all__ = [
    "KEPT_RUNS",
    "MAX_LANE_BYTES",
    "Details",
    "Lane",
    "LaneState",
    "Outbox",
    "Reject",
    "Run",
    "Stored",
    "Transaction",
]
