"""The process that brings accepted events to their stores, and forgets what need not be kept."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from importer.delivery import Delivery
from importer.errors import ExitCode, OutboxError
from importer.events import archive, own_times
from importer.events.history import History
from importer.events.service.meters import Meters
from importer.events.service.presence import Presence
from importer.events.settings.settings import Settings
from importer.outbox import Lane, Outbox
from importer.self_metrics.publisher import OFF, SelfMetrics
from importer.service import Signals
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

KEPT_SECONDS = 3600
"""How long an event stays here that its store has: a client that did not hear our answer sends it again."""
KEPT_EVENTS = 1_000_000
"""Of more than these the oldest go before the hour is over, by whole minutes: after 83 seconds at 12,000 a second."""
KEPT_COUNTS_DAYS = 31
"""How long counts stay, and the times that events brought along."""
PRUNE_SECONDS = 10.0
TURN_EVENTS = 20_000
"""So many are forgotten at most before events that wait are delivered again."""
_PRUNED_ROWS = 500
"""So few at once that requests do not wait for it."""
_DAY_NS = 86_400 * 10**9


def keep(
    settings: Settings, sinks: Sequence[Sink], *, ready: Callable[[], None], self_metrics: SelfMetrics = OFF
) -> ExitCode:
    """Deliver and prune until SIGTERM.

    Raises OutboxError if the outbox cannot be used to begin with, or is removed: what it still held is delivered then.
    """
    meters = Meters()
    with Signals(is_child=True) as signals, Outbox(settings.outbox_path, checked=True) as outbox:
        presence = Presence(settings.outbox_path)
        archive.create(outbox)
        outbox.configure(Lane(sink.lane, sink.family, settings.outbox_max_bytes) for sink in sinks)
        delivery = Delivery(
            outbox,
            sinks,
            stop=signals.stop,
            delivered=lambda oldest: meters.delivery_seconds.observe(max(0.0, time.time() - oldest.created)),
            backoff_base_seconds=settings.flush_seconds,
            backoff_limit_seconds=settings.retry_max_seconds,
            retries_refused=True,
        )
        pruner = Pruner(outbox, retention_days=settings.retention_days, lanes=[sink.lane for sink in sinks])
        with delivery, History(outbox, self_metrics=self_metrics) as history:
            ready()
            while not signals.stop.is_set():
                delivery.flush()
                history.turn()
                pruner.turn()
                presence.check()
                signals.stop.wait(settings.flush_seconds)
    return ExitCode.OK


class Pruner:
    """Forgets events little by little, and never one that a store does not have yet.

    What waits in lanes that are configured no more waits there as it is: nothing else is kept for it.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        retention_days: int,
        lanes: Collection[str],
        clock: Callable[[], float] = time.monotonic,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._outbox = outbox
        self._retention_days = retention_days
        self._lanes = lanes
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
        old = now - KEPT_COUNTS_DAYS * _DAY_NS
        archive.prune_counts(self._outbox, before_ns=old)
        times = _repeat(partial(own_times.prune, self._outbox, before_ns=old), at_most=TURN_EVENTS)
        waiting = list(self._oldest_waiting())
        forgotten = 0
        for before, after in self._bounds(now):
            forget = partial(archive.prune, self._outbox, before_ns=min([before, *waiting]), after_ns=after)
            forgotten += _repeat(forget, at_most=TURN_EVENTS - forgotten)
        if max(times, forgotten) >= TURN_EVENTS:
            self._due = self._clock()
        if times or forgotten:
            self._outbox.shrink()
        if forgotten:
            logger.info("old events forgotten: events=%d", forgotten)

    def _oldest_waiting(self) -> Iterator[int]:
        """Yield when the first event was accepted that waits for each store."""
        for state in self._outbox.lanes():
            if state.lane in self._lanes and state.oldest is not None:
                yield int(state.oldest * 10**9)

    def _bounds(self, now: int) -> Iterator[tuple[int, int]]:
        """Yield before which time of acceptance events may go, and after which.

        Those of a time when there was no store are nowhere but here: they stay as if there still were none.
        """
        if self._retention_days:
            yield now - self._retention_days * _DAY_NS, 0
        if self._lanes:
            newest = archive.bound_of_newest(self._outbox, KEPT_EVENTS)
            yield max(now - KEPT_SECONDS * 10**9, newest), archive.embedded_until(self._outbox)


def _repeat(forget: Callable[..., int], *, at_most: int) -> int:
    """Forget so many rows, a few at once; return how many there were."""
    forgotten = 0
    while forgotten < at_most:
        rows = forget(rows=_PRUNED_ROWS)
        forgotten += rows
        if rows < _PRUNED_ROWS:
            break
    return forgotten
