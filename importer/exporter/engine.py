"""All services of a process: each loaded once, shown on its port and polled by its thread, until asked to stop."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from importer.errors import ImporterError
from importer.exporter.base import Outcome, Service
from importer.exporter.config import Configuration
from importer.exporter.exposition.page import Page
from importer.exporter.exposition.ports import Exhibit, Ports
from importer.exporter.exposition.scrape_server import ScrapeServer
from importer.exporter.family import Family
from importer.exporter.poller import Poller
from importer.exporter.push import Push
from importer.exporter.service_settings import ServiceSettings
from importer.exporter.vitals import Vitals, build_info
from importer.service import Notifier, Signals

logger = logging.getLogger(__name__)

LAST_POLL_SECONDS = 2.0
"""How long polls under way may take to end once the process is asked to stop."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A service, and what it is shown by."""

    service: Service
    vitals: Vitals
    page: Page


@dataclass(frozen=True, slots=True)
class _Running:
    """A service at work."""

    settings: ServiceSettings
    loaded: _Loaded
    poller: Poller


class Engine:
    """Runs services until asked to stop; SIGHUP reads the configuration again.

    A configuration that has become wrong is told in the log, and the old one goes on. A service whose definition is
    as it was keeps its instance, and all that this remembers.
    """

    def __init__(
        self,
        read: Callable[[], Configuration],
        load: Callable[[ServiceSettings], Service],
        signals: Signals,
        *,
        push: Push,
        notifier: Notifier,
    ) -> None:
        """`read` and `load` raise ImporterError for what a person has to mend."""
        self._read = read
        self._load = load
        self._signals = signals
        self._push = push
        self._notifier = notifier
        self._ports = Ports(ScrapeServer())
        self._running: dict[str, _Running] = {}

    def run(self, configuration: Configuration) -> None:
        """Serve until asked to stop; raises ImporterError where a service cannot be loaded or a port is taken."""
        try:
            self._take_over(configuration)
            self._notifier.ready()
            self._serve()
        finally:
            self._notifier.stopping()
            self._stop()

    def _serve(self) -> None:
        while not self._signals.stop.is_set():
            self._signals.wake.wait(self._notifier.watchdog_interval_seconds)
            self._notifier.beat()
            if self._signals.take_reload():
                self._reload()

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            self._take_over(self._read())
        except ImporterError as error:
            for line in error.lines:
                logger.error("configuration not read again, the old one goes on: %s", line)
        else:
            logger.info("configuration read again: services=%d", len(self._running))
        finally:
            self._notifier.ready()

    def _take_over(self, configuration: Configuration) -> None:
        """Run by a configuration from now on; raises ImporterError, and all stays as it is."""
        fresh: dict[str, _Loaded] = {}
        with ExitStack() as undo:
            for settings in configuration.services:
                if not self._is_kept(settings):
                    fresh[settings.name] = self._loaded(settings)
                    undo.callback(fresh[settings.name].service.close)
            with self._ports.showing([self._exhibit(settings, fresh) for settings in configuration.services]):
                self._push.replace(configuration.sinks)
            undo.pop_all()
        kept = [settings.name for settings in configuration.services if settings.name not in fresh]
        former = {name: running for name, running in self._running.items() if name not in kept}
        for running in former.values():
            running.poller.stop()
        self._running = {
            settings.name: self._started(settings, fresh[settings.name], former.get(settings.name))
            if settings.name in fresh
            else _continued(self._running[settings.name], settings)
            for settings in configuration.services
        }

    def _is_kept(self, settings: ServiceSettings) -> bool:
        running = self._running.get(settings.name)
        return running is not None and running.settings.definition == settings.definition

    def _loaded(self, settings: ServiceSettings) -> _Loaded:
        vitals = Vitals(settings.name)
        return _Loaded(self._load(settings), vitals, Page(vitals.families, _build_info))

    def _exhibit(self, settings: ServiceSettings, fresh: Mapping[str, _Loaded]) -> Exhibit:
        loaded = fresh.get(settings.name) or self._running[settings.name].loaded
        return Exhibit(settings.place, loaded.page, settings.web)

    def _started(self, settings: ServiceSettings, loaded: _Loaded, former: _Running | None) -> _Running:
        outputs = (partial(_publish, loaded.page), partial(self._push, settings.name, loaded.vitals))
        poller = Poller(loaded.service, loaded.vitals, outputs, interval_seconds=settings.interval_seconds)
        poller.start(after=former.poller if former else None)
        return _Running(settings, loaded, poller)

    def _stop(self) -> None:
        """Let the polls under way end, within a time that is for all of them."""
        pollers = [running.poller for running in self._running.values()]
        for poller in pollers:
            poller.stop()
        deadline = time.monotonic() + LAST_POLL_SECONDS
        for poller in pollers:
            poller.join(max(0.0, deadline - time.monotonic()))
        self._ports.close()


def _continued(running: _Running, settings: ServiceSettings) -> _Running:
    """Return a service that goes on, by what its settings say beside its definition."""
    running.poller.set_interval(settings.interval_seconds)
    return _Running(settings, running.loaded, running.poller)


def _publish(page: Page, families: Sequence[Family], _outcome: Outcome) -> None:
    page.publish(families)


def _build_info() -> list[Family]:
    return [build_info()]
