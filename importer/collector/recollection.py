"""A back-fill of many queries, period by period: what is done is remembered with what it brought.

A period's records and the mark that says so are committed together: a recollection that was killed goes on after the
last period that was kept, without a gap and without asking for one twice.
"""

import argparse
import copy
import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from importer.collector.outlet import Write
from importer.collector.periods import period_range, to_date
from importer.collector.platform import read_platform
from importer.collector.run import OUTBOX_NAME, CollectionFailed, Query, run_collector
from importer.collector.run_outlet import RunOutlet, configure
from importer.outbox import Outbox, Transaction
from importer.paths import DirectoryFinder

logger = logging.getLogger(__name__)

DEFAULT_DAYS = 186
"""How far back, unless the command says otherwise."""

_ENDS_AT_AN_INSTANT = ("performanceplatform.collector.pingdom",)
"""Take the end of a range as a time, not as the last day."""
_WITHOUT_PAST = (
    "performanceplatform.collector.ga.realtime",
    "performanceplatform.collector.ga.trending",
    "performanceplatform.collector.gcloud",
    "performanceplatform.collector.piwik.realtime",
)
"""Know only of now, or bring all they know with every run."""
_MIDNIGHT = datetime.min.time()


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for in one piece."""

    first: date
    last: date

    @property
    def position(self) -> int:
        """Where the cursor stands once this is kept."""
        return self.first.toordinal()


class Recollection:
    """The back-fill of one query, from one day to another, both included.

    Raises CollectionFailed for a query that has no past, and ValueError for dates in the wrong order.
    """

    def __init__(self, query: Query, first: date, last: date, *, key: str) -> None:
        """`key` tells this back-fill from others of the same query: how its beginning was given."""
        if query.entrypoint in _WITHOUT_PAST:
            raise CollectionFailed([f"{query.source}: {query.entrypoint} cannot be collected for the past"])
        self.query = query
        frequency = str(query.query.get("frequency") or "weekly")
        self.spans = [Span(*days) for days in period_range(first, last, frequency)]
        asked = json.dumps([query.entrypoint, query.data_set, query.query, query.options], sort_keys=True)
        self.cursor = f"recollect/{hashlib.sha256(asked.encode()).hexdigest()[:16]}/{key}"

    def run(
        self, files: argparse.Namespace, finder: DirectoryFinder, *, empties: bool, progress: Callable[[], None]
    ) -> int:
        """Collect what is not done yet, and return how many records that brought; raises as `run_collector` does."""
        done = self._position(finder)
        if empties and done is None:
            self._empty(files, finder)
        records = 0
        for span in self._left(done):
            logger.info("%s: %s - %s", self.query.source, span.first, span.last)
            records += run_collector(
                self._asked(), self._dated(files, span), finder, committing=partial(self._mark, span.position)
            )
            self._settle(finder, partial(self._mark, span.position))  # for one that brought nothing
            progress()
        self._settle(finder, self._forget)
        return records

    def _asked(self) -> Query:
        """Return the query for an entrypoint to do with as it likes."""
        return copy.deepcopy(self.query)

    def _left(self, done: int | None) -> Iterator[Span]:
        return (span for span in self.spans if done is None or span.position > done)

    def _dated(self, files: argparse.Namespace, span: Span) -> argparse.Namespace:
        is_instant = self.query.entrypoint in _ENDS_AT_AN_INSTANT
        last = span.last + timedelta(days=1) if is_instant else span.last
        dates = {"start_at": datetime.combine(span.first, _MIDNIGHT), "end_at": datetime.combine(last, _MIDNIGHT)}
        return argparse.Namespace(**{**vars(copy.deepcopy(files)), **dates})

    def _position(self, finder: DirectoryFinder) -> int | None:
        with Outbox(finder.state() / OUTBOX_NAME) as outbox, outbox.transaction() as transaction:
            return transaction.cursor(self.cursor)

    def _empty(self, files: argparse.Namespace, finder: DirectoryFinder) -> None:
        """Queue the request that empties the data set, before all others."""
        state = finder.state()
        platform = read_platform(files.performanceplatform, files.token, self.query.data_set, state=state)
        with Outbox(state / OUTBOX_NAME) as outbox:
            configure(outbox, platform.sinks)
            before = self.spans[0].position - 1 if self.spans else 0
            outlet = RunOutlet(outbox, platform.data_set, [], committing=partial(self._mark, before))
            outlet.write(platform.config(dry_run=False), [Write("PUT", [])])

    def _settle(self, finder: DirectoryFinder, change: Callable[[Transaction], None]) -> None:
        with Outbox(finder.state() / OUTBOX_NAME) as outbox, outbox.transaction() as transaction:
            change(transaction)

    def _mark(self, position: int, transaction: Transaction) -> None:
        transaction.move_cursor(self.cursor, position)

    def _forget(self, transaction: Transaction) -> None:
        transaction.execute("DELETE FROM cursors WHERE name = ?", self.cursor)


def range_of(start: datetime | None, end: datetime | None, *, yesterday: date) -> tuple[date, date, str]:
    """Return the first and the last day of a back-fill, and what tells it from others of the same query.

    >>> range_of(datetime(2026, 1, 1), None, yesterday=date(2026, 3, 1))
    (datetime.date(2026, 1, 1), datetime.date(2026, 3, 1), '2026-01-01')
    """
    last = to_date(end) or yesterday
    first = to_date(start)
    if first is None:
        return yesterday - timedelta(days=DEFAULT_DAYS - 1), last, "default"
    return first, last, first.isoformat()
