"""What was accepted, counted by the minute for charts, and told as runs by `metrics-importer status`."""

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from importer.errors import ExitCode, OutboxError
from importer.events import archive
from importer.http_counts import PROCESS_COUNTS
from importer.outbox import Details, Outbox, Run
from importer.self_metrics.publisher import OFF, SelfMetrics

logger = logging.getLogger(__name__)

RECORD_SECONDS = 60.0
"""What was accepted in so long a time is told as one run."""


class History:
    """Counts until its block is left."""

    def __init__(
        self, outbox: Outbox, *, self_metrics: SelfMetrics = OFF, clock: Callable[[], float] = time.time
    ) -> None:
        self._outbox = outbox
        self._self_metrics = self_metrics
        self._clock = clock
        self._began = clock()
        self._events = 0
        self._is_told = False
        """Whether the log knows that they cannot be counted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._count()
        self._record()

    def turn(self) -> None:
        """Count what is new, and record what came in the last minute."""
        self._count()
        if self._clock() - self._began >= RECORD_SECONDS:
            self._record()

    def _count(self) -> None:
        try:
            self._events += archive.count(self._outbox)
        except OutboxError as error:  # the next turn counts them
            if not self._is_told:
                logger.warning("events not counted: %s", error)
            self._is_told = True
        else:
            self._is_told = False

    def _record(self) -> None:
        now = self._clock()
        if self._events:
            try:
                requests = PROCESS_COUNTS.take()
                details = Details(requests=requests.by_status)
                self._outbox.record_run(Run(self._began, now, ExitCode.OK, self._events, now, "", details))
            except OutboxError as error:
                logger.warning("run not recorded: %s", error)
        self._self_metrics.publish(self._outbox, ())
        self._began, self._events = now, 0
