"""metrics-importer metrics: what the commands tell of themselves, for Prometheus."""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.ports import listening_address, port_number
from importer.cli.metrics_importer.projects import (
    OutboxFile,
    Project,
    add_project_option,
    chosen_projects,
    find_state,
)
from importer.errors import ExitCode, ImporterError, OutboxError

if TYPE_CHECKING:
    from importer.cli.command import SubCommands
    from importer.exporter.family import Family
    from importer.self_metrics.figures import Figures

logger = logging.getLogger(__name__)

DEFAULT_ADDRESS = "127.0.0.1"

_DESCRIPTION = """\
Print what the commands tell of themselves, in the text format of Prometheus: runs,
failures, requests, lag, and what waits for each destination. With --port, serve it
at /metrics until SIGTERM. It only reads what the commands keep, at each scrape.

Exit code: 0, or 1 if an outbox cannot be read or the port cannot be had."""
_EXAMPLE = """\
  metrics-importer metrics
  metrics-importer metrics --port 20091

Whoever reaches the port may read it: it names commands and the addresses of destinations, and holds no data."""


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "metrics", help="runs, backlog and lag for Prometheus", description=_DESCRIPTION, example=_EXAMPLE
    )
    add_project_option(parser)
    parser.add_argument("--port", type=port_number, help="serve on this port (0: any that is free)")
    parser.add_argument(
        "--bind",
        type=listening_address,
        default=DEFAULT_ADDRESS,
        metavar="ADDRESS",
        help=f"serve on this address ({DEFAULT_ADDRESS})",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, *, clock: Callable[[], float] = time.time) -> ExitCode:
    """Print the families of all commands, or serve them; raises ImporterError."""
    # Imported on use, like everything heavy: --help does without SQLite.
    from importer.exporter.exposition.text import text
    from importer.self_metrics.families import families_of

    projects = chosen_projects(options.project)
    found = find_state(projects)  # a mistake is told now, not at the first scrape
    for warning in found.warnings:
        print(f"metrics-importer: warning: {warning}", file=sys.stderr)
    if options.port is not None:
        return _serve(options.bind, options.port, projects, clock)
    commands = [_read(outbox) for outbox in found.outboxes]
    sys.stdout.write(text(families_of(commands, now=clock())).decode())
    return ExitCode.OK if all(figures.is_up for figures in commands) else ExitCode.FAILED


def _read(outbox: OutboxFile) -> "Figures":
    """Return what an outbox tells; of one that cannot be read, that."""
    from importer.outbox_view import WATCHER_BUSY_SECONDS, OutboxView
    from importer.self_metrics.figures import Command, Figures, figures_of

    command = Command(outbox.project, outbox.command)
    try:
        with OutboxView.open(outbox.path, busy_seconds=WATCHER_BUSY_SECONDS) as view:
            return figures_of(command, view)
    except OutboxError as error:
        logger.error("%s", error)
        return Figures(command, is_up=False)


def _serve(address: str, port: int, projects: Sequence[Project], clock: Callable[[], float]) -> ExitCode:
    """Serve the page until SIGTERM or SIGINT; raises ImporterError where the port cannot be had."""
    from prometheus_client import CollectorRegistry

    from importer.exporter.exposition.page import Page
    from importer.exporter.exposition.scrape_server import ScrapeServer
    from importer.service import Notifier, Signals

    server, notifier = ScrapeServer(), Notifier()
    page = Page(partial(_scraped, _Watch(projects), clock), registry=CollectorRegistry())
    with Signals() as signals:
        try:
            binding = server.serve(page, address, port)
            shown = f"[{address}]" if ":" in address else address
            print(f"The metrics are at http://{shown}:{binding.port}/metrics", flush=True)
            notifier.ready()
            while not signals.stop.is_set():
                signals.wake.wait(notifier.watchdog_interval_seconds)
                notifier.beat()
                signals.take_reload()  # there is nothing to be read again
        finally:
            notifier.stopping()
            server.close()
    return ExitCode.OK


class _Watch:
    """Finds outboxes, and forgets none: one that is gone from where it was is told as one that cannot be read.

    Without that a disk that is not mounted, or can be written no more, would take the series away, and with them the
    alerts. May be used from several threads.
    """

    def __init__(self, projects: Sequence[Project]) -> None:
        self._projects = projects
        self._seen: Mapping[tuple[str, str], OutboxFile] = {}

    def outboxes(self) -> Sequence[OutboxFile]:
        """Return those that are there by now, and those that were."""
        try:
            found = find_state(self._projects).outboxes
        except ImporterError as error:
            logger.error("%s", error)
            found = []
        self._seen = {**self._seen, **{(outbox.project, outbox.command): outbox for outbox in found}}
        return tuple(self._seen.values())


def _scraped(watch: _Watch, clock: Callable[[], float]) -> "Sequence[Family]":
    """Return the families of a scrape."""
    from importer.self_metrics.families import families_of

    return families_of([_read(outbox) for outbox in watch.outboxes()], now=clock())
