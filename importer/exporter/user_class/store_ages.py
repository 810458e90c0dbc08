"""How old each cached answer of an instance is, whatever has happened to the others."""

import time
from collections.abc import Callable
from datetime import datetime

READ_AT = "data_read_at"
"""Where a data store has the time of its newest read."""


class StoreAges:
    """Remembers when each store was read.

    Users' code may set `data_read_at` itself: one that is older than our own note makes a store that old, and it is
    all that there is for a store that was not read through us.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read_at: dict[str, float] = {}
        self._mark: object = None

    def note(self, name: str, mark: object) -> None:
        """Note that a store was read now, after which `data_read_at` is `mark`."""
        self._read_at[name] = self._clock()
        self._mark = mark

    def age_seconds(self, name: str, mark: object) -> float:
        """Return the age of a store, where `data_read_at` is `mark`; endless for one that was never read."""
        ours = self._clock() - self._read_at[name] if name in self._read_at else None
        if isinstance(mark, datetime) and (ours is None or mark != self._mark):
            theirs = (datetime.now(mark.tzinfo) - mark).total_seconds()
            return theirs if ours is None else max(ours, theirs)
        return float("inf") if ours is None else ours
