"""What the command pingdom does, once its command line is understood."""

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

from importer.cli.apteligent import command as apteligent_command
from importer.cli.apteligent.command import ONCE_MAX_WAIT_SECONDS, ApteligentCommand, Built
from importer.destinations import load_all_destinations
from importer.errors import ExitCode
from importer.http_client import RetryPolicy
from importer.parallel import make_pool
from importer.points import MAX_TIMESTAMP
from importer.schedule import ClockSchedule, Entry
from importer.sources.apteligent.daily import DAY, LATEST, Days
from importer.sources.base import Source
from importer.sources.pingdom.api import PingdomApi
from importer.sources.pingdom.checks import CheckSource
from importer.sources.pingdom.config import load_settings
from importer.sources.pingdom.source import Account, HourSource, Window

SERVICE_MAX_WAIT_SECONDS = 3600.0
"""How long a service waits where Pingdom's limit of requests is reached; the short limit is by the hour."""
HOUR_MINUTES = (11, 41)
"""When a service asks for the hour that is over, and for what was not there yet."""


def run(options: argparse.Namespace, *, days: tuple[date, date] | None) -> ExitCode:
    """Run the command as its options say; raises ImporterError. `days` are as for the Apteligent commands."""
    return apteligent_command.run("pingdom", options, days=days, make=PingdomCommand)


class PingdomCommand(ApteligentCommand):
    """What a command line, pingdom.json and graphite.json make of the command."""

    @contextlib.contextmanager
    def _built(self, cursors: Callable[[], Mapping[str, int]]) -> Iterator[Built]:
        folder = self._directories.config
        settings = load_settings(folder / "pingdom.json")
        sinks = load_all_destinations(folder, state=self._directories.state)
        longest = ONCE_MAX_WAIT_SECONDS if self._is_once else SERVICE_MAX_WAIT_SECONDS
        api = PingdomApi(settings.access, retries=RetryPolicy(max_wait_seconds=longest), stop=self._stop)
        threads = self._options.threads
        with make_pool(threads, self._name, stop=self._stop) as pool, contextlib.closing(api):
            account = Account(api, settings.metric_root, pool, threads, self._stop)
            plan = PingdomPlan(account, window=None if self._days is None else window_of(self._days))
            yield Built(plan, sinks, settings.metric_root)


class PingdomPlan:
    """Every check each minute, and its hours once they are over."""

    schedule = ClockSchedule((Entry("tests", range(60)), Entry("hours", HOUR_MINUTES)))

    def __init__(self, account: Account, *, window: Window | None = None) -> None:
        self._sources: dict[str, Source] = {"tests": CheckSource(account), "hours": HourSource(account)}
        self._back_fill = None if window is None else HourSource(account, window=window)

    def once(self) -> Sequence[Source]:
        """Return the sources of one whole cycle; where days are imported again, that of their hours."""
        return list(self._sources.values()) if self._back_fill is None else [self._back_fill]

    def due(self, names: Sequence[str]) -> Sequence[Source]:
        """Return the sources to ask when these names of the schedule are due."""
        return [source for name, source in self._sources.items() if name in names]


def window_of(days: Days) -> Window:
    """Return the hours of some days, UTC, the last one included.

    >>> str(window_of(Days(date(2026, 5, 1), date(2026, 5, 2))))
    '2026-05-01T00:00Z to 2026-05-03T00:00Z'
    """
    return Window(_midnight(days.first), MAX_TIMESTAMP if days.last == LATEST else _midnight(days.last + DAY))


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
