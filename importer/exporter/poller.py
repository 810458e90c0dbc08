"""The thread of one service: poll, show and push, wait, again and again."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from importer.errors import Stopped
from importer.exporter.base import Fault, FaultKind, Outcome, Service
from importer.exporter.family import Family
from importer.exporter.user_error import told
from importer.exporter.vitals import Vitals

logger = logging.getLogger(__name__)

FAILED_WAIT_SECONDS = 60.0
"""The longest wait after a poll that failed, whatever the interval, unless the vendor asks for more."""
MAX_RETRY_AFTER_SECONDS = 3600.0
FORMER_SECONDS = 30.0
"""How long the last poll of a service that was replaced is waited for: code of users may hang."""


Output = Callable[[Sequence[Family], Outcome], None]
"""Takes the families after a poll that has just ended, and what that came to."""


def wait_seconds(interval_seconds: float, outcome: Outcome) -> float:
    """Return how long to wait after a poll that came to this.

    >>> wait_seconds(300, Outcome())
    300
    """
    if not outcome.faults:
        return interval_seconds
    asked = min(outcome.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
    return max(min(interval_seconds, FAILED_WAIT_SECONDS), asked)


class FaultLog:
    """Tells faults when they begin: one that comes again before a wholly good poll is not told again."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._told: set[tuple[FaultKind, str]] = set()
        self._told_bug = ""

    def tell(self, outcome: Outcome) -> None:
        """Log what is new about a poll."""
        if not outcome.faults and self._told:
            logger.info("%s: all is well again", self._service)
            self._told.clear()
        for fault in outcome.faults:
            if (fault.kind, fault.metric) in self._told:
                logger.debug("%s: %s", self._service, fault.reason)
            else:
                self._told.add((fault.kind, fault.metric))
                logger.error("%s: %s", self._service, fault.reason)

    def tell_bug(self, bug: Exception) -> None:
        """Log a fault of our own, with its traceback the first of several like it."""
        kind = type(bug).__name__
        level = logging.DEBUG if kind == self._told_bug else logging.ERROR
        self._told_bug = kind
        logger.log(level, "%s: a fault of its own: %s", self._service, told(bug), exc_info=level == logging.ERROR)


def poll_once(
    service: Service, vitals: Vitals, log: FaultLog, *, clock: Callable[[], float] = time.monotonic
) -> Outcome:
    """Let a service poll, and count what it came to; raises Stopped.

    Whatever else a service raises is a bug, which must cost neither the process nor the next poll.
    """
    begin = clock()
    try:
        outcome = service.poll()
    except Stopped:
        raise
    except Exception as bug:  # noqa: BLE001 - told, and the next poll comes all the same
        log.tell_bug(bug)
        outcome = Outcome([Fault(FaultKind.CODE, f"a fault of its own: {told(bug)}")])
    vitals.count(outcome, clock() - begin)
    return outcome


class Poller:
    """Polls a service until it is stopped, in a daemon thread: code of users may hang where nobody can wake it.

    The service is closed by that thread, when it has made its last poll.
    """

    def __init__(
        self,
        service: Service,
        vitals: Vitals,
        outputs: Sequence[Output],
        *,
        interval_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._vitals = vitals
        self._outputs = outputs
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._log = FaultLog(service.name)
        self._is_stopped = False
        self._changed = threading.Condition()
        self._former: Poller | None = None
        self._thread = threading.Thread(target=self._run, name=service.name, daemon=True)

    def start(self, *, after: "Poller | None" = None) -> None:
        """Begin with the first poll: no vendor is asked twice at a time, so once the last one of `after` has ended."""
        self._former = after
        self._thread.start()

    def set_interval(self, seconds: float) -> None:
        """Let so much time pass between two polls from now on, the wait under way included."""
        with self._changed:
            self._interval_seconds = seconds
            self._changed.notify()

    def stop(self) -> None:
        """Let the poll under way be the last one; nothing is shown of it."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the last poll to end."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        if self._former is not None:
            self._former.join(FORMER_SECONDS)
            self._former = None
        try:
            while not self._is_stopped:
                outcome = poll_once(self._service, self._vitals, self._log, clock=self._clock)
                self._hand_on(outcome)
                self._wait(outcome)
        except Stopped:
            logger.debug("%s: poll cut short: asked to stop", self._service.name)
        finally:
            self._service.close()

    def _hand_on(self, outcome: Outcome) -> None:
        if self._is_stopped:
            return
        self._log.tell(outcome)
        try:
            families = self._service.families()
            for output in self._outputs:
                output(families, outcome)
        except Exception as bug:  # noqa: BLE001 - told, and the next poll comes all the same
            self._log.tell_bug(bug)

    def _wait(self, outcome: Outcome) -> None:
        begin = self._clock()
        with self._changed:
            while not self._is_stopped:
                remaining = begin + wait_seconds(self._interval_seconds, outcome) - self._clock()
                if remaining <= 0:
                    return
                self._changed.wait(min(remaining, threading.TIMEOUT_MAX))
