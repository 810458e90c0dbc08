"""Many questions to one vendor at a time: what concerns one of them alone costs the others nothing."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import TypeGuard, TypeVar

from importer.errors import SourceError, SourceRefused, SourceUnavailable, Stopped
from importer.parallel import map_ordered

Item = TypeVar("Item")
Answer = TypeVar("Answer")

IN_FLIGHT_FACTOR = 4
"""Requests that are handed to the pool at a time, for each of its threads: enough to keep them busy."""


def ask_all(
    items: Iterable[Item],
    ask_one: Callable[[Item], Answer],
    *,
    pool: Executor,
    width: int,
    stop: threading.Event,
) -> Iterator[tuple[Item, Answer | SourceError]]:
    """Yield each item with what was answered, or with the error that concerns it alone, in their order.

    `width` is how many threads the pool has. Raises SourceError after the last answer if the login was refused or the
    host could not be reached: what comes after that is not asked. Ends early when the process is asked to stop.
    """
    fatal: SourceError | None = None
    for outcome in map_ordered(pool, ask_one, items, window=width * IN_FLIGHT_FACTOR, stop=stop):
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
