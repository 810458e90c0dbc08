"""Collections for one data set: what an entrypoint makes is kept in the outbox, and delivered before the run ends."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from importer.collector.outlet import outlet_in_force
from importer.collector.platform import Platform
from importer.collector.run_outlet import Committing, RunOutlet, configure
from importer.delivery import Delivery
from importer.errors import ExitCode, ImporterError, SinkRefused, one_line
from importer.http_counts import PROCESS_COUNTS
from importer.lane import LaneReport
from importer.outbox import Details, Outbox, Run
from importer.self_metrics.publisher import OFF, SelfMetrics

_REJECTS_SHOWN = "see 'metrics-importer outbox list'"


class CollectionFailed(ImporterError):
    """A collection did not come to its end, or not everything of it was accepted; a line for each reason."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(map(one_line, reasons))
        super().__init__("; ".join(self.reasons))

    @property
    def lines(self) -> tuple[str, ...]:
        """The reasons, a line each."""
        return self.reasons


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one collection came to."""

    records: int = 0
    """How many were kept."""
    undelivered: tuple[str, ...] = ()
    """Why something waits in the outbox, a line for each destination."""
    set_aside: tuple[str, ...] = ()
    """Why something will never be taken, a line for each destination; what came after it went on."""

    @property
    def failures(self) -> tuple[str, ...]:
        """Why not everything was accepted, a line each."""
        return self.undelivered + self.set_aside


class Collections:
    """Collects into one data set, with one connection to each destination for as long as the `with` block lasts."""

    def __init__(self, platform: Platform, outbox: Outbox, *, self_metrics: SelfMetrics = OFF) -> None:
        self._platform = platform
        self._outbox = outbox
        self._self_metrics = self_metrics
        self._damage = (f"{outbox.path}: {outbox.damage}",) if outbox.damage else ()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        configure(self._outbox, self._platform.sinks)
        self._delivery = self._stack.enter_context(
            Delivery(self._outbox, self._platform.sinks, stop=threading.Event(), tries_again=False)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def deliver_kept(self) -> Outcome:
        """Deliver what earlier runs have kept for the same destinations."""
        return _outcome(self._deliver_kept())

    def collect(self, entrypoint: Callable[[], None], committing: Committing | None = None) -> Outcome:
        """Deliver what was kept, call an entrypoint, keep what it writes with what `committing` does, and deliver it.

        Raises what the entrypoint raises: what it had written until then is kept and delivered all the same, but
        `committing` is not called.
        """
        started = time.time()
        outlet = RunOutlet(self._outbox, self._platform.data_set, self._platform.stores)
        earlier = self._deliver_kept()
        try:
            self._keep(entrypoint, outlet, committing)
        except BaseException as error:
            self._record(started, outlet.records, str(error))
            raise
        refused = [report for report in earlier if isinstance(report.error, SinkRefused)]
        lanes = {sink.lane for sink in self._platform.sinks} - {report.lane for report in refused}
        later = _outcome([*refused, *self._delivery.deliver_now(lanes)])
        damage, self._damage = self._damage, ()
        set_aside = _outcome([report for report in earlier if report not in refused]).set_aside
        outcome = Outcome(outlet.records, later.undelivered, (*damage, *set_aside, *later.set_aside))
        published = self._record(started, outlet.records, *outcome.failures)
        self._delivery.deliver_now(published)  # what is published is of this run, which does not fail for it
        return outcome

    def _deliver_kept(self) -> list[LaneReport]:
        waiting = {state.lane for state in self._outbox.lanes() if state.payloads}
        return self._delivery.deliver_now([sink.lane for sink in self._platform.sinks if sink.lane in waiting])

    def _keep(self, entrypoint: Callable[[], None], outlet: RunOutlet, committing: Committing | None) -> None:
        try:
            with outlet_in_force(outlet):
                entrypoint()
        except Exception:  # and not a signal: there is no time for more
            outlet.commit()
            self._delivery.deliver_now()
            raise
        outlet.commit(committing)

    def _record(self, started: float, points: int, *failures: str) -> list[str]:
        """Remember what a collection came to, and return the lanes in which points wait that tell of it."""
        code = ExitCode.FAILED if failures else ExitCode.OK
        requests = PROCESS_COUNTS.take()
        details = Details(
            requests=requests.by_status, rate_limit_remaining=requests.rate_limit_remaining, failures=failures
        )
        run = Run(started, time.time(), code, points, None, next(iter(failures), ""), details)
        with contextlib.suppress(ImporterError):  # for the status alone: what counts is in the outbox or has been told
            self._outbox.record_run(run)
        return self._self_metrics.publish(self._outbox, self._platform.stores)


def _outcome(reports: Sequence[LaneReport]) -> Outcome:
    return Outcome(
        undelivered=tuple(f"not delivered, kept: {report.error}" for report in reports if report.error is not None),
        set_aside=tuple(
            f"{report.lane}: {report.rejected} requests set aside: {report.rejection}; {_REJECTS_SHOWN}"
            for report in reports
            if report.rejected
        ),
    )
