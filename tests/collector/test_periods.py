"""The days, weeks and months of a collection."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.collector import periods
from importer.collector.periods import (
    TIME_SPANS,
    BadPeriod,
    generate_date_range,
    period_range,
    start_of_month,
    start_of_week,
    time_span,
    to_date,
    to_datetime,
    to_utc,
)
from importer.errors import ImporterError

DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 1, 1))
FREQUENCIES = st.sampled_from(sorted(TIME_SPANS))


def on(text: str) -> Callable[[], date]:
    """Return what says that today is that day."""
    return lambda: date.fromisoformat(text)


def ranges(start: str | None, end: str | None, frequency: str, today: str = "2015-06-10") -> list[tuple[str, str]]:
    days = [None if text is None else date.fromisoformat(text) for text in (start, end)]
    return [(str(first), str(last)) for first, last in period_range(*days, frequency, today=on(today))]


@pytest.mark.parametrize(
    ("start", "end", "frequency", "expected"),
    [
        ("2013-04-03", "2013-04-10", "weekly", [("2013-04-01", "2013-04-07"), ("2013-04-08", "2013-04-14")]),
        (
            "2012-12-20",
            "2013-02-28",
            "monthly",
            [("2012-12-01", "2012-12-31"), ("2013-01-01", "2013-01-31"), ("2013-02-01", "2013-02-28")],
        ),
        ("2016-02-28", "2016-03-01", "daily", [("2016-02-28",) * 2, ("2016-02-29",) * 2, ("2016-03-01",) * 2]),
        ("2016-02-10", "2016-02-10", "monthly", [("2016-02-01", "2016-02-29")]),
        ("2013-04-07", "2013-04-08", "weekly", [("2013-04-01", "2013-04-07"), ("2013-04-08", "2013-04-14")]),
    ],
)
def test_each_period_that_begins_by_the_end_is_given_whole(
    start: str, end: str, frequency: str, expected: list[tuple[str, str]]
) -> None:
    assert ranges(start, end, frequency) == expected


@pytest.mark.parametrize(
    ("frequency", "today", "expected"),
    [
        ("daily", "2015-06-10", ("2015-06-09", "2015-06-09")),
        ("weekly", "2015-06-10", ("2015-06-01", "2015-06-07")),
        ("monthly", "2015-06-10", ("2015-05-01", "2015-05-31")),
        ("monthly", "2015-03-31", ("2015-02-01", "2015-02-28")),
        ("monthly", "2016-01-31", ("2015-12-01", "2015-12-31")),
    ],
)
def test_without_dates_it_is_the_last_period(frequency: str, today: str, expected: tuple[str, str]) -> None:
    assert ranges(None, None, frequency, today) == [expected]


def test_a_start_alone_runs_to_the_end_that_is_used_without_dates() -> None:
    assert ranges("2015-06-08", None, "daily") == [("2015-06-08",) * 2, ("2015-06-09",) * 2]
    assert ranges("2015-05-27", None, "weekly") == [("2015-05-25", "2015-05-31"), ("2015-06-01", "2015-06-07")]


def test_an_end_alone_is_the_period_of_that_day() -> None:
    assert ranges(None, "2015-05-27", "weekly") == [("2015-05-25", "2015-05-31")]


def test_times_are_taken_as_their_dates_in_utc() -> None:
    evening = datetime(2015, 5, 27, 22, 30, tzinfo=timezone(-timedelta(hours=3)))
    night = datetime(2015, 5, 28, 1)  # noqa: DTZ001
    assert list(period_range(evening, night, "daily")) == [(date(2015, 5, 28), date(2015, 5, 28))]


def test_dates_in_the_wrong_order_are_refused_before_a_period_is_asked_for() -> None:
    with pytest.raises(BadPeriod, match=r"Bad dates: 2015-06-02 is after 2015-06-01"):
        period_range(date(2015, 6, 2), date(2015, 6, 1), "weekly")


@pytest.mark.parametrize("frequency", ["hourly", "", None, ["weekly"]])
def test_another_frequency_is_refused_and_named(frequency: str) -> None:
    with pytest.raises(BadPeriod, match=r"is not one of daily, weekly, monthly") as caught:
        period_range(date(2015, 6, 1), date(2015, 6, 1), frequency)
    assert repr(frequency) in str(caught.value)
    assert isinstance(caught.value, ImporterError)  # told as it is, and no fault of the collector


@given(st.tuples(DAYS, st.integers(0, 800)), FREQUENCIES)
def test_periods_follow_each_other_without_a_gap(days: tuple[date, int], frequency: str) -> None:
    start, end = days[0], days[0] + timedelta(days=days[1])
    found = list(period_range(start, end, frequency))
    assert found[0][0] <= start <= found[0][1]
    assert found[-1][0] <= end <= found[-1][1]
    assert all(before[1] + timedelta(days=1) == after[0] for before, after in pairwise(found))
    assert all(_is_whole(first, last, frequency) for first, last in found)


def _is_whole(first: date, last: date, frequency: str) -> bool:
    if frequency == "daily":
        return first == last
    if frequency == "weekly":
        return first.weekday() == 0 and last.weekday() == 6 and (last - first).days == 6
    return (
        first.day == 1 and (last + timedelta(days=1)).day == 1 and (first.year, first.month) == (last.year, last.month)
    )


@pytest.mark.parametrize("frequency", sorted(TIME_SPANS))
@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_ends_of_the_calendar_are_periods_too(day: date, frequency: str) -> None:
    [(first, last)] = period_range(day, day, frequency)
    assert first <= day <= last


def test_time_spans() -> None:
    assert [time_span(frequency) for frequency in ("daily", "weekly", "monthly")] == ["day", "week", "month"]


def test_to_datetime_sets_the_zone_and_to_utc_converts() -> None:
    time = datetime(2015, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert to_datetime(date(2015, 6, 1)) == datetime(2015, 6, 1, tzinfo=UTC)
    assert to_datetime(time) == datetime(2015, 6, 1, 12, tzinfo=UTC)
    assert to_utc(time).isoformat() == "2015-06-01T10:00:00+00:00"
    assert to_utc(datetime(2015, 6, 1, 12)).isoformat() == "2015-06-01T12:00:00+00:00"  # noqa: DTZ001


def test_to_utc_says_so_when_the_calendar_ends() -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        to_utc(datetime.min.replace(tzinfo=timezone(timedelta(hours=2))))


def test_to_date_takes_dates_alone() -> None:
    assert to_date(None) is None
    assert to_date(datetime(2015, 6, 1, 23)) == to_date(date(2015, 6, 1)) == date(2015, 6, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="'2015-06-01' is neither a date nor a datetime"):
        to_date("2015-06-01")


def test_the_starts_of_weeks_and_months_keep_the_time() -> None:
    time = datetime(2015, 6, 10, 12, 30, tzinfo=UTC)
    assert start_of_week(time) == datetime(2015, 6, 8, 12, 30, tzinfo=UTC)
    assert start_of_month(date(2015, 6, 10)) == date(2015, 6, 1)


def test_a_range_of_dates_holds_its_end() -> None:
    found = list(generate_date_range(date(2015, 6, 1), date(2015, 6, 5), timedelta(days=2)))
    assert found == [date(2015, 6, 1), date(2015, 6, 3), date(2015, 6, 5)]


@pytest.mark.parametrize("step", [timedelta(0), timedelta(days=-1)])
def test_a_range_by_steps_that_lead_nowhere_comes_to_an_end(step: timedelta) -> None:
    with pytest.raises(ValueError, match="a step goes forward"):
        list(generate_date_range(date(2015, 6, 1), date(2015, 6, 5), step))


def test_what_was_ago_is_so_in_utc(set_time_zone: Callable[[str], None]) -> None:
    set_time_zone("Pacific/Kiritimati")  # 14 hours ahead: mostly another day
    before = datetime.now(UTC)
    days = (periods.a_day_ago(), periods.a_week_ago(), periods.a_month_ago())
    after = datetime.now(UTC)
    assert days[0] in {(now - timedelta(days=1)).date() for now in (before, after)}
    assert days[1] in {(now - timedelta(days=7)).date() for now in (before, after)}
    assert 27 < (after.date() - days[2]).days < 33
    assert before - timedelta(hours=1) <= periods.an_hour_ago() <= datetime.now(UTC)
