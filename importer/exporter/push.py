"""The same figures for stores that nobody scrapes: from the families of a poll to points in the outbox."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from importer.delivery import Delivery
from importer.errors import OutboxError
from importer.exporter.base import Outcome
from importer.exporter.family import Family, Labels
from importer.exporter.vitals import Vitals
from importer.lane import LaneReport, configure
from importer.outbox import Outbox
from importer.points import Point
from importer.self_metrics.publisher import OFF, SelfMetrics
from importer.sinks.base import PointSink
from importer.tally import Tally, record

logger = logging.getLogger(__name__)

SERVICE_LABEL = "service"
RECORD_SECONDS = 60.0
"""The polls of so long a time are told as one by `metrics-importer status`."""
BACKOFF_LIMIT_SECONDS = 30.0
"""Kept figures are tried that often at the least."""


def points_of(families: Iterable[Family], service: str, timestamp: float) -> Iterator[Point]:
    """Yield a point for each sample, named as it is shown, with the service's name among its labels.

    `_created` samples and values that are not finite are left out: no store has a use for them.

    >>> from importer.exporter.family import Sample, Series
    >>> stock = Family("stock", "gauge", "", [Sample(Series("stock", (("team", "a"),)), 31.0)])
    >>> list(points_of([stock], "shop", 60))
    [Point(path=('stock',), value=31.0, timestamp=60, labels=(('service', 'shop'), ('team', 'a')))]
    """
    for family in families:
        for series, value in family.samples:
            if math.isfinite(value) and series.name != f"{family.name}_created":
                yield Point((series.name,), value, timestamp, _labels(series.labels, service))


def _labels(labels: Labels, service: str) -> Labels:
    return tuple(sorted({SERVICE_LABEL: service, **dict(labels)}.items()))


class Push:
    """Keeps the figures of polls in an outbox, and lets its lanes have them; called from several threads.

    The outbox is made when there is a destination for the first time: without one, cton keeps nothing on disk.
    """

    def __init__(
        self,
        open_outbox: Callable[[], Outbox],
        *,
        stop: threading.Event,
        self_metrics: Callable[[], SelfMetrics] = lambda: OFF,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`open_outbox` and `self_metrics` are called when they are needed, and may raise ImporterError."""
        self._open_outbox = open_outbox
        self._stop = stop
        self._make_self_metrics = self_metrics
        self._self_metrics = OFF
        self._clock = clock
        self._lock = threading.Lock()
        self._exits = ExitStack()
        self._outbox: Outbox | None = None
        self._delivery: Delivery | None = None
        self._sinks: Sequence[PointSink] = ()
        self._tally = Tally(clock=clock)
        self._recorded_at = clock()
        self._failing: set[str] = set()
        """The lanes of which the log has said that nothing can be kept for them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._record()
            self._sinks = ()  # a poll that ends later finds nobody to push to
            self._exits.close()

    def replace(self, sinks: Sequence[PointSink]) -> None:
        """Push to these from now on. Raises OutboxError, and all stays as it is."""
        with self._lock:
            if sinks and self._outbox is None:
                self._outbox = self._exits.enter_context(self._open_outbox())
                self._self_metrics = self._make_self_metrics()
                if self._outbox.damage:
                    logger.error("%s: %s", self._outbox.path, self._outbox.damage)
            if self._outbox is None:
                return
            configure(self._outbox, sinks)
            self._deliver_to(self._outbox, sinks)
            self._sinks = sinks

    def __call__(self, service: str, vitals: Vitals, families: Sequence[Family], outcome: Outcome) -> None:
        """Keep the figures of a poll, and those about it. What cannot be kept is told in the log."""
        if not self._sinks:  # at a glance: mostly there are none
            return
        points = list(points_of([*families, *vitals.families()], service, int(self._clock())))
        with self._lock:
            if self._outbox is None or self._delivery is None:
                return
            for sink in self._sinks:
                self._keep(self._outbox, sink, points)
            self._delivery.flush()
            failure = f"{service}: {outcome.faults[0].reason}" if outcome.faults else ""
            self._tally.add(points=len(points), seconds=vitals.duration_seconds, failure=failure)
            if self._clock() - self._recorded_at >= RECORD_SECONDS:
                self._record()

    def deliver_now(self) -> list[LaneReport]:
        """Deliver what is kept, and return what came of it."""
        with self._lock:
            self._record()  # before the last delivery: what it publishes is to go with it
        return [] if self._delivery is None else self._delivery.deliver_now()

    def _record(self) -> None:
        """Remember what the polls of the last minute came to, for those who ask for the status, and publish it."""
        self._recorded_at = self._clock()
        if self._outbox is None or record(self._outbox, self._tally) is None:
            return
        self._self_metrics.publish(self._outbox, self._sinks)
        if self._delivery is not None:
            self._delivery.flush()

    def _deliver_to(self, outbox: Outbox, sinks: Sequence[PointSink]) -> None:
        if self._delivery is None:
            delivery = Delivery(outbox, sinks, stop=self._stop, backoff_limit_seconds=BACKOFF_LIMIT_SECONDS)
            self._delivery = self._exits.enter_context(delivery)
        else:
            self._delivery.replace(sinks)
        self._delivery.nudge()

    def _keep(self, outbox: Outbox, sink: PointSink, points: Sequence[Point]) -> None:
        """Keep points for one destination: that one is full costs the others nothing."""
        try:
            with outbox.transaction() as transaction:
                transaction.add(sink.lane, sink.encode(points))
        except OutboxError as error:
            level = logging.DEBUG if sink.lane in self._failing else logging.ERROR
            self._failing.add(sink.lane)
            logger.log(level, "not pushed: %s", error)
        else:
            self._failing.discard(sink.lane)
