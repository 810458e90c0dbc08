"""Group commit: requests that come together are made durable together, each is answered when they are."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial

from importer.errors import OutboxError
from importer.events import archive
from importer.events.posted import Draft
from importer.outbox import Outbox, Transaction

logger = logging.getLogger(__name__)

MAX_GROUP = 5_000
"""Events that are committed together, and then wait together for the disk."""
INLINE_EVENTS = 500
"""Larger groups are written in the thread: other requests do not wait for that."""


class Intake:
    """Accepts events for one event loop. While the disk is busy with a group, the next one gathers."""

    def __init__(
        self,
        outbox: Outbox,
        lanes: Sequence[str],
        *,
        check: Callable[[], None] = lambda: None,
        committed: Callable[[int, float], None] = lambda _events, _seconds: None,
        failed: Callable[[OutboxError], None] = lambda _error: None,
    ) -> None:
        """`check` raises OutboxError where a commit was in vain.

        `committed` is told of each group how many events it has and how many seconds its commit took; `failed` why
        one could not be kept.
        """
        self._outbox = outbox
        self._lanes = lanes
        self._check = check
        self._committed = committed
        self._failed = failed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._waiting: list[tuple[Sequence[Draft], asyncio.Future[None]]] = []
        self._commits: asyncio.Task[None] | None = None

    async def accept(self, drafts: Sequence[Draft]) -> None:
        """Return once the events are safe on the disk. Raises OutboxError: then none of them is kept."""
        loop = asyncio.get_running_loop()
        safe: asyncio.Future[None] = loop.create_future()
        self._waiting.append((drafts, safe))
        if self._commits is None:
            self._commits = loop.create_task(self._commit_all())
        await safe

    async def close(self) -> None:
        """Return once everything that was begun is settled."""
        if self._commits is not None:
            await self._commits
        self._thread.shutdown()

    async def _commit_all(self) -> None:
        """Commit group after group until nobody waits."""
        try:
            while self._waiting:
                await self._commit_next()
        except Exception as bug:  # whoever waits has to hear of it
            logger.exception("events not committed")
            waiting, self._waiting = self._waiting, []
            _settle(waiting, bug)
        finally:
            self._commits = None

    async def _commit_next(self) -> None:
        """Commit all who wait once it is our turn to write.

        What waits for the disk or for other processes is done in the thread; the rows of a usual group are written in
        this one, which has not to wait for its turn in the interpreter after each statement.
        """
        run = partial(asyncio.get_running_loop().run_in_executor, self._thread)
        context = self._outbox.transaction()
        try:
            transaction = await run(context.__enter__)
        except OutboxError as error:
            self._failed(error)
            _settle(self._next_group(), error)
            return
        group = self._next_group()
        drafts = [draft for drafts, _ in group for draft in drafts]
        started = time.perf_counter()
        if len(drafts) > INLINE_EVENTS:
            failure = await run(self._fill, transaction, drafts)
        else:
            failure = self._fill(transaction, drafts)
        try:
            await run(self._end, context, failure)
        except OutboxError as error:
            failure = error
            self._failed(error)
        _settle(group, failure)
        if failure is None:
            self._committed(len(drafts), time.perf_counter() - started)

    def _end(self, context: AbstractContextManager[Transaction], failure: Exception | None) -> None:
        """Commit, or undo what has failed. Raises OutboxError."""
        context.__exit__(None if failure is None else type(failure), failure, None)
        if failure is None:
            self._check()

    def _fill(self, transaction: Transaction, drafts: Sequence[Draft]) -> Exception | None:
        """Write the rows; return what went wrong, which is to undo all of it."""
        try:
            archive.accept(transaction, drafts, self._lanes)
        except (OutboxError, sqlite3.Error) as error:
            return error
        except Exception as bug:  # each request answers for itself, and the next group has its own try
            logger.exception("events not committed: events=%d", len(drafts))
            return bug
        return None

    def _next_group(self) -> list[tuple[Sequence[Draft], asyncio.Future[None]]]:
        events = 0
        for index, (drafts, _) in enumerate(self._waiting):
            events += len(drafts)
            if index and events > MAX_GROUP:
                group, self._waiting = self._waiting[:index], self._waiting[index:]
                return group
        group, self._waiting = self._waiting, []
        return group


def _settle(group: Sequence[tuple[Sequence[Draft], "asyncio.Future[None]"]], error: Exception | None) -> None:
    for _, safe in group:
        if safe.done():  # the client has gone
            continue
        if error is None:
            safe.set_result(None)
        else:
            safe.set_exception(error)
