"""Every search at its period until asked to stop, by the configuration as it is now."""

import contextlib
import logging
import math
import time
from collections.abc import Callable
from functools import partial

from importer.delivery import Delivery
from importer.errors import ConfigError, OutboxError, Stopped
from importer.lane import configure
from importer.leexport.config import Configuration, ConfigurationReader, Search
from importer.leexport.outlet import PluginOutlet
from importer.leexport.run import SearchRunner, sinks_of
from importer.outbox import Outbox
from importer.parallel import make_pool
from importer.periodic import Periodic, Task
from importer.self_metrics.publisher import OFF, SelfMetrics
from importer.service import Notifier, Signals
from importer.sinks.base import Sink
from importer.sources.logentries.api import LogSearch
from importer.sources.logentries.config import Account
from importer.tally import Tally, record

logger = logging.getLogger(__name__)

BACKOFF_LIMIT_SECONDS = 30.0
"""Kept payloads are tried that often at the least."""
FILE_CHECK_SECONDS = 5.0
"""How often the configuration file, and searches.d, are looked at."""
RECORD_SECONDS = 60.0
"""The runs of so long a time are told as one by `metrics-importer status`."""


class Engine:
    """Runs searches until asked to stop; reads the configuration again at SIGHUP and when a file of it has changed.

    A configuration that has become wrong is told in the log, and the old one goes on.
    """

    def __init__(
        self,
        reader: ConfigurationReader,
        configuration: Configuration,
        outbox: Outbox,
        signals: Signals,
        *,
        notifier: Notifier,
        self_metrics: SelfMetrics = OFF,
        clock: Callable[[], float] = time.monotonic,
        open_source: Callable[..., LogSearch] = LogSearch,
    ) -> None:
        self._reader = reader
        self._outbox = outbox
        self._signals = signals
        self._notifier = notifier
        self._self_metrics = self_metrics
        self._clock = clock
        self._configuration = configuration
        self._seen = reader.stamps()
        self._tally = Tally()
        self._recorded_at = clock()
        self._open_source = partial(open_source, stop=signals.stop)
        source = self._open_source(configuration.account)
        self._runner = SearchRunner(source, outbox, self._tally, is_wanted=self._is_current)

    def run(self) -> None:
        """Serve until asked to stop. Raises OutboxError if the outbox cannot be used to begin with."""
        try:
            self._serve()
        finally:
            self._runner.source.close()

    def _serve(self) -> None:
        sinks = sinks_of(self._configuration.searches)
        configure(self._outbox, sinks)
        if self._outbox.damage:
            logger.error("%s: %s", self._outbox.path, self._outbox.damage)
        stop = self._signals.stop
        with (
            Delivery(self._outbox, sinks, stop=stop, backoff_limit_seconds=BACKOFF_LIMIT_SECONDS) as delivery,
            make_pool(None, "search", stop=stop) as pool,
        ):
            periodic = Periodic(pool, wake=self._signals.wake.set)
            self._start(periodic, delivery)
            self._notifier.ready()
            try:
                while not stop.is_set():
                    self._turn(periodic, delivery)
            finally:
                self._notifier.stopping()
        self._record(None)

    def _turn(self, periodic: Periodic, delivery: Delivery) -> None:
        """Start what is due, and wait for what comes next: a start, a signal, a look at the file."""
        beat_seconds = self._notifier.watchdog_interval_seconds or math.inf
        self._signals.wake.wait(min(periodic.start_due(), FILE_CHECK_SECONDS, beat_seconds))
        self._notifier.beat()
        if self._signals.take_reload() or self._reader.stamps() != self._seen:
            self._reload(periodic, delivery)
        if self._clock() - self._recorded_at >= RECORD_SECONDS:
            self._record(delivery)

    def _start(self, periodic: Periodic, delivery: Delivery) -> None:
        """Let the searches of the configuration run from now on, and lanes be tried at once."""
        for problem in self._configuration.problems:
            logger.error("search left out: %s", problem)
        tasks = [
            Task(search.name, search.period_seconds, search, partial(self._run, search, delivery))
            for search in self._configuration.searches
        ]
        periodic.replace(tasks)
        delivery.nudge(self._waiting_lanes())

    def _waiting_lanes(self) -> list[str]:
        """Return the lanes in which something waits: to look into hundreds at once would take a thread for each."""
        try:
            return [state.lane for state in self._outbox.lanes() if state.payloads]
        except OutboxError as error:  # each lane is looked into after the next run of its search
            logger.warning("what waits is not known: %s", error)
            return []

    def _run(self, search: Search, delivery: Delivery) -> None:
        """Run a search once, and let its lane have what is kept, also where nothing came."""
        with contextlib.suppress(Stopped):  # what was under way is asked again after the next start
            self._runner.run(search)
        if not isinstance(search.outlet, PluginOutlet):
            delivery.nudge([search.outlet.sink.lane])

    def _is_current(self, search: Search) -> bool:
        return any(search is current for current in self._configuration.searches)

    def _reload(self, periodic: Periodic, delivery: Delivery) -> None:
        self._notifier.reloading()
        former = self._configuration
        self._seen = self._reader.stamps()  # before reading: what is written meanwhile is noticed next time
        try:
            configuration = self._reader.read()
            sinks = self._take_over(configuration)
        except ConfigError as error:
            for problem in error.problems:
                logger.error("configuration not read again, the old one goes on: %s", problem)
        except OutboxError as error:
            logger.error("configuration not read again, the old one goes on: %s", error)
        else:
            if configuration.account != former.account:
                self._ask(configuration.account)
            delivery.replace(sinks)
            self._start(periodic, delivery)
            logger.info("configuration read again: searches=%d", len(configuration.searches))
        finally:
            self._notifier.ready()

    def _take_over(self, configuration: Configuration) -> list[Sink]:
        """Go by a configuration from now on, and return its sinks; raises OutboxError, and the old one goes on.

        Its searches alone are wanted before the outbox is told: a run that ends later must not bring back a lane that
        is gone.
        """
        sinks = sinks_of(configuration.searches)
        former, self._configuration = self._configuration, configuration
        try:
            configure(self._outbox, sinks)
        except OutboxError:
            self._configuration = former
            raise
        return sinks

    def _ask(self, account: Account) -> None:
        """Let the runs that begin from now on ask an account; one under way goes on with the connection it uses."""
        former, self._runner.source = self._runner.source, self._open_source(account)
        former.close()

    def _record(self, delivery: Delivery | None) -> None:
        """Remember what the runs of the last minute came to, for those who ask for the status, and publish it."""
        self._recorded_at = self._clock()
        run = record(self._outbox, self._tally)
        if run is not None:
            lanes = self._self_metrics.publish(self._outbox, sinks_of(self._configuration.searches))
            if delivery is not None:
                delivery.nudge(lanes)
            self._notifier.status(f"last minute: {run.points} values{', ' if run.message else ''}{run.message}")
