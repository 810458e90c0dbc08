"""What the four Apteligent commands do, once their command line is understood."""

import argparse
import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from importer import logs
from importer.cli.apteligent.plans import DailyPlan, GroupedPlan, LivePlan, ServicePlan
from importer.cli.progress import Progress
from importer.destinations import load_all_destinations
from importer.errors import ExitCode
from importer.group_map import load_group_map
from importer.http_client import HttpClient, RetryPolicy
from importer.job import Job, preview
from importer.loop import Plan, Running, Service, run_once
from importer.outbox import Outbox
from importer.outbox_view import OutboxView
from importer.parallel import make_pool
from importer.paths import Directories, find_directories
from importer.rate_limit import RateLimit
from importer.self_metrics.figures import Command
from importer.self_metrics.publisher import SelfMetrics
from importer.service import Notifier, Signals
from importer.sinks.base import PointSink
from importer.sources.apteligent import config
from importer.sources.apteligent.api import ApteligentApi, rate_limit_reset
from importer.sources.apteligent.asking import Account
from importer.sources.apteligent.daily import Days
from importer.stores import Blacklist, Whitelist

logger = logging.getLogger(__name__)

ONCE_MAX_WAIT_SECONDS = 60.0
"""How long one cycle waits where the vendor's rate limit is reached."""
SERVICE_MAX_WAIT_SECONDS = 24 * 3600.0
"""The same for a service, which has the time; beyond it the vendor's number is hardly meant."""


def run(
    name: str,
    options: argparse.Namespace,
    *,
    days: tuple[date, date] | None,
    make: "type[ApteligentCommand] | None" = None,
) -> ExitCode:
    """Run the command of this name as its options say; raises ImporterError. `make` is its class, if another one.

    `days` are the first and last day to import again, the last one `date.max` for whichever is over.
    """
    directories = find_directories(options.project)
    logs.setup(name, directory=directories.log, quiet=options.quiet)
    for warning in directories.warnings:
        logger.warning("%s", warning)
        print(f"{name}: warning: {warning}", file=sys.stderr)
    is_once = options.once or options.dry_run or days is not None
    with Signals() as signals:
        command = (make or ApteligentCommand)(
            name, options, directories, signals.stop, is_once=is_once, days=Days(*days) if days else None
        )
        if options.dry_run:
            return command.dry_run()
        with Outbox(directories.state / f"{name}.outbox") as outbox:
            if is_once:
                with command.running(outbox) as running, Progress(name) as progress:
                    return run_once(running, progress=progress)
            notifier = Notifier()
            return Service(lambda: command.running(outbox), signals, notifier=notifier).run()


class Built(NamedTuple):
    """What the configuration files make of a command."""

    plan: Plan
    sinks: list[PointSink]
    metric_root: str


class ApteligentCommand:
    """What a command line and the configuration files make of one of the four commands."""

    def __init__(
        self,
        name: str,
        options: argparse.Namespace,
        directories: Directories,
        stop: threading.Event,
        *,
        is_once: bool,
        days: Days | None,
    ) -> None:
        self._name = name
        self._options = options
        self._directories = directories
        self._stop = stop
        self._is_once = is_once
        self._days = days

    @contextlib.contextmanager
    def running(self, outbox: Outbox) -> Iterator[Running]:
        """Read the configuration, and give the plan and job that it makes; raises ConfigError."""
        with self._built(outbox.cursors) as built:
            command = Command(self._options.project, self._name)
            told = SelfMetrics(command, self._directories.config, metric_root=built.metric_root)
            job = Job(self._name, outbox=outbox, sinks=built.sinks, stop=self._stop, self_metrics=told)
            yield Running(built.plan, job)

    def dry_run(self) -> ExitCode:
        """Print what one cycle would send, and return what the cycle would have ended with."""
        path = self._directories.state / f"{self._name}.outbox"
        cursors: dict[str, int] = {}
        if path.exists():
            with OutboxView.open(path) as view:
                cursors = view.cursors()
        with self._built(lambda: cursors) as built:
            failures = preview(built.plan.once(), built.sinks, cursors, out=sys.stdout)
        if failures:
            logger.error("%s: %s", self._name, failures)
        return ExitCode.FAILED if failures else ExitCode.OK

    @contextlib.contextmanager
    def _built(self, cursors: Callable[[], Mapping[str, int]]) -> Iterator[Built]:
        """Read the files that this command needs, and give what they make for as long as the block lasts."""
        folder = self._directories.config
        account = config.load_account(folder / "apteligent.json")
        sinks = load_all_destinations(folder, state=self._directories.state)
        blacklist = Blacklist(folder / "app.blacklist")
        client = HttpClient(
            account.url,
            proxies=account.proxies,
            retries=RetryPolicy(max_wait_seconds=ONCE_MAX_WAIT_SECONDS if self._is_once else SERVICE_MAX_WAIT_SECONDS),
            retry_after=rate_limit_reset,
            rate_limit=RateLimit(),
            stop=self._stop,
        )
        with make_pool(self._options.threads, self._name, stop=self._stop) as pool, contextlib.closing(client):
            asked = Account(
                api=ApteligentApi(account, client, cache=self._directories.cache),
                metric_root=account.metric_root,
                blacklist=blacklist,
                pool=pool,
                width=self._options.threads,
                stop=self._stop,
            )
            yield Built(self._plan(asked, cursors), sinks, account.metric_root)

    def _plan(self, account: Account, cursors: Callable[[], Mapping[str, int]]) -> Plan:
        folder = self._directories.config
        if self._name == "livestats":
            return LivePlan(account, interval_minutes=self._options.interval)
        if self._name == "servicestats":
            return ServicePlan(account, Whitelist(folder / "services.whitelist"))
        zones = config.load_app_zones(folder / "app_timezones.json")
        if self._name == "groupedby":
            countries = {app_id: zone.country for app_id, zone in zones.items()}
            return GroupedPlan(account, countries, load_group_map(folder / "carrier.map"))
        return DailyPlan(account, zones, cursors=cursors, days=self._days)
