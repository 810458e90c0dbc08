import logging
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.points import Point
from importer.simulators.influxdb_lines import Line, parse_line, parse_lines
from importer.sinks.line_protocol import (
    FieldValue,
    SeriesKeys,
    format_field,
    format_line,
    milliseconds,
    point_lines,
    series_key,
)
from importer.sinks.plain_text import Names, format_timestamp, join_lines
from tests.sinks.strategies import ANY_TEXT, LABELS, POINTS, TIMESTAMPS

WRITABLE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\\"), min_size=1)
"""What every version can write in a name or a tag."""
KEYS = WRITABLE.filter(lambda key: key not in {"time", "_field", "_measurement"})
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))
VALUES = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
MEASUREMENTS = WRITABLE.filter(lambda name: not name.startswith("#"))


@given(MEASUREMENTS, st.dictionaries(KEYS, WRITABLE), st.dictionaries(KEYS, VALUES, min_size=1), st.integers(0, 2**62))
def test_a_reader_gets_back_what_was_written(
    measurement: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue], timestamp: int
) -> None:
    tags = {key: text for key, text in tags.items() if key not in fields}
    line = parse_line(format_line(measurement, tags.items(), fields, timestamp))
    assert line == Line(measurement, tuple(sorted(tags.items())), dict(fields), timestamp)
    assert [type(value) for value in line.fields.values()] == [type(value) for value in fields.values()]


@given(ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT), st.dictionaries(ANY_TEXT, ANY_TEXT | VALUES, min_size=1))
def test_nothing_that_a_name_a_tag_or_a_text_holds_breaks_the_line(
    measurement: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue]
) -> None:
    text = format_line(measurement, tags.items(), fields, 60)
    assert len(text.splitlines()) == 1
    (line,), complaints = parse_lines(join_lines([text]))
    assert complaints == []
    assert len(line.fields) == len(fields)
    assert dict(line.tags).keys().isdisjoint({"time", "_field", "_measurement", *line.fields})


@given(st.lists(POINTS, max_size=5))
def test_points_are_read_back_with_the_names_of_graphite(points: list[Point]) -> None:
    lines, complaints = parse_lines(join_lines(point_lines(points, SeriesKeys())))
    assert complaints == []
    assert [(line.measurement, line.fields, line.timestamp) for line in lines] == [
        (Names()[point.path], {"value": float(point.value)}, milliseconds(point.timestamp)) for point in points
    ]


@given(LABELS)
def test_labels_that_differ_only_where_they_cannot_be_written_stay_as_many_tags(labels: tuple[tuple[str, str]]) -> None:
    line = parse_line(f"{series_key('m', labels)} value=1.0 60")
    written = [value for _, value in labels if value.encode("utf-8", "ignore")]
    assert len(line.tags) == len(written)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a\\", "a/"),
        ("a\\\\,b", "a//,b"),
        ("a\nb\r\tc", "a b  c"),
        ("\x00\x1f\x7f\x85\x9f", "     "),
        ("\u2028\u2029", "  "),
        ("\ud800a", "a"),
        ("", "_"),
    ],
)
def test_what_cannot_be_written_in_a_name_is_replaced(name: str, written: str) -> None:
    assert parse_line(format_line(name, [(name, "x")], {name: 1}, 60)) == Line(
        written, ((f"{written}_", "x"),), {written: 1}, 60
    )


@pytest.mark.parametrize(("name", "written"), [("#", "_"), ("#m", "_m"), ("m#", "m#"), (" #", " #")])
def test_no_measurement_becomes_a_comment(name: str, written: str) -> None:
    (line,), complaints = parse_lines(join_lines([format_line(name, [], {"value": 1}, 60)]))
    assert (line.measurement, complaints) == (written, [])


def test_a_text_keeps_its_backslashes() -> None:
    assert parse_line(format_line("m", [], {"text": '\\ \\\\ \\" \\'}, 60)).fields == {"text": '\\ \\\\ \\" \\'}


def test_the_tags_of_a_series_are_the_same_whatever_order_they_are_given_in() -> None:
    labels = [("a\n", "1"), ("a ", "2"), ("b", "3")]
    assert series_key("m", labels) == series_key("m", reversed(labels)) == r"m,a\ =1,a\ _=2,b=3"


@pytest.mark.parametrize("key", ["time", "_field", "_measurement", "value"])
def test_a_tag_never_has_a_name_that_influxdb_or_the_field_has(key: str) -> None:
    assert SeriesKeys()[("m",), ((key, "x"),)] == f"m,{key}_=x"


def test_a_renamed_tag_does_not_hide_one_that_has_that_name() -> None:
    assert series_key("m", [("time", "1"), ("time_", "2")]) == "m,time_=1,time__=2"


def test_tags_are_in_the_order_of_the_keys_that_are_written() -> None:
    assert series_key("m", [("time", "1"), ("time!", "2")]) == "m,time!=2,time_=1"


def test_a_field_is_renamed_before_a_tag_is() -> None:
    assert format_line("m", [("time_", "noon")], {"time": 1}, 60) == "m,time__=noon time_=1i 60"


@pytest.mark.parametrize("number", [7, 7.0, True, 10**30])
def test_the_value_of_a_point_is_always_a_float(number: float) -> None:
    (line,) = point_lines([Point(("m",), number, 60)], SeriesKeys())
    value = parse_line(line).fields["value"]
    assert type(value) is float
    assert value == float(number)


@pytest.mark.parametrize(
    ("timestamp", "stamp"),
    [
        (0, 0),
        (60, 60_000),
        (1462147200.1, 1462147200100),
        (1462147200.0004, 1462147200000),
        (1462147200.0006, 1462147200001),
        (2**32 - 1e-6, 2**32 * 1000 - 1),
    ],
)
def test_times_are_rounded_to_the_millisecond(timestamp: float, stamp: int) -> None:
    assert milliseconds(timestamp) == stamp


@given(TIMESTAMPS)
def test_a_time_is_the_one_that_graphite_gets(timestamp: float) -> None:
    assert milliseconds(timestamp) / 1000 == float(format_timestamp(timestamp))


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, float("nan"), float("inf"), float("-inf")])
def test_a_number_that_influxdb_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"64 bits|finite"):
        format_field(value)


def test_a_line_without_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="no fields"):
        format_line("m", [], {}, 60)


def test_a_series_that_is_too_long_is_told_once_and_does_not_cost_the_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    series = SeriesKeys()
    long = [Point(("m",), number, 60, (("label", "é" * 32_500),)) for number in range(3)]
    assert point_lines([*long, Point(("n",), 1, 60)], series) == ["n value=1.0 60000"]
    assert [record.getMessage()[:53] for record in caplog.records] == [
        "Labels too long for InfluxDB, their points are left o"
    ]


def test_a_name_that_is_too_long_for_graphite_is_left_out_here_too() -> None:
    assert point_lines([Point(("x" * 16_001,), 1, 60)], SeriesKeys()) == []


def test_ever_new_series_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importer.sinks.line_protocol.MAX_CACHED_NAMES", 2)
    series = SeriesKeys()
    assert [series[(name,), ()] for name in "abcde"] == list("abcde")
    assert len(series) <= 2
