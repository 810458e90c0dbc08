"""What the four collectors share: the apps to ask about, and asking about many of them at a time."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeGuard, TypeVar

from importer.errors import SourceError, SourceRefused, SourceUnavailable, Stopped
from importer.parallel import map_ordered
from importer.points import Point
from importer.sources.apteligent.api import SOURCE, ApteligentApi
from importer.stores import Blacklist

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")

IN_FLIGHT_FACTOR = 4
"""Requests that are handed to the pool at a time, for each of its threads: enough to keep them busy."""


@dataclass(frozen=True, slots=True)
class App:
    """An app of the account."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to ask, with how many threads, and what to call the answers."""

    api: ApteligentApi
    metric_root: str
    blacklist: Blacklist
    pool: Executor
    width: int
    """Threads in the pool."""
    stop: threading.Event
    clock: Callable[[], float] = time.time

    def apps(self) -> list[App]:
        """Return the account's apps that are not blacklisted, by id; raises SourceError."""
        names = self.api.apps(allowed=self.blacklist.allows, unless_older_than=self.blacklist.modified_seconds)
        return [App(app_id, names[app_id]) for app_id in sorted(names)]

    def point(self, app: App, *path: str, value: float, timestamp: float) -> Point:
        """Return a point below the app's name; raises ValueError if it cannot be one."""
        return Point((self.metric_root, app.name, *path), value, timestamp)

    def ask(
        self, items: Iterable[Item], ask_one: Callable[[Item], Answer]
    ) -> Iterator[tuple[Item, Answer | SourceError]]:
        """Yield each item with what was answered, or with the error that concerns it alone, in their order.

        Raises SourceError after the last answer if the login was refused or the host could not be reached: what
        comes after that is not asked. Ends early when the process is asked to stop.
        """
        fatal: SourceError | None = None
        window = self.width * IN_FLIGHT_FACTOR
        for outcome in map_ordered(self.pool, ask_one, items, window=window, stop=self.stop):
            error = outcome.error
            if error is None:
                yield outcome.item, outcome.result()
            elif _ends_cycle(error):
                fatal = fatal or error
            elif isinstance(error, SourceError):
                yield outcome.item, error
            elif not isinstance(error, Stopped):
                raise error
        if fatal is not None:
            raise fatal


def _ends_cycle(error: Exception) -> TypeGuard[SourceError]:
    return isinstance(error, SourceRefused) or (isinstance(error, SourceUnavailable) and error.unreachable)


__all__ = ["SOURCE", "Account", "App"]
