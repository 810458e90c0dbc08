"""A command's life: one cycle, or what the clock says until somebody asks it to stop."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from importer.errors import ExitCode, ImporterError
from importer.job import Job
from importer.schedule import ClockSchedule, ticks
from importer.service import Notifier, Signals
from importer.sources.base import Source

logger = logging.getLogger(__name__)

LONGEST_SILENCE_SECONDS = 2 * 3600.0
"""How long a cycle may go without an answer and still count as alive; rate limits are counted by the hour."""


class Plan(Protocol):
    """Which sources a command asks, and when."""

    @property
    def schedule(self) -> ClockSchedule[str]:
        """The names of what is asked, and the times of the clock for each."""

    def once(self) -> Sequence[Source]:
        """Return the sources of one whole cycle."""

    def due(self, names: Sequence[str]) -> Sequence[Source]:
        """Return the sources to ask when these names of the schedule are due."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a command does, by the configuration that was read last."""

    plan: Plan
    job: Job


def run_once(running: Running, *, progress: Callable[[], None]) -> ExitCode:
    """Make one cycle, log what went wrong as one error line, and return the command's exit code.

    `progress` is called with each answer.
    """
    with running.job.delivering():
        report = running.job.run(running.plan.once(), progress=progress)
    if report.message:
        logger.error("%s: %s", running.job.name, report.message)
    return report.exit_code


class Service:
    """Runs what is due until asked to stop; at SIGHUP everything is built anew from the configuration.

    `build` reads the configuration and gives what it makes, to be left when it is no longer used. A configuration
    that has become wrong is told in the log, and the old one goes on.
    """

    def __init__(
        self,
        build: Callable[[], AbstractContextManager[Running]],
        signals: Signals,
        *,
        notifier: Notifier,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._build = build
        self._signals = signals
        self._notifier = notifier
        self._clock = clock
        self._looked_after = clock()
        """Up to when everything that was due has been run."""

    def run(self) -> ExitCode:
        """Serve until asked to stop; raises ConfigError if the first configuration is wrong."""
        stack = ExitStack()
        running = stack.enter_context(self._build())
        self._notifier.ready()
        try:
            while not self._signals.stop.is_set():
                self._serve(running)
                if self._signals.take_reload():
                    running, stack = self._reload(running, stack)
        finally:
            self._notifier.stopping()
            stack.close()
        return ExitCode.OK

    def _serve(self, running: Running) -> None:
        """Run what is due until a signal comes."""
        schedule = running.plan.schedule
        logger.info("schedule started: command=%s entries=%d", running.job.name, len(schedule.entries))
        with running.job.delivering() as delivery:
            delivery.nudge()
            for since, now in ticks(
                schedule.next_after,
                self._signals.wake,
                clock=self._clock,
                heartbeat=self._notifier.beat,
                since=self._looked_after,
            ):
                self._looked_after = now
                with _Heart(self._notifier) as heart:
                    self._cycle(running, schedule.due(since, now), progress=heart.keep_beating)

    def _cycle(self, running: Running, names: Sequence[str], *, progress: Callable[[], None]) -> None:
        try:
            report = running.job.run(running.plan.due(names), progress=progress)
        except Exception:  # a bug in one cycle: the next one may get round it, and the service never ends by itself
            logger.exception("cycle failed: command=%s due=%s", running.job.name, ",".join(names))
            return
        if report.message:
            logger.error("%s: %s", running.job.name, report.message)
        self._notifier.status(f"last cycle: {report.points} points{', ' if report.message else ''}{report.message}")

    def _reload(self, running: Running, stack: ExitStack) -> tuple[Running, ExitStack]:
        self._notifier.reloading()
        renewed = ExitStack()
        try:
            new = renewed.enter_context(self._build())
        except ImporterError as error:
            logger.error("configuration not read again, the old one is kept: %s", error)
            return running, stack
        else:
            logger.info("configuration read again: command=%s", running.job.name)
            stack.close()
            return new, renewed
        finally:
            self._notifier.ready()


class _Heart:
    """Tells systemd, during a cycle, that we are alive: for as long as answers come, and some time without any.

    A vendor may ask for a long pause, in which nothing comes; a cycle that hangs for longer than that is not alive.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._beats_until = 0.0
        self.keep_beating()

    def __enter__(self) -> Self:
        if self._notifier.watchdog_interval_seconds is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    def keep_beating(self) -> None:
        """Beat for another LONGEST_SILENCE_SECONDS."""
        self._beats_until = time.monotonic() + LONGEST_SILENCE_SECONDS

    def _beat(self) -> None:
        while time.monotonic() < self._beats_until and not self._done.is_set():
            self._notifier.beat()
            self._done.wait(self._notifier.watchdog_interval_seconds)
