"""What the four collectors share: the apps to ask about, and asking about many of them at a time."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from importer.errors import SourceError
from importer.points import Point
from importer.sources.apteligent.api import SOURCE, ApteligentApi
from importer.sources.asking import Answer, Item, ask_all
from importer.stores import Blacklist

logger = logging.getLogger(__name__)


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
        """Return what `ask_all` yields: each item with its answer or error, in their order."""
        return ask_all(items, ask_one, pool=self.pool, width=self.width, stop=self.stop)


__all__ = ["SOURCE", "Account", "App"]
