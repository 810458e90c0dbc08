"""Posts that wait: `add` returns at once, a thread posts in the order of arrival, and the program's end waits for it.

What is promised to the host program, in the order in which it counts:

- it is never held up: what the service or the network do is the thread's affair alone. At the end of the program all
  queues together get EXIT_SECONDS to be emptied, and what is left then is told in the log;
- its memory is bounded: a queue that is full takes no more, and says so in the log, with the number of what was lost
  once it is half empty. The oldest is not thrown out instead, since what was accepted stays accepted, and the
  caller does not post it either, since that could take as long as the timeouts of a service that hangs;
- within these bounds nothing is lost. A post that was not answered is repeated, so that the service may see it twice.

A process that was forked starts with an empty queue: its parent posts what waited then.

Once the end of the program has begun, whoever adds an event posts it: see `importer.events.client.ending`.
"""

import atexit
import logging
import os
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from weakref import WeakSet

from importer.events.client.ending import EXIT_SECONDS, Ending
from importer.events.client.session import Reply, Retry

logger = logging.getLogger(__name__)

MAX_RETRY_AFTER_SECONDS = 3600.0
"""The longest pause that a service may ask for."""


class Post(Protocol):
    """Posts a body, within so many seconds in all if that is given, and never raises for what the service does."""

    def __call__(self, body: bytes, *, within_seconds: float | None) -> Reply:
        """Return what came of it."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much a queue holds, and how it tries again."""

    max_events: int = 10_000
    max_bytes: int = 64 * 2**20
    first_pause_seconds: float = 1.0
    """The longest pause after a first failure, doubled for each that follows; a random part of it is used."""
    longest_pause_seconds: float = 60.0
    max_faults: int = 10
    """How often an event may meet a fault of the service (500): it could be the event that brings it about."""
    idle_seconds: float = 10.0
    """How long the thread waits for another event before it ends: short-lived clients leave no threads behind."""


def start_daemon(target: Callable[[], None]) -> None:
    """Start a thread that does not keep the program from ending. Raises RuntimeError where none can be started."""
    threading.Thread(target=target, name="stats-client", daemon=True).start()


class PostingQueue:
    """A bounded queue of bodies, and the thread that posts them while there are any."""

    def __init__(
        self,
        post: Post,
        *,
        limits: QueueLimits = QueueLimits(),
        start_thread: Callable[[Callable[[], None]], None] = start_daemon,
        chance: Callable[[], float] = random.random,
        ending: Ending | None = None,
    ) -> None:
        """`ending` is that of the program, unless a test has another one."""
        self._post = post
        self._limits = limits
        self._start_thread = start_thread
        self._chance = chance
        self._ending = ending or ENDING
        self.forget()
        _queues.add(self)

    def forget(self) -> None:
        """Become as new. For a process that was forked: it has no thread, and whoever held the lock is gone."""
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._refused = 0
        self._failures = 0  # of the event that is first, as the next
        self._faults = 0
        self._told_lost = 0
        self._hurry_until: float | None = None
        self._leave_thread()

    def _leave_thread(self) -> None:
        """Do without the thread that there was."""
        self._is_running = False
        self._poster: int | None = None
        """The thread that posts."""
        self._is_frozen = sys.is_finalizing()

    def __len__(self) -> int:
        """Return how many events are not posted yet."""
        return len(self._waiting)

    def add(self, body: bytes) -> None:
        """Keep body for the thread and return; a full queue loses it, and says so in the log."""
        self._thaw()
        self._ending.call_in_workers(end_all)
        with self._changed:
            is_taken = self._has_room(len(body))
            if is_taken:
                self._waiting.append(body)
                self._waiting_bytes += len(body)
                self._ensure_thread()
                self._changed.notify_all()
            else:
                self._refused += 1
            is_news = not is_taken and self._refused == 1
        if is_news:  # not under the lock: a log handler may itself post events
            logger.error("queue is full, events are lost until there is room waiting=%d", len(self))
        if self._ending.has_begun() and self._poster != threading.get_ident():
            self.end(self._ending.begin(EXIT_SECONDS))

    def _thaw(self) -> None:
        """Take over from a thread that the end of the interpreter has stopped, perhaps while it held the lock."""
        if sys.is_finalizing() and not self._is_frozen:
            self._changed = threading.Condition()
            self._leave_thread()

    def _has_room(self, body_bytes: int, *, share: float = 1.0) -> bool:
        """Whether that share of the queue has room for an event of that size."""
        return (
            len(self._waiting) < self._limits.max_events * share
            and self._waiting_bytes + body_bytes <= self._limits.max_bytes * share
        )

    def _ensure_thread(self) -> None:
        if self._is_running or self._ending.has_begun():
            return
        try:
            self._start_thread(self._run_as_thread)
            self._is_running = True
        except RuntimeError:  # the next event tries again, or the end of the program does without, see _wait
            self._is_running = False

    # The end

    def hurry(self, until: float) -> None:
        """Try at once, whatever pause it is, and with short pauses until that time of `time.monotonic`."""
        self._thaw()
        with self._changed:
            self._hurry_until = until
            self._changed.notify_all()

    def flush(self, seconds: float) -> int:
        """Return how many events are not posted, once all are or that many seconds are over."""
        until = time.monotonic() + seconds
        self.hurry(until)
        left = self._wait(until)
        with self._changed:
            self._hurry_until = self._ending.until
        return left

    def end(self, until: float) -> None:
        """Wait for all to be posted, until that time of `time.monotonic`; what is lost by then is told once."""
        self.hurry(until)
        lost = self._wait(until) + self._refused
        is_news, self._told_lost = lost > self._told_lost, lost
        if is_news:
            logger.error("events are lost, they were not posted before the program ended count=%d", lost)

    def _wait(self, until: float) -> int:
        with self._changed:
            is_alone = bool(self._waiting) and not self._is_running
            self._is_running = self._is_running or is_alone
        if is_alone:
            self._run(lambda: bool(self._waiting) and time.monotonic() < until, until=until)
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, max(0.0, until - time.monotonic()))
            return len(self._waiting)

    # Whoever posts: the thread, or the program's last one where no other could be started

    def _run_as_thread(self) -> None:
        self._run(lambda: self._changed.wait_for(lambda: bool(self._waiting), self._limits.idle_seconds))

    def _run(self, has_work: Callable[[], bool], *, until: float | None = None) -> None:
        self._poster = threading.get_ident()
        while True:
            with self._changed:  # so that no event comes between the look and the end
                self._is_running = has_work()
                if not self._is_running:
                    self._poster = None
                    return
            self._post_first(until)

    def _post_first(self, until: float | None) -> None:
        hurry_until = self._hurry_until
        within_seconds = None if until is None else max(0.1, until - time.monotonic())
        reply = self._reply_to(self._waiting[0], within_seconds)
        self._failures += 1
        self._faults += reply.retry is Retry.SOMETIMES
        if reply.retry is Retry.ALWAYS or (reply.retry is Retry.SOMETIMES and self._faults < self._limits.max_faults):
            self._pause(reply, hurry_until)
            return
        if reply.answer is None:
            self._ending.tell(partial(logger.error, "event is lost, it was not stored reason=%s", reply.reason))
        self._remove_first()

    def _reply_to(self, body: bytes, within_seconds: float | None) -> Reply:
        try:
            return self._post(body, within_seconds=within_seconds)
        except Exception as error:  # noqa: BLE001 - a fault of ours may cost an event, but not all that come after it
            if isinstance(error, ImportError) and sys.is_finalizing():  # what posts imports on use
                return Reply(reason=f"the interpreter is taken down already: {error}")
            self._ending.tell(partial(logger.error, "posting failed by a fault of its own", exc_info=error))
            return Reply(reason=f"{type(error).__name__}: {error}")

    def _pause(self, reply: Reply, hurry_until: float | None) -> None:
        """Wait before the next try; whoever is in a hurry since `hurry_until` was looked up cuts that short."""
        limits = self._limits
        longest = limits.longest_pause_seconds if hurry_until is None else limits.first_pause_seconds
        growing = min(longest, limits.first_pause_seconds * 2.0 ** min(self._failures - 1, 30))
        seconds = max(growing * self._chance(), min(reply.retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
        if hurry_until is not None:
            seconds = min(seconds, max(0.0, hurry_until - time.monotonic()))
        waits = "events wait for the stats service count=%d seconds=%.1f reason=%s"
        self._ending.tell(partial(logger.warning, waits, len(self), seconds, reply.reason))
        with self._changed:
            self._changed.wait_for(lambda: self._hurry_until != hurry_until, seconds)

    def _remove_first(self) -> None:
        with self._changed:
            self._waiting_bytes -= len(self._waiting.popleft())
            self._failures = self._faults = 0
            self._changed.notify_all()
            refused = self._refused if self._has_room(0, share=0.5) else 0
            self._refused -= refused
        if refused:
            self._ending.tell(partial(logger.error, "queue has room again, events were lost count=%d", refused))


def end_all(seconds: float = EXIT_SECONDS) -> None:
    """Wait for all queues of this process to be emptied, so many seconds at most: its end has begun."""
    until = ENDING.begin(seconds)
    queues = tuple(_queues)
    for queue in queues:
        queue.hurry(until)
    for queue in queues:
        queue.end(until)
    ENDING.conclude()


def _forget_all() -> None:
    ENDING.forget()
    for queue in tuple(_queues):
        queue.forget()


ENDING = Ending()
"""The end of this process."""
_queues: WeakSet[PostingQueue] = WeakSet()

# At import, since handlers run in reverse order: events that other handlers log at the end are still posted.
atexit.register(end_all)
os.register_at_fork(after_in_child=_forget_all)
