"""A timer elapses when cron would have run the job: systemd itself is asked when that is."""

import itertools
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.collector.cron_schedule import ScheduleError, timer_settings

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.server("systemd-analyze")
BASE = datetime(2026, 1, 30, 22, 58, tzinfo=UTC)
TIMES = 6


def elapses(settings: tuple[str, ...]) -> list[datetime]:
    """Return when systemd lets a timer with these settings elapse, from BASE on."""
    assert ANALYZE is not None
    lines = [setting.removeprefix("OnCalendar=") for setting in settings]
    assert len(lines) == len([setting for setting in settings if setting.startswith("OnCalendar=")])
    said = subprocess.run(
        [ANALYZE, "calendar", f"--iterations={TIMES}", f"--base-time={BASE:%Y-%m-%d %H:%M:%S UTC}", *lines],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    found = re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ ([\d-]+ [\d:]+) UTC", said)
    return sorted({datetime.fromisoformat(time).replace(tzinfo=UTC) for time in found})[:TIMES]


def cron_times(
    minutes: Collection[int], hours: Collection[int], days: Collection[int], months: Collection[int], week: object
) -> Iterator[datetime]:
    """Yield when cron runs a job; `week` tells of a day whether it is one."""
    for offset in itertools.count():
        day = (BASE + timedelta(days=offset)).replace(hour=0, minute=0)
        if day.month in months and week(day, day.day in days):  # type: ignore[operator]
            for hour, minute in itertools.product(sorted(hours), sorted(minutes)):
                if (time := day.replace(hour=hour, minute=minute)) > BASE:
                    yield time


def any_day(_day: datetime, in_days: bool) -> bool:
    return in_days


def is_monday(day: datetime, in_days: bool) -> bool:
    return in_days and day.weekday() == 0


def is_monday_or_listed(day: datetime, in_days: bool) -> bool:
    return in_days or day.weekday() == 0


ALL_DAYS, ALL_MONTHS = range(1, 32), range(1, 13)


@needs_systemd
@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        ("1-59/2 * * * *", cron_times(range(1, 60, 2), range(24), ALL_DAYS, ALL_MONTHS, any_day)),
        ("15,45 * * * *", cron_times([15, 45], range(24), ALL_DAYS, ALL_MONTHS, any_day)),
        ("0,20-22,50-58/4 3 * * *", cron_times([0, 20, 21, 22, 50, 54, 58], [3], ALL_DAYS, ALL_MONTHS, any_day)),
        ("@hourly", cron_times([0], range(24), ALL_DAYS, ALL_MONTHS, any_day)),
        ("@daily", cron_times([0], [0], ALL_DAYS, ALL_MONTHS, any_day)),
        ("@monthly", cron_times([0], [0], [1], ALL_MONTHS, any_day)),
        ("@yearly", cron_times([0], [0], [1], [1], any_day)),
        ("@weekly", cron_times([0], [0], ALL_DAYS, ALL_MONTHS, lambda day, _: day.weekday() == 6)),
        ("0 0 * jan,Mar-may *", cron_times([0], [0], ALL_DAYS, [1, 3, 4, 5], any_day)),
        ("0 0 31 * *", cron_times([0], [0], [31], ALL_MONTHS, any_day)),
        ("0 0 * * MON", cron_times([0], [0], ALL_DAYS, ALL_MONTHS, is_monday)),
        ("0 0 * * 5-7", cron_times([0], [0], ALL_DAYS, ALL_MONTHS, lambda day, _: day.weekday() >= 4)),
        ("0 0 * * 0-7", cron_times([0], [0], ALL_DAYS, ALL_MONTHS, any_day)),
        ("0 0 * * sun,tue,wed", cron_times([0], [0], ALL_DAYS, ALL_MONTHS, lambda day, _: day.weekday() in (1, 2, 6))),
        ("0 0 1,15 * mon", cron_times([0], [0], [1, 15], ALL_MONTHS, is_monday_or_listed)),
        ("0 0 31 2,4 mon", cron_times([0], [0], [31], [2, 4], is_monday_or_listed)),
        ("0 0 5 * 0-6", cron_times([0], [0], ALL_DAYS, ALL_MONTHS, any_day)),
        ("0 0 */2 * mon", cron_times([0], [0], range(1, 32, 2), ALL_MONTHS, is_monday)),
        ("0 0 1-7 * */8", cron_times([0], [0], range(1, 8), ALL_MONTHS, lambda day, ok: ok and day.weekday() == 6)),
    ],
)
def test_a_timer_elapses_when_cron_runs_the_job(schedule: str, times: Iterator[datetime]) -> None:
    assert elapses(timer_settings(schedule)) == list(itertools.islice(times, TIMES))


def fields(first: int, last: int, *, stars: bool = True) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """Fields of a schedule, with the numbers that they mean."""
    number = st.integers(first, last)
    entries = [number.map(lambda value: (str(value), frozenset({value})))]
    spans = st.tuples(number, number, st.integers(1, 9)).map(lambda drawn: (min(drawn[:2]), max(drawn[:2]), drawn[2]))
    entries.append(
        spans.map(lambda span: (f"{span[0]}-{span[1]}/{span[2]}", frozenset(range(span[0], span[1] + 1, span[2]))))
    )
    if stars:
        steps = st.integers(1, 9)
        entries.append(steps.map(lambda step: (f"*/{step}", frozenset(range(first, last + 1, step)))))
    return st.lists(st.one_of(entries), min_size=1, max_size=3).map(
        lambda drawn: (",".join(text for text, _ in drawn), frozenset().union(*(values for _, values in drawn)))
    )


@needs_systemd
@hypothesis.settings(max_examples=40)
@given(drawn=st.tuples(fields(0, 59), fields(0, 23), fields(1, 28, stars=False), fields(1, 12), fields(0, 7)))
def test_lists_ranges_and_steps_mean_what_they_mean_to_cron(drawn: tuple[tuple[str, frozenset[int]], ...]) -> None:
    minutes, hours, days, months, weekdays = (numbers for _, numbers in drawn)
    has_star = drawn[4][0].startswith("*")

    def runs(date: datetime, in_days: bool) -> bool:
        in_week = date.isoweekday() % 7 in {number % 7 for number in weekdays}
        return in_days and in_week if has_star else in_days or in_week

    expected = itertools.islice(cron_times(minutes, hours, days, months, runs), TIMES)
    assert elapses(timer_settings(" ".join(text for text, _ in drawn))) == list(expected)


def test_at_boot_is_a_time_too() -> None:
    assert timer_settings("@reboot") == ("OnBootSec=0",)


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("* * * *", '"* * * *" has 4 fields; five are expected, or a word such as @daily'),
        ("0 1 * * * root", "has 6 fields"),
        ("@fortnightly", '"@fortnightly" is not understood; write @yearly, '),
        ("60 * * * *", 'minute "60" is not from 0 to 59'),
        ("* 24 * * *", 'hour "24" is not from 0 to 23'),
        ("* * 0 * *", 'day of the month "0" is not from 1 to 31'),
        ("* * * 13 *", 'month "13" is not from 1 to 12'),
        ("* * * * 8", 'day of the week "8" is not from 0 to 7'),
        ("* * * mon *", 'month "mon" is not'),
        ("jan * * * *", 'minute "jan" is not'),
        ("5/15 * * * *", 'minute "5/15" has a step, but no range: write 5-59/15'),
        ("*/0 * * * *", 'minute "*/0" has a step of 0'),
        ("* 22-2 * * *", 'hour "22-2" ends before it begins; write a list'),
        ("* * * * sat-sun", 'day of the week "sat-sun" ends before it begins'),
        ("1,,2 * * * *", 'minute "" is not understood'),
        ("*-5 * * * *", 'minute "*-5" is not understood'),
        ("0~9 * * * *", 'minute "0~9" is not understood'),
        ("* * L * *", 'day of the month "L" is not'),
        ("* * ? * *", 'day of the month "?" is not'),
        ("٣ * * * *", 'minute "٣" is not understood'),
        ("0 0 31 2,4 *", "never comes: no such month has such a day"),
        ("0 0 30 feb */2", "never comes"),
    ],
)
def test_what_cron_or_a_timer_cannot_do_is_told(schedule: str, told: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        timer_settings(schedule)
    assert told in str(caught.value)
