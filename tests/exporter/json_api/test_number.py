"""Numbers, words that mean one, and dates become numbers, or it is said why not."""

import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.exporter.json_api.number import ISO_8601, NumberReader

TEN = 1767607200.0
"""2026-01-05 10:00:00 UTC."""


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300))
def test_numbers_are_read_also_from_text(number: float) -> None:
    assert NumberReader().read(number) == float(number)
    assert NumberReader().read(str(number)) == float(number)


@pytest.mark.parametrize(("value", "number"), [(True, 1), (False, 0), (" 0.75 ", 0.75), ("-.5e1", -5), ("+1.", 1)])
def test_other_forms_of_numbers_are_read(value: object, number: float) -> None:
    assert NumberReader().read(value) == number


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("n/a", 'is not a number: "n/a"'),
        ("", 'is not a number: ""'),
        ("nan", 'is not a number: "nan"'),
        ("1_000", 'is not a number: "1_000"'),
        ("0x1f", 'is not a number: "0x1f"'),
        ([], "is not a number: a list"),
        ({}, "is not a number: an object"),
        ("x" * 99, f'is not a number: "{"x" * 58}…'),
        (10**400, "is too large a number"),
        ("1e999", "is too large a number"),
        (math.inf, "is too large a number"),
    ],
)
def test_what_is_no_number_is_told(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^is ") as caught:
        NumberReader().read(value)
    assert str(caught.value) == reason


def test_words_are_mapped_before_they_are_read() -> None:
    reader = NumberReader(value_map={"OK": 1, "2": 20, "true": -1, "1.5": 15})
    assert [reader.read(value) for value in ("OK", "2", 2, True, 1.5, False, 7)] == [1, 20, 20, -1, 15, 0, 7]
    with pytest.raises(ValueError, match=r'^is not a number, nor in value_map: "FAIL"$'):
        reader.read("FAIL")
    with pytest.raises(ValueError, match=r"^is not a number, nor in value_map: a list$"):
        reader.read([])


def test_whatever_is_read_is_multiplied_by_the_scale() -> None:
    reader = NumberReader(value_map={"one": 1}, scale=0.001)
    assert [reader.read(value) for value in (250, "500", "one", True)] == [0.25, 0.5, 0.001, 0.001]


def test_what_the_scale_makes_too_large_is_told() -> None:
    with pytest.raises(ValueError, match=r"^is too large a number$"):
        NumberReader(scale=1e300).read(1e300)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05T10:00:00Z",
        "2026-01-05t10:00:00z",
        "2026-01-05T12:00:00+02:00",
        "2026-01-05 10:00:00.000Z",
        "20260105T100000Z",
        "2026-01-05T10:00:00",
    ],
)
def test_a_date_is_the_seconds_since_1970(text: str) -> None:
    assert NumberReader(time_format=ISO_8601).read(text) == TEN


def test_a_date_without_zone_is_of_the_given_one() -> None:
    reader = NumberReader(time_format=ISO_8601, zone=ZoneInfo("Europe/Berlin"))
    assert reader.read("2026-01-05T11:00:00") == TEN
    assert reader.read("2026-07-05T12:00:00") == reader.read("2026-07-05T10:00:00Z")
    assert reader.read("2026-01-05T10:00:00Z") == TEN


def test_a_date_may_have_another_form() -> None:
    assert NumberReader(time_format="%d.%m.%Y %H:%M").read("05.01.2026 10:00") == TEN
    assert NumberReader(time_format="%d/%b/%Y:%H:%M:%S %z").read("05/Jan/2026:12:00:00 +0200") == TEN
    assert NumberReader(time_format="%Y%m%d").read(20260105) == TEN - 36000
    assert NumberReader(time_format=ISO_8601, value_map={"never": 0}).read("never") == 0


@pytest.mark.parametrize("value", ["yesterday", "", "2026-13-01", True, [], 5])
def test_what_is_no_date_is_told(value: object) -> None:
    with pytest.raises(ValueError, match=r"^is not a date in the form iso8601: "):
        NumberReader(time_format=ISO_8601).read(value)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "0001-01-01T00:00:00+23:00"])
def test_dates_at_the_ends_of_the_calendar_do_no_harm(text: str) -> None:
    for zone in ("UTC", "Asia/Tokyo", "America/Lima"):
        assert abs(NumberReader(time_format=ISO_8601, zone=ZoneInfo(zone)).read(text)) < 1e12
