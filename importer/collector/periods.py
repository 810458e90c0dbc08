"""The days, weeks and months that a collection is for. All dates are those of UTC.

>>> [str(first) for first, last in period_range(date(2013, 4, 3), date(2013, 4, 10), "weekly")]
['2013-04-01', '2013-04-08']
"""

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from importer.errors import ImporterError

Day = TypeVar("Day", bound=date)

TIME_SPANS = {"daily": "day", "weekly": "week", "monthly": "month"}
"""What a record says of its period (`timeSpan`), by the frequency of the query."""


class BadPeriod(ImporterError, ValueError):
    """The dates are in the wrong order, or a frequency is none."""


def today() -> date:
    """Return the present date in UTC."""
    return datetime.now(UTC).date()


def a_day_ago() -> date:
    """Return the date of yesterday."""
    return today() - timedelta(days=1)


def a_week_ago() -> date:
    """Return the date of this day a week ago."""
    return today() - timedelta(days=7)


def a_month_ago() -> date:
    """Return the date of this day in the month before, or of that month's last day where it has no such day."""
    return _month_before(today())


def an_hour_ago() -> datetime:
    """Return the time an hour ago, in UTC."""
    return datetime.now(UTC) - timedelta(hours=1)


def to_date(value: object) -> date | None:
    """Return the date of a date or datetime (of one with a zone: that in UTC), and None for None.

    Raises ValueError for anything else.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else _to_zone_utc(value)).date()
    if isinstance(value, date):
        return value
    raise ValueError(f"{value!r:.100} is neither a date nor a datetime")


def to_datetime(value: date) -> datetime:
    """Return a date at midnight, or a datetime, as one in UTC: the zone is set, the clock's hands stay."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def to_utc(value: datetime) -> datetime:
    """Return the same moment in UTC; a datetime without a zone is in UTC already."""
    return to_datetime(value) if value.tzinfo is None else _to_zone_utc(value)


def start_of_week(day: Day) -> Day:
    """Return the Monday of a day's week; of a datetime with its time."""
    return day - timedelta(days=day.weekday())


def start_of_month(day: Day) -> Day:
    """Return the first day of a day's month; of a datetime with its time."""
    return day.replace(day=1)


def generate_date_range(start: Day, end: Day, step: Any) -> Iterator[Day]:
    """Yield `start` and what comes after it by whole steps (such as a timedelta), `end` at the latest.

    Raises ValueError for a step that leads nowhere.
    """
    while start <= end:
        yield start
        following = start + step
        if following <= start:
            raise ValueError(f"{step!r} does not lead from {start} to {end}: a step goes forward")
        start = following


def time_span(frequency: str) -> str:
    """Return `day`, `week` or `month` for a query's frequency; raises BadPeriod for any other."""
    try:
        return TIME_SPANS[frequency]
    except (KeyError, TypeError):
        raise BadPeriod(f"query.frequency: {frequency!r:.100} is not one of {', '.join(TIME_SPANS)}") from None


def period_range(
    start: date | None = None,
    end: date | None = None,
    frequency: str = "weekly",
    *,
    today: Callable[[], date] = today,
) -> Iterator[tuple[date, date]]:
    """Return an iterator over the first and last day of each period whose first day is not after `end`.

    The first period is the whole one that `start` is in. Without both it is the last one: that of yesterday, of a
    week ago or of a month ago, which is where `start` alone ends too; `end` alone is the period of that day.
    Raises BadPeriod, before the first period is asked for, for dates in the wrong order and for a frequency that is
    neither `daily`, `weekly` nor `monthly`.
    """
    time_span(frequency)
    first, last = to_date(start), to_date(end)
    if last is None:
        last = _last_day(frequency, today())
    if first is None:
        first = last
    if first > last:
        raise BadPeriod(f"Bad dates: {first} is after {last}")
    return _periods(first, last, frequency)


def _last_day(frequency: str, day: date) -> date:
    if frequency == "monthly":
        return _month_before(day)
    return day - timedelta(days=7 if frequency == "weekly" else 1)


def _periods(day: date, end: date, frequency: str) -> Iterator[tuple[date, date]]:
    first = _first_day(day, frequency).toordinal()
    while first <= end.toordinal():
        following = first + _days_in_period(date.fromordinal(first), frequency)
        yield date.fromordinal(first), date.fromordinal(min(following - 1, date.max.toordinal()))
        first = following


def _first_day(day: date, frequency: str) -> date:
    if frequency == "weekly":
        return start_of_week(day)
    return start_of_month(day) if frequency == "monthly" else day


def _days_in_period(day: date, frequency: str) -> int:
    if frequency == "monthly":
        return monthrange(day.year, day.month)[1]
    return 7 if frequency == "weekly" else 1


def _month_before(day: date) -> date:
    last = start_of_month(day) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def _to_zone_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value} is outside the calendar") from None
