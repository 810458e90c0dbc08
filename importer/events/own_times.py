"""The times that events bring along: no two of them are the same, as stores overwrite what has the same time and tags.

A store has an event still when it is forgotten here. Its time is remembered for longer, and by whom it was brought: an
event that is posted again then is the same one to the store.
"""

from importer.outbox import Outbox, Transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS own_times (
    time INTEGER PRIMARY KEY, accepted INTEGER NOT NULL, key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS own_times_by_accepted ON own_times (accepted)
"""
"""Of events that are forgotten; the columns are those of `events`."""

_SEARCHED_NS = 10**6
_SEARCHED_ROWS = 100
"""Among so many that brought the same time an event is found again: it is looked for while requests wait."""
_BROUGHT_BY = """
SELECT time FROM (SELECT time, key FROM own_times WHERE time BETWEEN ?1 AND ?2 ORDER BY time LIMIT ?3) WHERE key = ?4
"""
_TAKEN = "SELECT 1 FROM events WHERE time = ?1 UNION ALL SELECT 1 FROM own_times WHERE time = ?1"
_LAST_TAKEN = """
SELECT max(last) FROM (
    SELECT max(time) AS last FROM events WHERE time BETWEEN ?1 AND ?2
    UNION ALL
    SELECT max(time) FROM own_times WHERE time BETWEEN ?1 AND ?2
)
"""


class OwnTimes:
    """The times that are taken, by what is there already and by what comes together."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._taken: set[int] = set()
        self._settled: dict[int, int] = {}
        """An own time -> the last one that was given to an event which brought it."""

    def take(self, own_time: int) -> int:
        """Return the time of a point: its sender knows tags and time, and may mean to overwrite."""
        self._taken.add(own_time)
        return own_time

    def settle(self, own_time: int, key: str, *, may_repeat: bool) -> int:
        """Return an event's own time, or the next one that is free; that which it had, if it was forgotten."""
        settled = self._before(own_time, key) if may_repeat else None
        if settled is None:
            settled = self._settled[own_time] = self._free(own_time)
        self._taken.add(settled)
        return settled

    def may_be_from(self, own_time: int, settled: int) -> bool:
        """Return whether a time can be that which was given to an event that brought this own time."""
        if not own_time <= settled <= own_time + _SEARCHED_NS:
            return False
        return settled == own_time or own_time in self._taken or self._is_taken(own_time)

    def _free(self, own_time: int) -> int:
        free = max(own_time, self._settled.get(own_time, own_time - 1) + 1)
        while free in self._taken or self._is_taken(free):
            free = max(free, self._last_taken(free)) + 1
        return free

    def _before(self, own_time: int, key: str) -> int | None:
        """Return the time that a forgotten event of this key and time had; one of the first that brought this time."""
        bounds = (own_time, own_time + _SEARCHED_NS, _SEARCHED_ROWS)
        row = self._transaction.execute(_BROUGHT_BY, *bounds, key).fetchone()
        return None if row is None else int(row[0])

    def _is_taken(self, own_time: int) -> bool:
        return self._transaction.execute(_TAKEN, own_time).fetchone() is not None

    def _last_taken(self, own_time: int) -> int:
        """Return the last time that is taken within a millisecond, 0 if none is: those that were moved lie in a row."""
        (last,) = self._transaction.execute(_LAST_TAKEN, own_time, own_time + _SEARCHED_NS).fetchone()
        return last or 0


def remember(transaction: Transaction, after_ns: int, last_ns: int) -> None:
    """Keep the own times of events that are about to be forgotten: accepted after one time, up to another."""
    transaction.execute(
        "INSERT OR REPLACE INTO own_times SELECT time, accepted, key FROM events"
        " WHERE accepted > ? AND accepted <= ? AND time <> accepted AND key IS NOT NULL",
        *(after_ns, last_ns),
    )


def prune(outbox: Outbox, *, before_ns: int, rows: int = 500) -> int:
    """Forget times of events that were accepted before a time, at most so many; return how many. Raises OutboxError."""
    with outbox.transaction() as transaction:
        return transaction.execute(
            "DELETE FROM own_times WHERE time IN (SELECT time FROM own_times WHERE accepted < ? LIMIT ?)",
            *(before_ns, rows),
        ).rowcount
