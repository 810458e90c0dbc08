"""From the `data` of Webtrends' answers to rows: key metrics by hour or day, reports by what they are about.

Each parser takes one answer's `data`, returns its rows in its order, and raises ValueError for anything else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one period, or of one thing in it."""

    start: datetime
    """When the period begins, UTC."""
    measures: Mapping[str, object]
    name: str = ""
    """Of a report: what the row is about, such as a browser."""


def parse_key_metrics_v2(data: object) -> list[Row]:
    """Return a row for each hour that has figures."""
    return [
        Row(us_hour(hour), _measures(row, hour))
        for key, period in _object(data, "data").items()
        for hour, row in _sub_rows(period, key)
        if row
    ]


def parse_key_metrics_v3(data: object) -> list[Row]:
    """Return a row for each profile of each period."""
    return [
        Row(_start_of(period), _measures(row, profile))
        for period in _list(data, "data")
        for profile, row in _sub_rows(period, "a period")
        if row
    ]


def parse_report_v2(data: object) -> list[Row]:
    """Return a row for each name in each period; what is nested in it is left out."""
    return [
        Row(us_day(key), _measures(row, name), name)
        for key, period in _object(data, "data").items()
        for name, row in _sub_rows(period, key)
        if row
    ]


def parse_report_v3(data: object) -> list[Row]:
    """Return a row for each name in each period; what is nested in it is left out."""
    return [
        Row(_start_of(period), _measures(row, name), name)
        for period in _list(data, "data")
        for name, row in _sub_rows(period, "a period")
        if row
    ]


def us_hour(text: str) -> datetime:
    """Return the UTC hour written as in `10/30/2014 13`; raises ValueError."""
    return datetime.strptime(text, "%m/%d/%Y %H").replace(tzinfo=UTC)


def us_day(text: str) -> datetime:
    """Return the first day of a period written as in `10/14/2014-10/15/2014`, at 00:00 UTC; raises ValueError."""
    return datetime.strptime(text.partition("-")[0], "%m/%d/%Y").replace(tzinfo=UTC)


def iso_day(text: str) -> datetime:
    """Return the day written as in `2015-03-26` or `2015-03`, at 00:00 UTC; raises ValueError.

    >>> iso_day("2015-03")
    datetime.datetime(2015, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    form = "%Y-%m-%d" if text.count("-") > 1 else "%Y-%m"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def _start_of(period: object) -> datetime:
    start = _object(period, "a period").get("start_date")
    if not isinstance(start, str):
        raise ValueError('a period has no "start_date"')
    return iso_day(start)


def _sub_rows(period: object, where: str) -> Iterator[tuple[str, object]]:
    """Yield the rows of a period: of an object, or of each of the objects in a list."""
    sub_rows = _object(period, where).get("SubRows")
    for rows in sub_rows if isinstance(sub_rows, list) else [sub_rows]:
        if rows:
            yield from _object(rows, f"SubRows of {where}").items()


def _measures(row: object, where: str) -> Mapping[str, object]:
    return _object(_object(row, where).get("measures"), f"measures of {where}")


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where:.60}: not an object")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: not a list, as v3 gives it; is api_version right?")
    return value
