"""Each service polled once, and what it is then shown by, for `cton --once`."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TextIO

from importer.errors import ExitCode
from importer.exporter.base import Service
from importer.exporter.config import Configuration
from importer.exporter.exposition.merged import merged
from importer.exporter.exposition.text import text
from importer.exporter.family import Family
from importer.exporter.poller import FaultLog, poll_once
from importer.exporter.push import Push
from importer.exporter.service_settings import ServiceSettings
from importer.exporter.vitals import Vitals, build_info
from importer.parallel import make_pool, map_ordered

logger = logging.getLogger(__name__)

AT_ONCE = 16
"""Services that may be polled at the same time."""


def print_once(
    configuration: Configuration,
    load: Callable[[ServiceSettings], Service],
    push: Push,
    *,
    stop: threading.Event,
    out: TextIO,
) -> ExitCode:
    """Print the figures of one poll of each service as one exposition, and return whether all went well.

    They are pushed, too, where there are destinations. Raises ImporterError where a service cannot be loaded.
    """
    shown: list[tuple[str, Sequence[Family]]] = []
    with ExitStack() as exits:
        services = [exits.enter_context(_Once(load(settings), push)) for settings in configuration.services]
        push.replace(configuration.sinks)
        with make_pool(AT_ONCE, "poll", stop=stop) as pool:
            outcomes = map_ordered(pool, _Once.poll, services, window=AT_ONCE, stop=stop)
            shown.extend((outcome.item.name, outcome.result()) for outcome in outcomes)
        is_good = all(service.is_good for service in services)
    out.write(text([*merged(shown), build_info()]).decode())
    out.flush()
    failures = [report for report in push.deliver_now() if report.failed]
    for report in failures:
        logger.error("not delivered: %s", report.error or report.rejection)
    return ExitCode.OK if is_good and not failures else ExitCode.FAILED


class _Once:
    """A service for one poll."""

    def __init__(self, service: Service, push: Push) -> None:
        self.name = service.name
        self.is_good = False
        self._service = service
        self._push = push

    def __enter__(self) -> "_Once":
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()

    def poll(self) -> Sequence[Family]:
        """Return what there is to show after a poll; raises Stopped."""
        vitals = Vitals(self.name)
        log = FaultLog(self.name)
        outcome = poll_once(self._service, vitals, log)
        log.tell(outcome)
        self.is_good = not outcome.faults
        families = self._service.families()
        self._push(self.name, vitals, families, outcome)
        return [*families, *vitals.families()]
