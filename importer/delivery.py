"""Bring what waits in an outbox to its destinations: a thread a lane, so that a slow one holds up no other.

What a delivery comes to is decided here for every sink alike. Delivered: the row goes. Unavailable: it stays, and
the lane tries again after a pause that grows. Refused: everything stays until the next run or reload, as only a
person can mend it. Rejected: the payload is set aside, and what came after it goes on.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from importer.errors import ImporterError, OutboxError, Rejected, SinkError, SinkUnavailable
from importer.outbox import Outbox, Stored
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

BACKOFF_BASE_SECONDS = 1.0
BACKOFF_LIMIT_SECONDS = 300.0
REPLAY_BURST_POINTS = 250_000
"""A lane sends so many points unpaced: a cycle of more than 2,000 apps, but no long backlog."""
LANE_LOCK_SECONDS = 30.0
"""How long a pass waits for another process that delivers the same lane."""
STOP_SECONDS = 3.0
"""How long a payload in hand may take to be finished once the process is asked to stop."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What one pass over a lane came to."""

    lane: str
    delivered: int = 0
    """Payloads that the destination took."""
    points: int = 0
    """Points in them."""
    rejected: int = 0
    """Payloads that were set aside."""
    error: ImporterError | None = None
    """What ended the pass before the lane was empty; None if it is."""

    @property
    def failed(self) -> bool:
        """Whether a person has to look: what is only unavailable heals by itself."""
        return self.rejected > 0 or (self.error is not None and not isinstance(self.error, SinkUnavailable))


class Pace:
    """Spaces points out once a burst of them has gone, so that a store that comes back is not flooded."""

    def __init__(self, points_per_second: float, *, clock: Callable[[], float]) -> None:
        self._points_per_second = points_per_second
        self._clock = clock
        self._credit = float(REPLAY_BURST_POINTS)
        self._credited_at = clock()

    def pause_seconds(self, points: int) -> float:
        """Return how long to wait before so many points are sent, and count them as sent."""
        if math.isinf(self._points_per_second):
            return 0.0
        now = self._clock()
        earned = (now - self._credited_at) * self._points_per_second
        self._credit = min(REPLAY_BURST_POINTS, self._credit + earned) - points
        self._credited_at = now
        return max(0.0, -self._credit / self._points_per_second)


class Lane:
    """Delivers the payloads of one destination, oldest first."""

    def __init__(self, outbox: Outbox, sink: Sink, *, stop: threading.Event, clock: Callable[[], float]) -> None:
        self.sink = sink
        self._outbox = outbox
        self._stop = stop
        self._clock = clock
        self._pace = Pace(sink.replay_points_per_second, clock=clock)

    def drain(self) -> LaneReport:
        """Deliver until the lane is empty, the destination fails or the process is to stop; never raises."""
        tally = _Tally()
        try:
            error = self._drain(tally)
        except OutboxError as outbox_error:
            error = outbox_error
        except Exception as bug:  # a thread that died of it would keep everybody who waits for its report
            logger.exception("lane failed: lane=%s", self.sink.lane)
            error = _bug(self.sink, bug)
        return LaneReport(self.sink.lane, tally.delivered, tally.points, tally.rejected, error)

    def close(self) -> None:
        """Close the sink; never raises, as what it was to deliver has been settled."""
        try:
            self.sink.close()
        except Exception:  # a sink's bug must not keep the others open
            logger.exception("sink not closed: lane=%s", self.sink.lane)

    def _drain(self, tally: "_Tally") -> ImporterError | None:
        if self._outbox.oldest(self.sink.lane) is None:
            return None
        gives_up_at = self._clock() + LANE_LOCK_SECONDS

        def wait() -> bool:
            return not self._stop.wait(_POLL_SECONDS) and self._clock() < gives_up_at

        with self._outbox.lane_lock(self.sink.lane, wait=wait) as mine:
            if not mine:
                return SinkUnavailable(self.sink.lane, "another process is delivering to it")
            while not self._stop.is_set():
                stored = self._outbox.oldest(self.sink.lane)
                if stored is None:
                    self._shrink()
                    return None
                if self._stop.wait(self._pace.pause_seconds(stored.payload.points)):
                    break
                error = self._deliver(stored, tally)
                if error is not None:
                    self._outbox.note_problem(self.sink.lane, error.reason)
                    return error
        return SinkUnavailable(self.sink.lane, "the process was asked to stop; the rest is kept")

    def _shrink(self) -> None:
        try:
            self._outbox.shrink()
        except OutboxError as error:  # everything was delivered; the next pass that empties the lane tries again
            logger.warning("room not given back: %s", error)

    def _deliver(self, stored: Stored, tally: "_Tally") -> SinkError | None:
        """Deliver one payload; return the error that ends the pass, None if it goes on."""
        try:
            self.sink.deliver(stored.payload)
        except Rejected as error:
            logger.error("payload set aside: %s id=%d points=%d", error, stored.id, stored.payload.points)
            self._outbox.reject(stored, error.reason)
            tally.rejected += 1
            return None
        except SinkError as error:
            return error
        except Exception as error:  # a sink's bug must cost neither the data nor the other lanes
            logger.exception("sink failed: lane=%s", self.sink.lane)
            return _bug(self.sink, error)
        self._outbox.delivered(stored)
        tally.delivered += 1
        tally.points += stored.payload.points
        return None


class Delivery:
    """Every lane of an outbox at work, from entering the `with` block to leaving it.

    Lanes wait until `deliver_now`, and after a failure try again by themselves. Their threads are daemons: one that
    hangs in a dead connection does not keep the process from ending, and loses nothing by being cut off.
    """

    def __init__(
        self,
        outbox: Outbox,
        sinks: Iterable[Sink],
        *,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._stop = stop
        self._closing = threading.Event()
        self._clock = clock
        self._workers = [
            _Worker(Lane(outbox, sink, stop=self._closing, clock=clock), clock=clock, chance=chance) for sink in sinks
        ]

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for worker in self._workers:
            worker.wake()
        deadline = self._clock() + STOP_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, deadline - self._clock()))
            if not worker.is_alive():
                worker.lane.close()

    def nudge(self) -> None:
        """Let every lane try at once, and do not wait for it."""
        for worker in self._workers:
            worker.request()

    def deliver_now(self, *, timeout_seconds: float = math.inf) -> list[LaneReport]:
        """Try every lane at once, whatever pause it was in, and return what each pass came to.

        A lane that is not done by then, or when the process is asked to stop, is left out and goes on.
        """
        deadline = self._clock() + timeout_seconds
        tickets = [(worker, worker.request()) for worker in self._workers]
        reports = []
        for worker, ticket in tickets:
            while (report := worker.report_for(ticket, _POLL_SECONDS)) is None:
                if self._stop.is_set() or self._clock() >= deadline:
                    break
            else:
                reports.append(report)
        return reports


class _Worker(threading.Thread):
    """A lane's thread: makes a pass when asked to, and after a failure when the pause is over."""

    def __init__(self, lane: Lane, *, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        super().__init__(name=f"lane {lane.sink.lane}", daemon=True)
        self.lane = lane
        self._clock = clock
        self._chance = chance
        self._changed = threading.Condition()
        self._requested = 0
        self._done = 0
        self._report: LaneReport | None = None
        self._closing = False
        self._failures = 0
        self._next_try = math.inf

    def request(self) -> int:
        """Ask for a pass that starts from now on; return the ticket for its report."""
        with self._changed:
            self._requested += 1
            self._changed.notify_all()
            return self._requested

    def report_for(self, ticket: int, timeout_seconds: float) -> LaneReport | None:
        """Return the report of the pass that was asked for, None if it is not done within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._done >= ticket, timeout_seconds)
            return self._report if self._done >= ticket else None

    def wake(self) -> None:
        """Let the thread end once its payload in hand is done."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def run(self) -> None:
        """Make passes until woken to end."""
        while (ticket := self._wait_for_work()) is not None:
            report = self.lane.drain()
            self._log(report)
            with self._changed:
                self._plan(report)
                self._done, self._report = ticket, report
                self._changed.notify_all()

    def _wait_for_work(self) -> int | None:
        with self._changed:
            while not self._closing and self._requested == self._done:
                pause = self._next_try - self._clock()
                if pause <= 0:
                    break
                self._changed.wait(min(pause, threading.TIMEOUT_MAX))  # some stores say to come back in ages
            return None if self._closing else self._requested

    def _plan(self, report: LaneReport) -> None:
        """Set when to try again: exponential back-off with full jitter, never before the store said to."""
        self._next_try = math.inf
        if not isinstance(report.error, SinkUnavailable):
            self._failures = 0
            return
        longest = min(BACKOFF_LIMIT_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(self._failures, 30))
        pause = max(longest * self._chance(), report.error.retry_after_seconds or 0.0)
        self._failures += 1
        self._next_try = self._clock() + pause

    def _log(self, report: LaneReport) -> None:
        if report.delivered:
            logger.info("metrics sent: %d lane=%s payloads=%d", report.points, report.lane, report.delivered)
        if isinstance(report.error, SinkUnavailable):
            logger.warning("kept for later: %s", report.error)
        elif report.error is not None:  # the run that asked for this pass reports it, once, as an error
            logger.warning("not delivered, kept: %s", report.error)


def _bug(sink: Sink, error: Exception) -> SinkError:
    return SinkError(sink.lane, f"{type(error).__name__}: {error}")


@dataclass(slots=True)
class _Tally:
    delivered: int = field(default=0)
    points: int = field(default=0)
    rejected: int = field(default=0)
