"""The process that brings accepted events to their stores, and forgets what need not be kept."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from importer.delivery import Delivery
from importer.errors import ExitCode, OutboxError
from importer.events import archive
from importer.events.config import Settings
from importer.events.event import read_event
from importer.events.history import History
from importer.events.meters import Meters
from importer.outbox import Lane, Outbox
from importer.points import Payload
from importer.service import Signals
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

KEPT_SECONDS = 3600
"""How long an event stays here after its store has it: a client that did not hear our answer sends it again."""
KEPT_EVENTS = 500_000
"""How many of these stay at most."""
KEPT_COUNTS_DAYS = 31
PRUNE_SECONDS = 10.0
TURN_EVENTS = 20_000
"""So many are forgotten at most before events that wait are delivered again."""
_PRUNED_ROWS = 500
"""So few at once that requests do not wait for it."""
_DAY_NS = 86_400 * 10**9


def keep(settings: Settings, sinks: Sequence[Sink], *, ready: Callable[[], None]) -> ExitCode:
    """Deliver and prune until SIGTERM. Raises OutboxError if the outbox cannot be used to begin with."""
    meters = Meters()
    with Signals() as signals, Outbox(settings.outbox_path, checked=True) as outbox:
        measured = [MeasuredSink(sink, meters.delivery_seconds.observe) for sink in sinks]
        outbox.configure(Lane(sink.lane, sink.family, settings.outbox_max_bytes) for sink in sinks)
        delivery = Delivery(
            outbox,
            measured,
            stop=signals.stop,
            backoff_base_seconds=settings.flush_seconds,
            backoff_limit_seconds=settings.retry_max_seconds,
            retries_refused=True,
        )
        pruner = Pruner(outbox, retention_days=settings.retention_days, has_stores=bool(sinks))
        with delivery, History(outbox) as history:
            ready()
            while not signals.stop.is_set():
                delivery.flush()
                history.turn()
                pruner.turn()
                signals.stop.wait(settings.flush_seconds)
    return ExitCode.OK


class MeasuredSink(Sink):
    """A sink that tells of each delivery how many seconds after its acceptance the oldest event was delivered."""

    def __init__(
        self, sink: Sink, delivered: Callable[[float], None], *, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        super().__init__(sink.lane)
        self.family = sink.family
        self.joined_points = sink.joined_points
        self.outbox_max_bytes = sink.outbox_max_bytes
        self._sink = sink
        self._delivered = delivered
        self._clock_ns = clock_ns

    def deliver(self, payload: Payload) -> None:
        """Deliver a payload, as the sink does."""
        self._sink.deliver(payload)
        accepted = read_event(payload.data[: payload.data.index(b"\n")]).time
        self._delivered(max(0, self._clock_ns() - accepted) / 1e9)

    def check(self) -> str:
        """Return what the sink says."""
        return self._sink.check()

    def stop(self) -> None:
        """Cut short what the sink waits for."""
        self._sink.stop()

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()


class Pruner:
    """Forgets events little by little, and never one that a store does not have yet."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        retention_days: int,
        has_stores: bool,
        clock: Callable[[], float] = time.monotonic,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._outbox = outbox
        self._retention_days = retention_days
        self._has_stores = has_stores
        self._clock = clock
        self._clock_ns = clock_ns
        self._due = clock()

    def turn(self) -> None:
        """Forget what is due, if a turn is; where that is much, a part of it, and the next turn is due at once."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + PRUNE_SECONDS
        try:
            self._prune()
        except OutboxError as error:  # the next turn tries again
            logger.warning("old events not forgotten: %s", error)

    def _prune(self) -> None:
        now = self._clock_ns()
        archive.prune_counts(self._outbox, before_ns=now - KEPT_COUNTS_DAYS * _DAY_NS)
        waiting = [int(state.oldest * 10**9) for state in self._outbox.lanes() if state.oldest is not None]
        forgotten = 0
        for before, after in self._bounds(now):
            forgotten += self._forget(min([before, *waiting]), after, at_most=TURN_EVENTS - forgotten)
        if forgotten >= TURN_EVENTS:
            self._due = self._clock()
        if forgotten:
            self._outbox.shrink()
            logger.info("old events forgotten: events=%d", forgotten)

    def _bounds(self, now: int) -> Iterator[tuple[int, int]]:
        """Yield before which time of acceptance events may go, and after which.

        Those of a time when there was no store are nowhere but here: they stay as if there still were none.
        """
        if self._retention_days:
            yield now - self._retention_days * _DAY_NS, 0
        if self._has_stores:
            newest = archive.bound_of_newest(self._outbox, KEPT_EVENTS)
            yield max(now - KEPT_SECONDS * 10**9, newest), archive.embedded_until(self._outbox)

    def _forget(self, before: int, after: int, *, at_most: int) -> int:
        """Forget so many events, a few at once; return how many there were."""
        forgotten = 0
        while forgotten < at_most:
            rows = archive.prune(self._outbox, before_ns=before, after_ns=after, rows=_PRUNED_ROWS)
            forgotten += rows
            if rows < _PRUNED_ROWS:
                break
        return forgotten
