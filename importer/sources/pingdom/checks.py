"""pingdom: response time and status of each test of each check.

The list of checks tells the last test of all of them at once. Where more than one was made since the last time, the
check is asked for those between.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from importer.errors import SourceError
from importer.points import Batch, Point
from importer.sources.base import Missing, Source
from importer.sources.pingdom.parse import Check, Result
from importer.sources.pingdom.source import PAUSED, Account

logger = logging.getLogger(__name__)

METRICS = ("response_time", "up")
"""Milliseconds, and 1 for up or 0 for down."""
STATUS_VALUES = {"up": 1, "down": 0, "unconfirmed_down": 0}
"""For other statuses (`unknown`, `paused`) there is no point."""
LONGEST_GAP_SECONDS = 86400
"""How far back tests are asked for: what is older is in the hours."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """Tests of a check that were made since the last one that was imported, the newest not included."""

    check: Check
    start: int
    end: int


def check_cursor(check: Check) -> str:
    """Return the name of the cursor whose position is the time of the last imported test."""
    return f"tests/{check.id}"


class CheckSource(Source):
    """The last test of each check, and those that were missed before it."""

    name = "tests"

    def __init__(self, account: Account) -> None:
        self._account = account

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each check that was tested since; of one whose gap is not filled, nothing."""
        checks = self._account.api.checks()
        _warn_of_same_names(checks)
        gaps = []
        for check in checks:
            if check.tested_at is None or check.tested_at <= cursors.get(check_cursor(check), -1):
                continue
            gap = _gap_of(check, check.tested_at, cursors.get(check_cursor(check)))
            if gap is None:
                yield self._batch(check, [Result(check.tested_at, check.status, check.response_ms)])
            else:
                gaps.append(gap)
        yield from self._filled(gaps)

    def _filled(self, gaps: Sequence[_Gap]) -> Iterator[Batch | Missing]:
        for gap, answer in self._account.ask(gaps, self._ask):
            if isinstance(answer, SourceError):
                yield Missing(f"tests of {gap.check.name} ({gap.check.id})", answer)
            else:
                newest = Result(gap.end, gap.check.status, gap.check.response_ms)
                yield self._batch(gap.check, [*(result for result in answer if result.tested_at < gap.end), newest])

    def _ask(self, gap: _Gap) -> list[Result]:
        return self._account.api.results(gap.check.id, gap.start, gap.end)

    def _batch(self, check: Check, results: Sequence[Result]) -> Batch:
        points = tuple(point for result in results for point in self._points(check, result))
        return Batch(points, cursor=check_cursor(check), position=results[-1].tested_at)

    def _points(self, check: Check, result: Result) -> Iterator[Point]:
        timestamp = result.tested_at
        if result.response_ms is not None and result.status != PAUSED:
            yield self._account.point(check, "response_time", value=result.response_ms, timestamp=timestamp)
        if result.status in STATUS_VALUES:
            yield self._account.point(check, "up", value=STATUS_VALUES[result.status], timestamp=timestamp)


def _gap_of(check: Check, tested_at: int, imported: int | None) -> _Gap | None:
    """Return the gap before a check's last test; None if there can be no other test in it."""
    if imported is None or tested_at - imported < 2 * check.interval_seconds:
        return None
    return _Gap(check, max(imported + 1, tested_at - LONGEST_GAP_SECONDS), tested_at)


def _warn_of_same_names(checks: Sequence[Check]) -> None:
    """Log which checks cannot be told apart in a store."""
    for name, count in Counter(check.name for check in checks).items():
        if count > 1:
            logger.warning("checks of the same name share their points: name=%r count=%d", name, count)
