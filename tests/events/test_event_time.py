"""Times that events bring along are read by their size or by RFC 3339, and come back with all their digits."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.events.event_time import format_time, parse_time

SECOND = 1461587388


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (SECOND, SECOND * 10**9),
        (SECOND * 10**3 + 848, SECOND * 10**9 + 848 * 10**6),
        (SECOND * 10**6 + 848944, SECOND * 10**9 + 848944 * 10**3),
        (SECOND * 10**9 + 848944949, SECOND * 10**9 + 848944949),
        (SECOND + 0.5, SECOND * 10**9 + 5 * 10**8),
        (1461587388.844949, SECOND * 10**9 + 844949000),
        (0, 0),
        (-1, -(10**9)),
        ("2016-04-25T12:29:48Z", SECOND * 10**9),
        ("2016-04-25t12:29:48.844949259z", SECOND * 10**9 + 844949259),
        ("2016-04-25T13:29:48.5+01:00", SECOND * 10**9 + 5 * 10**8),
        ("2016-04-25 12:29:48.1234567899Z", SECOND * 10**9 + 123456789),
        ("1969-12-31T23:59:59.25Z", -(10**9) + 25 * 10**7),
    ],
)
def test_a_time_is_read_by_its_form(value: object, nanoseconds: int) -> None:
    assert parse_time(value) == nanoseconds


@pytest.mark.parametrize(
    "value",
    [
        *("", "now", "2016-04-25", "2016-04-25T12:29:48", "2016-13-25T12:29:48Z", "2016-04-25T12:61:48Z"),
        *("Mon 25 Apr 2016 13:29:48 BST", "1461587388", "9999-04-25T12:29:48Z", "0001-01-01T00:00:00Z"),
        *("٢٠١٦-04-25T12:29:48Z", "2016-04-25T12:29:48+99:99"),
        *(True, None, [], {}, 1e300, -1e300, 2**63, -(2**63), 1e30),
    ],
)
def test_what_tells_no_time_that_can_be_stored_is_none(value: object) -> None:
    assert parse_time(value) is None


@given(st.integers(-(2**63) + 2, 2**63 - 2))
def test_a_time_that_is_shown_can_be_read_again(nanoseconds: int) -> None:
    assert parse_time(format_time(nanoseconds)) == nanoseconds


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_a_time_is_read_as_python_reads_it(moment: datetime) -> None:
    exact = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (moment.resolution) * 1000
    assert parse_time(moment.isoformat()) == exact
