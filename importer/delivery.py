"""Bring what waits in an outbox to its destinations, each at its own pace: a slow one holds up no other.

A pass over a lane (see `importer.lane`) is made when somebody asks for it, and after a failure that heals by itself
when a pause is over that grows. Where only a person can mend it, the lane waits for the next run or reload.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from types import TracebackType
from typing import Self

from importer.errors import ImporterError, SinkRefused, SinkUnavailable
from importer.lane import LaneDelivery, LaneReport, ignore
from importer.outbox import Outbox, Stored
from importer.parallel import DaemonExecutor
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

BACKOFF_BASE_SECONDS = 1.0
BACKOFF_LIMIT_SECONDS = 300.0
STOP_SECONDS = 3.0
"""How long a payload in hand may take to be finished once the process is asked to stop."""
_POLL_SECONDS = 0.1


class Backoff:
    """How long a destination is left alone after each failure: exponentially longer, with full jitter."""

    def __init__(
        self,
        *,
        base_seconds: float = BACKOFF_BASE_SECONDS,
        limit_seconds: float = BACKOFF_LIMIT_SECONDS,
        retries_refused: bool = False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`retries_refused` is for who cannot wait for a person to start or reload it."""
        self._base_seconds = base_seconds
        self._limit_seconds = limit_seconds
        self._healing = (SinkUnavailable, SinkRefused) if retries_refused else (SinkUnavailable,)
        self._chance = chance
        self._failures = 0

    def pause_seconds(self, error: ImporterError | None) -> float:
        """Return how long to wait after a pass that ended with this error, never less than the store said.

        Infinity where it would not heal by itself, or where all went well; the next failure is then the first again.
        """
        if not isinstance(error, self._healing):
            self._failures = 0
            return math.inf
        longest = min(self._limit_seconds, self._base_seconds * 2.0 ** min(self._failures, 30))
        self._failures += 1
        asked = error.retry_after_seconds if isinstance(error, SinkUnavailable) else None
        return max(longest * self._chance(), asked or 0.0)


class _Work:
    """What is asked of a lane and what came of it. Whoever touches it holds the delivery's lock."""

    def __init__(self, lane: LaneDelivery, backoff: Backoff) -> None:
        self.lane = lane
        self.requested = 0
        """How many passes were asked for; also the ticket of the last one who asked."""
        self.done = 0
        """The highest ticket that a finished pass serves: it began after that ticket was given."""
        self.running = False
        self.look_again = False
        """Whether another pass follows the one under way, if that ends well."""
        self.retired = False
        """Whether the lane is delivered no more, or by another sink."""
        self.next_try = math.inf
        self.last_error = str(None)
        """What the last pass ended with."""
        self._backoff = backoff
        self._reports: dict[int, LaneReport] = {}

    def ask(self) -> int:
        """Ask for a pass that starts from now on; return the ticket for its report, which has to be taken."""
        self.requested += 1
        self._reports[self.requested] = LaneReport(self.lane.sink.lane)
        return self.requested

    def begin(self) -> int:
        """Return the ticket that the pass which begins now serves."""
        self.look_again = False
        return self.requested

    def finish(self, ticket: int, report: LaneReport, now: float) -> None:
        """Note what a pass came to, for all who wait, and when to try again by ourselves."""
        self.done = ticket
        self._reports = {waiting: report.after(earlier) for waiting, earlier in self._reports.items()}
        self.next_try = now + self._backoff.pause_seconds(report.error)
        self.look_again = self.look_again and report.error is None

    def is_due(self) -> bool:
        """Whether somebody asked for a pass that has not begun yet."""
        return self.look_again or self.requested > self.done

    def is_unsettled(self) -> bool:
        """Whether more was to come: a pass under way or asked for, or a pause that ends."""
        return self.running or self.is_due() or not math.isinf(self.next_try)

    def take_report(self, ticket: int) -> LaneReport | None:
        """Return what the passes since a ticket was given came to; None if none has begun and ended since."""
        report = self._reports.pop(ticket)
        return report if self.done >= ticket else None


class Delivery:
    """Every lane of an outbox at work, from entering the `with` block to leaving it.

    Lanes wait until they are asked for, and after a failure try again by themselves, unless `tries_again` is False.
    Each has at most one pass under way, in one of a pool of daemon threads: one that hangs in a dead connection does
    not keep the process from ending, and loses nothing by being cut off.
    """

    def __init__(
        self,
        outbox: Outbox,
        sinks: Iterable[Sink],
        *,
        stop: threading.Event,
        delivered: Callable[[Stored], None] = ignore,
        tries_again: bool = True,
        retries_refused: bool = False,
        backoff_base_seconds: float = BACKOFF_BASE_SECONDS,
        backoff_limit_seconds: float = BACKOFF_LIMIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`delivered` is told of each delivery the oldest payload in it, in the thread of its lane."""
        self._stop = stop
        self._lane = partial(LaneDelivery, outbox, delivered=delivered, clock=clock)
        self._tries_again = tries_again
        self._backoff = partial(
            Backoff,
            base_seconds=backoff_base_seconds,
            limit_seconds=backoff_limit_seconds,
            retries_refused=retries_refused,
            chance=chance,
        )
        self._clock = clock
        self._changed = threading.Condition()
        self._closing = False
        self._left = False
        """Whether what is still under way is of no interest: the outbox is about to be closed under it."""
        self._pool = DaemonExecutor(name="lane")
        self._retries = threading.Thread(target=self._retry, name="lane retries", daemon=True)
        self._works: dict[str, _Work] = {}
        self.replace(sinks)

    def __enter__(self) -> Self:
        if self._tries_again:
            self._retries.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = self._clock() + STOP_SECONDS
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            for work in self._works.values():
                work.lane.stop()
            self._changed.wait_for(self._all_idle, max(0.0, deadline - self._clock()))
            self._left = True
            idle = [work.lane for work in self._works.values() if not work.running]
        for lane in idle:
            lane.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool.join(max(0.0, deadline - self._clock()))
        if self._tries_again:
            self._retries.join()

    def replace(self, sinks: Iterable[Sink]) -> None:
        """Deliver to these sinks from now on; the lanes of those that stay go on as they are.

        A sink that is left out, or replaced by another object for its lane, finishes the payload in hand. The other
        tries at once if the one before it was asked to, was at work, or would have tried again.
        """
        wanted = {sink.lane: sink for sink in sinks}
        with self._changed:
            gone = [work for name, work in self._works.items() if wanted.get(name) is not work.lane.sink]
            for work in gone:
                work.retired = True
                work.lane.stop()
                del self._works[work.lane.sink.lane]
            for name, sink in wanted.items():
                if name not in self._works:
                    self._works[name] = self._work_for(sink)
            for work in self._chosen({work.lane.sink.lane for work in gone if work.is_unsettled()}):
                work.requested += 1
                self._start(work)
            self._changed.notify_all()
            unused = [work.lane for work in gone if not work.running]
        for lane in unused:
            lane.close()

    def nudge(self, lanes: Collection[str] | None = None) -> None:
        """Let lanes (None: all) try at once, whatever pause they were in, and do not wait for it."""
        with self._changed:
            for work in self._chosen(lanes):
                work.requested += 1
                self._start(work)

    def flush(self) -> None:
        """Let lanes try that are in no pause after a failure, and do not wait for it."""
        with self._changed:
            for work in self._works.values():
                if work.running:
                    work.look_again = True
                elif math.isinf(work.next_try):
                    self._start(work)

    def deliver_now(
        self, lanes: Collection[str] | None = None, *, timeout_seconds: float = math.inf
    ) -> list[LaneReport]:
        """Let lanes (None: all) try at once, whatever pause they were in, and return what each pass came to.

        A lane that is not done by then, or when the process is asked to stop, is left out and goes on; so is one that
        will not be done, as its sink was replaced or the `with` block is left.
        """
        deadline = self._clock() + timeout_seconds
        with self._changed:
            tickets = [(work, work.ask()) for work in self._chosen(lanes)]
            for work, _ in tickets:
                self._start(work)
        reports = (self._report_for(work, ticket, deadline) for work, ticket in tickets)
        return [report for report in reports if report is not None]

    def _work_for(self, sink: Sink) -> _Work:
        return _Work(self._lane(sink), self._backoff())

    def _chosen(self, lanes: Collection[str] | None) -> list[_Work]:
        return [work for name, work in self._works.items() if lanes is None or name in lanes]

    def _all_idle(self) -> bool:
        return not any(work.running for work in self._works.values())

    def _start(self, work: _Work) -> None:
        if not (work.running or self._closing):
            work.running = True
            self._pool.submit(self._make_passes, work)

    def _make_passes(self, work: _Work) -> None:
        """Make passes over a lane until none is asked for that had not begun."""
        more = True
        while more:
            with self._changed:
                ticket = work.begin()
            report = work.lane.drain()
            with self._changed:
                if not self._left:
                    _log(report, is_known=work.last_error == str(report.error))
                work.last_error = str(report.error)
                work.finish(ticket, report, self._clock())
                more = work.is_due() and not (self._closing or work.retired)
                work.running = more
                is_last_use = work.retired and not more
                self._changed.notify_all()
        if is_last_use:
            work.lane.close()

    def _report_for(self, work: _Work, ticket: int, deadline: float) -> LaneReport | None:
        """Return what the passes until the one that was asked for came to, None if it is not done in time."""
        with self._changed:
            while work.done < ticket:
                given_up = work.retired or (self._closing and not work.running)
                if given_up or self._stop.is_set() or self._clock() >= deadline:
                    break
                self._changed.wait(_POLL_SECONDS)
            return work.take_report(ticket)

    def _retry(self) -> None:
        """Start the passes whose pause is over, until the end."""
        with self._changed:
            while not self._closing:
                now = self._clock()
                idle = [work for work in self._works.values() if not work.running]
                for work in idle:
                    if work.next_try <= now:
                        self._start(work)
                next_try = min((work.next_try for work in idle if not work.running), default=math.inf)
                self._changed.wait(min(next_try - now, threading.TIMEOUT_MAX))  # some stores say to come back in ages


def _log(report: LaneReport, *, is_known: bool) -> None:
    """Log what came of a pass; an error that the pass before had too is only for those who look closer."""
    if report.points or (report.delivered and not report.rejected):  # nothing of what was set aside was sent
        logger.info("metrics sent: %d lane=%s payloads=%d", report.points, report.lane, report.delivered)
    level = logging.DEBUG if is_known else logging.WARNING
    if isinstance(report.error, SinkUnavailable):
        logger.log(level, "kept for later: %s", report.error)
    elif report.error is not None:  # the run that asked for this pass reports it, once, as an error
        logger.log(level, "not delivered, kept: %s", report.error)
