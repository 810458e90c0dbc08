"""A service that does as a test says: `base.Service` without a vendor."""

import queue
import threading
from collections.abc import Sequence

from importer.errors import Stopped
from importer.exporter.base import Outcome
from importer.exporter.family import Family, Sample, Series

WAIT_SECONDS = 10.0
"""Far more than anything here takes: what is waited for longer never comes."""


def gauge(name: str, value: float, **labels: str) -> Family:
    """Return a family with one sample."""
    return Family(name, "gauge", name, [Sample(Series(name, tuple(sorted(labels.items()))), value)])


class ScriptedService:
    """Polls when the test lets it: each `let(outcome)` is one poll's end."""

    def __init__(self, name: str = "shop") -> None:
        self.name = name
        self.shown: Sequence[Family] = ()
        self.began = threading.Semaphore(0)
        """Released whenever a poll begins."""
        self.closed = threading.Event()
        self._outcomes: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()

    def let(self, outcome: Outcome | Exception, *shown: Family) -> None:
        """Let a poll end like this, with these families to show."""
        if shown:
            self.shown = shown
        self._outcomes.put(outcome)

    def poll(self) -> Outcome:
        """Return the next outcome, or raise it."""
        self.began.release()
        outcome = self._outcomes.get(timeout=WAIT_SECONDS)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def families(self) -> Sequence[Family]:
        """Return what the test has said."""
        return self.shown

    def close(self) -> None:
        """Note that nobody polls any more."""
        self.closed.set()

    def end(self) -> None:
        """Cut the poll under way short."""
        self._outcomes.put(Stopped("test over"))
