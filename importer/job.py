"""The main path: what sources yield goes into the outbox, and from there to every destination.

A run delivers what earlier runs kept, asks the sources, commits points and cursors together, delivers, and ends
with one line about what went wrong.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from importer.delivery import Delivery
from importer.errors import ExitCode, ImporterError, OutboxError, SourceError, Stopped
from importer.http_counts import PROCESS_COUNTS, RequestCounts
from importer.lane import LaneReport
from importer.outbox import Details, Lane, Outbox, Run, Transaction
from importer.points import Batch, Point
from importer.self_metrics.publisher import OFF, SelfMetrics
from importer.sinks.base import PointSink
from importer.sources.base import Missing, Source

logger = logging.getLogger(__name__)

COMMIT_POINTS = 20_000
"""Points of one group are committed whenever so many have gathered, to bound memory."""
KEPT_FIRST_SECONDS = 60.0
"""How long a run waits for kept payloads to be delivered before it asks the vendor: its data will not wait."""


def _nothing() -> None:
    """Take no notice of progress."""


@dataclass
class Report:
    """What a run came to."""

    started: float
    points: int = 0
    newest: float | None = None
    """The newest point's time, in seconds since 1970 UTC."""
    newest_by_source: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """What was not obtained, not kept or not accepted, a line each."""

    def miss(self, missing: Missing) -> None:
        """Count something as not obtained, and log it."""
        logger.warning("not obtained: %s: %s", missing.what, missing.error)
        self.failures.append(f"not obtained: {missing.what}: {missing.error}")

    def note_newest(self, source: str, newest: float) -> None:
        """Take notice of the time of a source's point."""
        self.newest = newest if self.newest is None else max(self.newest, newest)
        self.newest_by_source[source] = max(newest, self.newest_by_source.get(source, newest))

    @property
    def exit_code(self) -> ExitCode:
        """The number that a command ends with after this run."""
        return ExitCode.FAILED if self.failures else ExitCode.OK

    @property
    def message(self) -> str:
        """The first failure and how many more there are, in one line; empty if there are none."""
        if len(self.failures) < 2:
            return "".join(self.failures)
        return f"{self.failures[0]} (and {len(self.failures) - 1} more, see the log)"


class Job:
    """What a command runs: sources into one outbox, to all destinations."""

    def __init__(
        self,
        name: str,
        *,
        outbox: Outbox,
        sinks: Sequence[PointSink],
        stop: threading.Event,
        self_metrics: SelfMetrics = OFF,
        counts: RequestCounts = PROCESS_COUNTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make the sinks' lanes known to the outbox; raises OutboxError.

        A run is recorded with its `counts`, and then told by `self_metrics`.
        """
        self.name = name
        self._outbox = outbox
        self._sinks = sinks
        self._stop = stop
        self._self_metrics = self_metrics
        self._counts = counts
        self._clock = clock
        self._delivery: Delivery | None = None
        outbox.configure(Lane(sink.lane, sink.family, sink.outbox_max_bytes) for sink in sinks)

    def delivering(self) -> Delivery:
        """Return the deliveries of this job, to be entered for as long as runs are made."""
        self._delivery = Delivery(self._outbox, self._sinks, stop=self._stop)
        return self._delivery

    def run(self, sources: Iterable[Source], *, progress: Callable[[], None] = _nothing) -> Report:
        """Make one run, and return what it came to; raises nothing that a vendor, a store or a disk can cause.

        `progress` is called with each answer.
        """
        report = Report(self._clock())
        self._report_damage(report)
        self._deliver(report, timeout_seconds=KEPT_FIRST_SECONDS)
        try:
            for source in sources:
                if report.points and self._delivery is not None:
                    self._delivery.nudge()  # this source may take long, or wait before it asks
                if not self._stop.is_set():
                    self._import(source, report, progress)
        except Stopped:
            logger.info("run cut short: asked to stop; what was obtained is kept")
        except (SourceError, OutboxError) as error:
            logger.warning("run ended early: %s", error)
            report.failures.insert(0, str(error))
        self._deliver(report)
        self._record(report)
        self._tell()
        return report

    def _report_damage(self, report: Report) -> None:
        if self._outbox.damage:
            report.failures.append(f"{self._outbox.path}: {self._outbox.damage}")
            self._outbox.damage = ""  # told once, whatever is built anew on this outbox

    def _import(self, source: Source, report: Report, progress: Callable[[], None]) -> None:
        before = report.points
        for batches in self._committable(source, report, progress):
            newest = self._commit(batches, report)
            if newest is not None:
                report.note_newest(source.name, newest)
        logger.info("source done: source=%s points=%d", source.name, report.points - before)

    def _committable(self, source: Source, report: Report, progress: Callable[[], None]) -> Iterator[list[Batch]]:
        """Yield the batches that share a transaction: those of a group, or COMMIT_POINTS of a large one."""
        pending: list[Batch] = []
        points = 0
        try:
            for outcome in source.collect(self._outbox.cursors()):
                progress()
                if isinstance(outcome, Missing):
                    report.miss(outcome)
                    continue
                if pending and (outcome.group != pending[0].group or points >= COMMIT_POINTS):
                    yield pending
                    pending, points = [], 0
                pending.append(outcome)
                points += len(outcome.points)
        except ImporterError:
            if pending:
                yield pending
            raise
        if pending:
            yield pending

    def _commit(self, batches: Sequence[Batch], report: Report) -> float | None:
        """Keep the points of these batches that no other run has kept meanwhile, and move their cursors.

        Returns the newest point's time, None if there is no point.
        """
        with self._outbox.transaction() as transaction:
            points = list(_unseen_points(batches, transaction))
            for sink in self._sinks:
                transaction.add(sink.lane, sink.encode(points))
        report.points += len(points)
        return max((point.timestamp for point in points), default=None)

    def _deliver(self, report: Report, *, timeout_seconds: float = math.inf) -> None:
        if self._delivery is None:
            return
        lanes = self._delivery.deliver_now(timeout_seconds=timeout_seconds)
        failures = [_describe(lane) for lane in lanes if lane.failed]
        report.failures.extend(failure for failure in failures if failure not in report.failures)

    def _record(self, report: Report) -> None:
        requests = self._counts.take()
        details = Details(
            requests=requests.by_status,
            rate_limit_remaining=requests.rate_limit_remaining,
            failures=report.failures,
            newest=report.newest_by_source,
        )
        now = self._clock()
        run = Run(report.started, now, report.exit_code, report.points, report.newest, report.message, details)
        try:
            self._outbox.record_run(run)
        except OutboxError as error:
            logger.warning("run not recorded: %s", error)
            report.failures.append(str(error))

    def _tell(self) -> None:
        """Publish what the outbox tells of this run and those before it; the run does not fail for it."""
        lanes = self._self_metrics.publish(self._outbox, self._sinks)
        if self._delivery is not None and lanes:
            self._delivery.deliver_now(lanes)


def _unseen_points(batches: Sequence[Batch], transaction: Transaction) -> Iterator[Point]:
    """Yield the points beyond their batch's cursor as it stands now, then move the cursors there."""
    stood: dict[str, int | None] = {}
    moved: dict[str, int] = {}
    for batch in batches:
        if not batch.cursor:
            yield from batch.points
            continue
        if batch.cursor not in stood:
            stood[batch.cursor] = transaction.cursor(batch.cursor)
        position = stood[batch.cursor]
        if batch.again or position is None or batch.position > position:
            yield from batch.points
        if position is None or batch.position > position:
            moved[batch.cursor] = max(batch.position, moved.get(batch.cursor, batch.position))
    for cursor, position in moved.items():
        transaction.move_cursor(cursor, position)


def preview(sources: Iterable[Source], sinks: Sequence[PointSink], cursors: Mapping[str, int], *, out: TextIO) -> str:
    """Write what a run would send to `out`, and return what could not be obtained, in one line.

    With several destinations each has a line with its name before what goes there.
    """
    report = Report(0.0)
    points: list[Point] = []
    try:
        for source in sources:
            for outcome in source.collect(cursors):
                if isinstance(outcome, Missing):
                    report.miss(outcome)
                else:
                    points.extend(outcome.points)
    except SourceError as error:
        report.failures.insert(0, str(error))
    for sink in sinks:
        if len(sinks) > 1:
            print(f"# {sink.lane}", file=out)
        for line in sink.preview(points):
            print(line, file=out)
    return report.message


def _describe(lane: LaneReport) -> str:
    if lane.error is not None:
        return f"not delivered, kept: {lane.error}"
    return f"{lane.lane}: {lane.rejected} payloads set aside: {lane.rejection}; see 'metrics-importer outbox list'"
