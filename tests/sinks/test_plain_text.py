import logging
import string
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.points import Point
from importer.sinks.plain_text import (
    MAX_NAME_BYTES,
    Names,
    clean_element,
    clean_path_text,
    format_timestamp,
    format_value,
    join_lines,
    lines,
    parse_lines,
)
from tests.sinks.strategies import ANY_TEXT, NUMBERS, POINTS, TIMESTAMPS

DELETED = "(){}[]!\"#$%&'*+/<=>?@\\^`|~\t\n\r\v\f"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Ute & Van.au: Classifieds (beta)", "Ute__Van-au__Classifieds_beta"),
        ("6.6.1 (3705)", "6-6-1_3705"),
        ("7.0-rc/1", "7-0-rc1"),
        ("6, patch: 2; hot", "6__patch__2__hot"),
        ("???", "_"),
        ("", "_"),
        ("api.bikeshop.example", "api-bikeshop-example"),
        ("a.b", "a-b"),
        ("a  ..b", "a__--b"),
        ("Fahrräder 自転車", "Fahrräder_自転車"),
        ("a\tb\nc\rd\ve\ff", "abcdef"),
        ("a\x00b\x1bc\x7fd\x85e", "abcde"),
        ("a\u00a0b\u2028c\u2029d\u3000e", "abcde"),
        ("a\ud800b", "ab"),
    ],
)
def test_an_element_is_cleaned_by_the_old_rules_and_of_what_breaks_a_line(text: str, cleaned: str) -> None:
    assert clean_element(text) == cleaned


def test_every_printable_ascii_character_is_kept_replaced_or_deleted_as_the_rules_say() -> None:
    replaced = {".": "-", " ": "_", ",": "_", ":": "_", ";": "_"}
    for char in string.printable:
        expected = "" if char in DELETED else replaced.get(char, char)
        assert clean_element(f"a{char}b") == f"a{expected}b", char


def test_a_path_given_as_one_string_keeps_its_dots_and_commas() -> None:
    assert clean_path_text(f"a.b,c:d;e{DELETED}.f") == "a.b,c:d;e.f"


def test_a_blank_in_a_path_given_as_one_string_does_not_part_the_line() -> None:
    assert clean_path_text("my prefix.web\u2003") == "my_prefix.web"


def test_no_white_space_or_control_of_any_alphabet_survives() -> None:
    spaces = [char for char in map(chr, range(sys.maxunicode + 1)) if char.isspace()]
    controls = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
    for char in spaces + controls:
        for cleaned in (clean_element(f"a{char}b"), clean_path_text(f"a{char}b")):
            assert cleaned in {"ab", "a_b"}, hex(ord(char))


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean_element(clean_element(text)) == clean_element(text)
    assert clean_path_text(clean_path_text(text)) == clean_path_text(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345678, "12345678"),
        (10**22, "10000000000000000000000"),
        (1e22, "10000000000000000000000.0"),
        (1e16, "10000000000000000.0"),
        (-1e300, f"{int(-1e300)}.0"),
        (0.1234567, "0.1234567"),
        (182.3456789, "182.3456789"),
        (1e-7, "1e-07"),
        (0, "0"),
        (True, "1.0"),
    ],
)
def test_a_value_has_all_its_digits_no_exponent_when_whole_and_a_point_when_real(value: float, text: str) -> None:
    assert format_value(value) == text


@given(NUMBERS)
def test_a_value_reads_back_the_same(value: float) -> None:
    text = format_value(value)
    assert float(text) == float(value)
    if isinstance(value, int):
        assert int(text) == value


@given(st.floats(1e15, allow_nan=False, allow_infinity=False).map(float.__trunc__).map(float))
def test_a_whole_float_never_has_an_exponent(value: float) -> None:
    assert "e" not in format_value(value)


@given(TIMESTAMPS)
@example(4294967295.9999)
def test_a_timestamp_has_three_decimals_and_stays_in_range(timestamp: float) -> None:
    text = format_timestamp(timestamp)
    assert len(text.partition(".")[2]) == 3
    assert abs(float(text) - timestamp) <= 0.001
    assert float(text) < 2**32


@given(st.lists(POINTS, max_size=5))
def test_carbon_reads_back_the_name_value_and_time_of_every_line(points: list[Point]) -> None:
    names = Names()
    received = join_lines(lines(points, names)).split(b"\n")
    assert received.pop() == b""
    assert len(received) == len(points)
    for line, point in zip(received, points, strict=True):
        # what carbon's line receiver does
        name, value, timestamp = line.decode("utf-8").strip().split()
        assert name == names[point.path, point.labels]
        assert len(name.split(".")) == len(point.path) + len(point.labels)
        assert all(name.split("."))
        assert float(value) == float(point.value)
        assert abs(float(timestamp) - point.timestamp) <= 0.001


@given(st.lists(POINTS, min_size=1, max_size=5))
def test_lines_read_back_as_the_points_they_were(points: list[Point]) -> None:
    names = Names()
    parsed = parse_lines(join_lines(lines(points, names)))
    assert [(point.path, point.value) for point in parsed] == [
        ((names[point.path, point.labels],), float(point.value)) for point in points
    ]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"a.b 1 1462147200.000",
        b"a.b 1\n",
        b"a.b 1 1462147200.000 x\n",
        b"a.b one 1462147200.000\n",
        b"a.b nan 1462147200.000\n",
        b"a.b 1 -5\n",
        b" 1 1462147200.000\n",
        b"a\tb 1 1462147200.000\n",
        b"a.\xff 1 1462147200.000\n",
        b"a.b 1 1462147200.000\n\n",
    ],
)
def test_damaged_lines_are_a_value_error(damaged: bytes) -> None:
    with pytest.raises(ValueError):
        parse_lines(damaged)


def test_labels_follow_the_path_by_the_alphabet_of_their_names() -> None:
    labels = (("zone", "eu west"), ("host", "web.1"))
    assert lines([Point(("shop", "dau"), 5, 60, labels)], Names()) == ["shop.dau.web-1.eu_west 5 60.000"]


def test_the_same_path_with_and_without_labels_has_two_names() -> None:
    names = Names()
    assert (names[("a",), ()], names[("a",), (("b", "c"),)]) == ("a", "a.c")


def test_a_name_that_is_too_long_is_left_out_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    names = Names()
    long = Point(("é" * (MAX_NAME_BYTES // 2 + 1),), 1, 60)
    short = Point(("a" * MAX_NAME_BYTES,), 1, 60)
    for _ in range(3):
        assert lines([long, short, long], names) == [f"{'a' * MAX_NAME_BYTES} 1 60.000"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"bytes={MAX_NAME_BYTES + 2}" in record.getMessage()
    assert len(record.getMessage()) < 400


def test_the_memory_for_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importer.sinks.plain_text.MAX_CACHED_NAMES", 10)
    names = Names()
    for number in range(95):
        assert names[(f"n{number}",), ()] == f"n{number}"
    assert len(names) <= 10
