"""Runs that are too many to be told one by one: what those of a while came to, for `metrics-importer status`."""

import logging
import threading
import time
from collections.abc import Callable

from importer.errors import ExitCode, OutboxError
from importer.http_counts import PROCESS_COUNTS, RequestCounts
from importer.outbox import Details, Outbox, Run

logger = logging.getLogger(__name__)


class Tally:
    """What the runs came to that are told together; may be used from several threads."""

    def __init__(self, *, counts: RequestCounts = PROCESS_COUNTS, clock: Callable[[], float] = time.time) -> None:
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._runs = 0
        self._points = 0
        self._seconds = 0.0
        self._failures: list[str] = []

    def add(self, *, points: int = 0, seconds: float = 0.0, failure: str = "") -> None:
        """Count a run, with how long it took, and how many values it kept or why it failed."""
        with self._lock:
            self._runs += 1
            self._points += points
            self._seconds += seconds
            if failure:
                self._failures.append(failure)

    def take(self) -> Run | None:
        """Return the runs since the last call as one, None if there were none."""
        with self._lock:
            if not self._runs:
                self._started = self._clock()
                return None
            runs, points, seconds, failures = self._runs, self._points, self._seconds, self._failures
            started, self._started = self._started, self._clock()
            self._runs, self._points, self._seconds, self._failures = 0, 0, 0.0, []
        requests = self._counts.take()
        details = Details(runs, len(failures), seconds, requests.by_status, requests.rate_limit_remaining, failures)
        others = f" (and {len(failures) - 1} more, see the log)" if len(failures) > 1 else ""
        message = f"{failures[0]}{others}" if failures else ""
        code = ExitCode.FAILED if failures else ExitCode.OK
        return Run(started, self._clock(), code, points, None, message, details)


def record(outbox: Outbox, tally: Tally) -> Run | None:
    """Add the runs since the last call to the history, for `metrics-importer status`, and return them as one."""
    run = tally.take()
    if run is not None:
        try:
            outbox.record_run(run)
        except OutboxError as error:
            logger.warning("runs not recorded: %s", error)
    return run
