"""The events that were accepted, in the same file as the outbox: to be found by id, listed and counted.

In embedded mode this is where they stay. Where a store has them, what it has taken leaves after a while.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import orjson

from importer.events import own_times
from importer.events.event import EVENTS_FORMAT, event_line
from importer.events.own_times import OwnTimes
from importer.events.posted import Draft
from importer.outbox import Outbox, Transaction
from importer.points import Payload

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    accepted INTEGER PRIMARY KEY, time INTEGER NOT NULL, key TEXT, name TEXT NOT NULL, uid TEXT NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS events_by_key ON events (key) WHERE key IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_time ON events (time);
CREATE TABLE IF NOT EXISTS event_counts (
    minute INTEGER NOT NULL, name TEXT NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (minute, name)
) STRICT, WITHOUT ROWID;
"""
"""`accepted` and `time` are nanoseconds and `minute` is minutes since 1970 UTC; for `content` see `event_content`."""

_ACCEPTED = "events/accepted"
"""The cursor that stands at the last time that was given out, by whichever process."""
COUNTED = "events/counted"
"""The cursor that stands at the time of acceptance up to which events are counted."""
_EMBEDDED = "events/embedded"
"""The cursor that stands at the time of acceptance up to which there may be events that no store was to have."""
_ROWS_A_STATEMENT = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""So many rows are inserted at once: after each statement the thread waits for its turn in the interpreter."""
_MINUTE_NS = 60 * 10**9
_LAST_OF = """
SELECT max(accepted) FROM (
    SELECT accepted FROM events WHERE accepted > ? AND accepted < ? ORDER BY accepted LIMIT ?
)
"""


class Row(NamedTuple):
    """An event as it is kept."""

    accepted: int
    time: int
    key: str | None
    name: str
    uid: str
    content: bytes


def create(outbox: Outbox) -> None:
    """Make room for events in an outbox that has none yet; raises OutboxError.

    Of a damaged file the events may have been saved without the cursors: then all of them may be nowhere but here.
    """
    with outbox.transaction() as transaction:
        for statement in (*SCHEMA.split(";"), *own_times.SCHEMA.split(";")):
            transaction.execute(statement)
        for name in (_ACCEPTED, _EMBEDDED):
            transaction.execute(
                "INSERT OR IGNORE INTO cursors (name, position) SELECT ?, coalesce(max(accepted), 0) FROM events", name
            )


def accept(
    transaction: Transaction,
    drafts: Sequence[Draft],
    lanes: Sequence[str],
    *,
    clock_ns: Callable[[], int] = time.time_ns,
) -> None:
    """Keep events, and queue them for all lanes. Raises OutboxError, and OutboxFull for a lane at its bound.

    An event whose id is there already takes the place of the earlier one and keeps its time, unless it brings along
    another one, and may be counted once more; with the same content it is a repeat, and changes nothing.
    """
    times = _rising_times(transaction, len(drafts), clock_ns())
    arrivals = _Arrivals(transaction, drafts)
    for accepted, draft in zip(times, drafts, strict=True):
        arrivals.add(accepted, draft)
    rows = list(arrivals.rows.values())
    if not rows:
        return
    _insert(transaction, rows)
    if not lanes:
        transaction.move_cursor(_EMBEDDED, times.stop - 1)
    for lane in lanes:
        lines = b"".join([event_line(row.time, row.content) for row in rows])
        transaction.add(lane, [Payload(lines, len(rows), EVENTS_FORMAT)])


def _rising_times(transaction: Transaction, count: int, now: int) -> range:
    """Return count times of now that are all different, and later than any that was given out before."""
    (last,) = transaction.execute(
        "INSERT INTO cursors (name, position) VALUES (?1, ?2 + ?3)"
        " ON CONFLICT (name) DO UPDATE SET position = max(position + ?3, excluded.position) RETURNING position",
        *(_ACCEPTED, now - 1, count),
    ).fetchone()
    return range(last - count + 1, last + 1)


class _Arrivals:
    """The rows that drafts become, beside what is there already."""

    def __init__(self, transaction: Transaction, drafts: Iterable[Draft]) -> None:
        self.rows: dict[int, Row] = {}
        """By the time of acceptance."""
        self._known = _earlier(transaction, [draft.key for draft in drafts if draft.may_repeat and draft.key])
        self._own_times = OwnTimes(transaction)

    def add(self, accepted: int, draft: Draft) -> None:
        """Keep an event, unless it is a repeat."""
        key = draft.key
        earlier = self._known.get(key) if draft.may_repeat and key is not None else None
        event_time = self._time_of(accepted, draft, earlier)
        if earlier is not None:
            if event_time == earlier.time and _is_repeat(draft, earlier):
                return
            self.rows.pop(earlier.accepted, None)
        row = Row(accepted, event_time, key, draft.name, draft.uid, draft.content)
        self.rows[row.accepted] = row
        if draft.may_repeat and key is not None:
            self._known[key] = row

    def _time_of(self, accepted: int, draft: Draft, earlier: Row | None) -> int:
        if draft.time is None:
            return accepted if earlier is None else earlier.time
        if earlier is not None and self._own_times.may_be_from(draft.time, earlier.time):
            return earlier.time
        return self._settled(draft.time, draft)

    def _settled(self, own_time: int, draft: Draft) -> int:
        if draft.key is None:
            return self._own_times.take(own_time)
        return self._own_times.settle(own_time, draft.key, may_repeat=draft.may_repeat)


def _earlier(transaction: Transaction, keys: Sequence[str]) -> dict[str, Row]:
    """Return the events of these keys that are there, by key."""
    if not keys:
        return {}
    query = f"SELECT {', '.join(Row._fields)} FROM events WHERE key IN (SELECT value FROM json_each(?))"
    rows = map(Row._make, transaction.execute(query, json.dumps(keys)))
    return {row.key: row for row in rows if row.key is not None}


def _is_repeat(draft: Draft, earlier: Row) -> bool:
    """Return whether an event says what the earlier one says; a `now` that was added here does not count."""
    if draft.content == earlier.content:
        return True
    if draft.own_now:
        return False
    return _without_now(draft.content) == _without_now(earlier.content)


def _without_now(content: bytes) -> dict[str, object]:
    fields: dict[str, object] = orjson.loads(b"{%b}" % content)["event"]
    return {name: value for name, value in fields.items() if name != "now"}


def _insert(transaction: Transaction, rows: Sequence[Row]) -> None:
    start = 0
    for size in _ROWS_A_STATEMENT:
        statement = f"INSERT OR REPLACE INTO events VALUES {', '.join(['(?, ?, ?, ?, ?, ?)'] * size)}"
        while len(rows) - start >= size:
            transaction.execute(statement, *[value for row in rows[start : start + size] for value in row])
            start += size


def count(outbox: Outbox) -> int:
    """Add what was accepted since the last call to the counts; return how much that was. Raises OutboxError."""
    with outbox.transaction() as transaction:
        counted = transaction.cursor(COUNTED)
        if counted is None:  # of a damaged file not all may have been saved
            counted = 0
            transaction.execute("DELETE FROM event_counts")
        events, accepted = transaction.execute(
            "SELECT count(*), max(accepted) FROM events WHERE accepted > ?", counted
        ).fetchone()
        if not events:
            return 0
        transaction.execute(
            "INSERT INTO event_counts SELECT accepted / ?, name, count(*) FROM events WHERE accepted > ? GROUP BY 1, 2"
            " ON CONFLICT DO UPDATE SET events = events + excluded.events",
            *(_MINUTE_NS, counted),
        )
        transaction.move_cursor(COUNTED, accepted)
        return int(events)


def prune(outbox: Outbox, *, before_ns: int, after_ns: int = 0, rows: int = 500) -> int:
    """Forget events that were accepted between two times, at most so many; return how many. Raises OutboxError.

    The times that events brought along are kept: another event of that time must not overwrite these in a store.
    """
    with outbox.transaction() as transaction:
        (last,) = transaction.execute(_LAST_OF, after_ns, before_ns, rows).fetchone()
        if last is None:
            return 0
        own_times.remember(transaction, after_ns, last)
        return transaction.execute("DELETE FROM events WHERE accepted > ? AND accepted <= ?", after_ns, last).rowcount


def embedded_until(outbox: Outbox) -> int:
    """Return up to which time of acceptance there may be events that no store was to have. Raises OutboxError."""
    return outbox.cursors().get(_EMBEDDED, 0)


def bound_of_newest(outbox: Outbox, events: int) -> int:
    """Return a time that so many events at least were accepted after, by whole minutes; 0 if there are not so many."""
    query = "SELECT minute, sum(events) FROM event_counts GROUP BY minute ORDER BY minute DESC"
    newer = 0
    with contextlib.closing(outbox.rows(query)) as minutes:
        for minute, count in minutes:
            newer += count
            if newer >= events:
                return int(minute) * _MINUTE_NS
    return 0


def prune_counts(outbox: Outbox, *, before_ns: int) -> None:
    """Forget counts of the minutes before a time. Raises OutboxError."""
    with outbox.transaction() as transaction:
        transaction.execute("DELETE FROM event_counts WHERE minute < ?", before_ns // _MINUTE_NS)
