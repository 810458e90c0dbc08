"""dailyjobs: eight figures of each app for each calendar day, once that day is over in the app's own time zone."""

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from importer.errors import BadAnswer, SourceError
from importer.points import Batch, Point
from importer.sources.apteligent.asking import SOURCE, Account, App
from importer.sources.apteligent.config import AppZone
from importer.sources.apteligent.parse import DailySeries, parse_graph
from importer.sources.base import Missing, Source

logger = logging.getLogger(__name__)

METRICS = (
    "crashPercent",
    "mau",
    "dau",
    "rating",
    "appLoads",
    "crashes",
    "affectedUsers",
    "affectedUserPercent",
)
DAY = timedelta(days=1)
YESTERDAY_MINUTES = 2880
"""The duration to ask for yesterday: that day and the running one."""
MONTH_MINUTES = 43200
"""The duration to ask for days further back; the longest that the vendor documents."""
MONTH = timedelta(minutes=MONTH_MINUTES)
LATEST = date.max
"""As the last of the wanted days: whichever is over."""


@dataclass(frozen=True, slots=True)
class Days:
    """Calendar days, the last included."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        for offset in range((self.last - self.first).days + 1):
            yield self.first + offset * DAY

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class _Question:
    """A metric of an app and the days that are wanted of it."""

    app: App
    metric: str
    days: Days
    yesterday: date
    cursor: str
    """Empty if the cursor must not move: it says that all days up to it were imported."""
    again: bool
    """Keep the days even though the cursor says that they were imported."""

    def missing(self, reason: SourceError | str) -> Missing:
        error = reason if isinstance(reason, SourceError) else BadAnswer(SOURCE, reason)
        return Missing(f"daily {self.metric} of {self.app.name} ({self.app.id}), {self.days}", error)

    def begun(self) -> Batch:
        """Return what makes the cursor stand before the first of the days, so that all of them are asked for again.

        Without it what fails at the very first time would be forgotten by the next day.
        """
        return Batch((), cursor=self.cursor, position=self.days.first.toordinal() - 1, group=self.app.id)


def yesterday(now: float, zone: AppZone) -> date:
    """Return the last day that is over in the app's zone, `now` being in seconds since 1970 UTC.

    >>> yesterday(1465567500, AppZone("", timedelta(hours=10), None))  # 10 June 2016 14:05Z is the 11th there
    datetime.date(2016, 6, 10)
    """
    return (datetime.fromtimestamp(now, UTC) + zone.offset).date() - DAY


def local_midnight(day: date) -> float:
    """Return the day's first second in this machine's zone: the stamp that daily series have always had."""
    return time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1))


def cursor_name(app_id: str, metric: str) -> str:
    """Return the name of the cursor whose position is the ordinal of the last imported day."""
    return f"daily/{app_id}/{metric}"


def behind(cursors: Mapping[str, int], zones: Mapping[str, AppZone], now: float) -> set[str]:
    """Return the apps that were imported before, but not up to their yesterday."""
    return {
        app_id
        for app_id, zone in zones.items()
        for metric in METRICS
        if 0 < cursors.get(cursor_name(app_id, metric), 0) < yesterday(now, zone).toordinal()
    }


class DailySource(Source):
    """The days of each app in app_timezones.json that are wanted: yesterday, and what was missed before it."""

    name = "daily"

    def __init__(
        self,
        account: Account,
        zones: Mapping[str, AppZone],
        *,
        days: Days | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        """Import the given days again, or for None what is new; of all apps, or of those in `only`."""
        self._account = account
        self._zones = zones
        self._days = days
        self._only = only

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each day, metric by metric, app by app."""
        questions: list[_Question] = []
        for app in self._apps():
            zone = self._zones[app.id]
            last_over = yesterday(self._account.clock(), zone)
            if self._days is not None and not _is_over(self._days, last_over):
                yield Missing(f"daily figures of {app.name} ({app.id})", _not_over(self._days, last_over))
            questions.extend(self._questions(app, last_over, cursors))
        if not questions:
            logger.info("nothing to ask: every day was imported before")
        for question, answer in self._account.ask(questions, self._ask):
            if isinstance(answer, SourceError):
                yield question.missing(answer)
                yield question.begun()
            else:
                yield from self._outcomes(question, answer)

    def _apps(self) -> list[App]:
        known = {app.id: app for app in self._account.apps()}
        wanted = [app_id for app_id in self._zones if self._only is None or app_id in self._only]
        for app_id in wanted:
            if app_id not in known and self._account.blacklist.allows(app_id):
                logger.warning("app in app_timezones.json that the account does not have: id=%s", app_id)
        return [known[app_id] for app_id in wanted if app_id in known]

    def _questions(self, app: App, last_over: date, cursors: Mapping[str, int]) -> Iterator[_Question]:
        for metric in METRICS:
            cursor = cursor_name(app.id, metric)
            done = date.fromordinal(cursors[cursor]) if cursor in cursors else None
            astray = done is not None and done > last_over + DAY  # moved while our clock was wrong: it hides nothing
            days = self._wanted(None if astray else done, last_over)
            if days.first > days.last:
                continue
            joins = days.last == last_over if done is None else days.first <= done + DAY
            again = astray or self._days is not None
            yield _Question(app, metric, days, last_over, cursor if joins else "", again)

    def _wanted(self, done: date | None, last_over: date) -> Days:
        if self._days is not None:
            return Days(self._days.first, min(self._days.last, last_over))
        if done is None:
            return Days(last_over, last_over)
        oldest = last_over - MONTH + 2 * DAY  # the month ends with the running day
        if done + DAY < oldest:
            logger.warning("days that the vendor has no more, left out: %s", Days(done + DAY, oldest - DAY))
        return Days(max(done + DAY, oldest), last_over)

    def _ask(self, question: _Question) -> DailySeries:
        is_recent = question.days.first >= question.yesterday
        minutes = YESTERDAY_MINUTES if is_recent else MONTH_MINUTES
        answer = self._account.api.graph(question.app.id, question.metric, minutes=minutes)
        try:
            return parse_graph(answer, question.metric)
        except ValueError as error:
            raise BadAnswer(SOURCE, str(error)) from error

    def _outcomes(self, question: _Question, series: DailySeries) -> Iterator[Batch | Missing]:
        for problem in series.problems:
            yield question.missing(problem)
        if not series.days and not series.problems:
            logger.warning("empty series: metric=%s app=%s", question.metric, question.app.name)
            yield self._batch(question, question.days.last, None)
            return
        absent = [day for day in question.days if day not in series.days]
        if absent:
            yield question.begun()
        if absent and not series.problems:
            yield question.missing(_not_given(absent, series))
        for day in question.days:
            if day in series.days:
                yield self._batch(question, day, series.days[day])
            elif series.problems:  # given, but damaged: this day and those after it are asked for again
                question = replace(question, cursor="")

    def _batch(self, question: _Question, day: date, value: float | None) -> Batch:
        points: tuple[Point, ...] = ()
        if value is not None:
            stamp = local_midnight(day)
            points = (self._account.point(question.app, "daily", question.metric, value=value, timestamp=stamp),)
        return Batch(
            points,
            cursor=question.cursor,
            position=day.toordinal(),
            group=question.app.id,
            again=question.again,
        )


def _is_over(days: Days, last_over: date) -> bool:
    return days.first <= last_over if days.last == LATEST else days.last <= last_over


def _not_over(days: Days, last_over: date) -> BadAnswer:
    wanted = days.first if days.last == LATEST else days.last
    return BadAnswer(SOURCE, f"{wanted} is not over in the app's time zone; the last day that is: {last_over}")


def _not_given(absent: list[date], series: DailySeries) -> str:
    given = Days(min(series.days), max(series.days)) if series.days else "nothing"
    return f"the vendor gives {given}, not {Days(absent[0], absent[-1])}"
