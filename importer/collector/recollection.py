"""A back-fill of many queries, period by period: what is done is remembered with what it brought.

A period's records and the mark that says so are committed together: a recollection that was killed goes on after the
last period that was kept, without a gap and without asking for one twice.
"""

import argparse
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from importer.collector.collection import CollectionFailed, Collections, Outcome
from importer.collector.dry_run import DryRunOutlet
from importer.collector.outlet import outlet_in_force
from importer.collector.periods import period_range, to_date
from importer.collector.platform import Platform, read_platform
from importer.collector.run import OUTBOX_NAME, Query, call_entrypoint, load_entrypoint, state_of
from importer.outbox import Outbox, Transaction
from importer.paths import DirectoryFinder

logger = logging.getLogger(__name__)

DEFAULT_DAYS = 186
"""How far back, unless the command says otherwise."""
EMPTIES = "empty-data-set"
"""The option of a query by which a data set is emptied before it is written to."""

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
    """What is asked for in one piece: a period, or what of it lies in the back-fill."""

    first: date
    last: date
    position: int
    """Where the cursor stands once this is kept: at the period's first day."""


class Recollection:
    """The back-fill of one query, from one day to another, both included.

    Raises CollectionFailed for a query that has no past, and BadPeriod for its frequency or for the dates.
    """

    def __init__(self, query: Query, first: date, last: date, *, key: str, empties: bool = False) -> None:
        """`key` tells this back-fill from others of the same query: how its beginning was given.

        With `empties`, as with the query's own option, the data set is emptied before the first records, once.
        """
        if query.entrypoint in _WITHOUT_PAST:
            raise CollectionFailed([f"{query.source}: {query.entrypoint} cannot be collected for the past"])
        self.query = query
        self.spans = spans_of(first, last, str(query.query.get("frequency") or "weekly"))
        self._empties = empties or query.options.get(EMPTIES) is True
        self._key = key

    def run(
        self,
        files: argparse.Namespace,
        finder: DirectoryFinder,
        *,
        reached: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> int:
        """Collect what is not done yet, and return how many records that brought.

        `reached` is told after each period how many are done, and how many there are.
        A request that is set aside ends nothing: what comes after it goes on. Raises CollectionFailed unless
        everything was accepted, ConfigError for wrong contents, and what collectors raise.
        """
        state = state_of(finder)
        platform = read_platform(files.performanceplatform, files.token, self.query.data_set, state=state)
        ask = partial(_ask, load_entrypoint(self.query.entrypoint), self.query, files, platform)
        if files.dry_run:
            with outlet_in_force(DryRunOutlet(platform)):
                for number, span in enumerate(self.spans):
                    ask(span, empties=self._empties and number == 0)
            return 0
        with Outbox(state / OUTBOX_NAME) as outbox, Collections(platform, outbox) as collections:
            progress = _Progress(self._cursor(platform), outbox, reached)
            return progress.collect(self.spans, collections, ask, self._empties)

    def _cursor(self, platform: Platform) -> str:
        """Return what names this back-fill: what is asked for, for whom, since when."""
        lanes = [sink.lane for sink in platform.sinks]
        query = self.query
        asked = json.dumps([query.entrypoint, query.data_set, query.query, query.options, lanes], sort_keys=True)
        return f"recollect/{hashlib.sha256(asked.encode()).hexdigest()[:16]}/{self._key}"


class _Progress:
    """How far one back-fill has come, kept in the outbox."""

    def __init__(self, cursor: str, outbox: Outbox, reached: Callable[[int, int], None]) -> None:
        self._cursor = cursor
        self._reached = reached
        self._emptied = f"{cursor}/emptied"
        self._outbox = outbox
        with outbox.transaction() as transaction:
            self._done = transaction.cursor(cursor)
            self._is_emptied = transaction.cursor(self._emptied) is not None

    def collect(self, spans: list[Span], collections: Collections, ask: Callable[..., None], empties: bool) -> int:
        """Collect the spans that are left, and return how many records they brought; raises as `Recollection.run`."""
        left = [span for span in spans if self._done is None or span.position > self._done]
        outcomes: list[Outcome] = []
        self._reached(len(spans) - len(left), len(spans))
        for span in left:
            is_emptying = empties and not self._is_emptied
            mark = partial(self._mark, span.position, is_emptying)
            outcomes.append(collections.collect(partial(ask, span, empties=is_emptying), mark))
            if outcomes[-1].undelivered:
                break
            self._reached(len(spans) - len(left) + len(outcomes), len(spans))
        if not left:  # all that may be missing is the delivery of the last one
            outcomes.append(collections.deliver_kept())
        if not outcomes[-1].undelivered:
            self._forget()
        failures = [*outcomes[-1].undelivered, *(line for outcome in outcomes for line in outcome.set_aside)]
        if failures:
            raise CollectionFailed(failures)
        return sum(outcome.records for outcome in outcomes)

    def _mark(self, position: int, is_emptying: bool, transaction: Transaction, records: int) -> None:
        transaction.move_cursor(self._cursor, position)
        if is_emptying and records:
            transaction.move_cursor(self._emptied, position)
            self._is_emptied = True

    def _forget(self) -> None:
        with self._outbox.transaction() as transaction:
            transaction.execute("DELETE FROM cursors WHERE name IN (?, ?)", self._cursor, self._emptied)


def _ask(
    main: Callable[..., object],
    query: Query,
    files: argparse.Namespace,
    platform: Platform,
    span: Span,
    *,
    empties: bool,
) -> None:
    """Call an entrypoint for a span, with objects of its own to do with as it likes."""
    logger.info("%s: %s - %s", query.source, span.first, span.last)
    is_instant = query.entrypoint in _ENDS_AT_AN_INSTANT
    last = span.last + timedelta(days=1) if is_instant else span.last
    dates = {"start_at": datetime.combine(span.first, _MIDNIGHT), "end_at": datetime.combine(last, _MIDNIGHT)}
    dated = argparse.Namespace(**{**vars(files), "credentials": copied(files.credentials), **dates})
    options = copied(query.options)
    if isinstance(options.get(EMPTIES, False), bool):  # else the entrypoint tells what is wrong with it
        options[EMPTIES] = empties
    asked = replace(query, query=copied(query.query), options=options)
    call_entrypoint(main, asked, dated, platform)


def copied(value: Any) -> Any:
    """Return a value whose objects and lists are new ones, down to what cannot be written as JSON."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def spans_of(first: date, last: date, frequency: str) -> list[Span]:
    """Return the periods from one day to another, the first and the last one cut to these days; raises BadPeriod.

    >>> [(str(span.first), str(span.last)) for span in spans_of(date(2026, 1, 20), date(2026, 2, 3), "monthly")]
    [('2026-01-20', '2026-01-31'), ('2026-02-01', '2026-02-03')]
    """
    periods = period_range(first, last, frequency)
    return [Span(max(first, begin), min(last, end), begin.toordinal()) for begin, end in periods]


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
