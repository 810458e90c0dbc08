"""What InfluxDB said of its columns, and rows that fit to it."""

import pytest

from importer.events.event import Value
from importer.events.influxdb import types
from importer.events.influxdb.lines import Row, Unsigned
from importer.events.influxdb.types import KnownTypes
from importer.sinks.influxdb_api import Complaint


def conflict(name: str, kind: str, *, measurement: str = "m") -> Complaint:
    text = f'partial write: field type conflict: input field "{name}" on measurement "{measurement}" is type float, '
    return Complaint(f"{text}already exists as type {kind} dropped=1")


def row(fields: dict[str, Value], tags: dict[str, str] | None = None, *, measurement: str = "m") -> Row:
    return Row(measurement, tags or {}, fields, 5)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", 3, {"v": "3"}),
        ("string", True, {"v": "True"}),
        ("string", 2.5, {"v": "2.5"}),
        ("float", 3, {"v": 3.0}),
        ("float", True, {"v_boolean": True}),
        ("float", "3", {"v_string": "3"}),
        ("integer", 3.0, {"v": 3}),
        ("integer", 2.5, {"v_float": 2.5}),
        ("integer", 1e300, {"v_float": 1e300}),
        ("integer", float("inf"), {"v_float": float("inf")}),
        ("integer", False, {"v_boolean": False}),
        ("boolean", 1, {"v_integer": 1}),
        ("boolean", "true", {"v_string": "true"}),
        ("unsigned", 3, {"v": Unsigned(3)}),
        ("unsigned", -3, {"v_integer": -3}),
    ],
)
def test_a_value_is_converted_or_stored_under_its_own_type(kind: str, value: Value, expected: dict[str, Value]) -> None:
    known = KnownTypes()
    assert known.learn([conflict("v", kind)], []) == {("m", "v")}
    fitted = known.fit(row({"v": value, "w": 1})).fields
    assert fitted == {"w": 1, **expected}
    assert {name: type(held) for name, held in fitted.items()} == {
        name: type(held) for name, held in {"w": 1, **expected}.items()
    }
    assert known.fit(row({"v": value}, measurement="other")).fields == {"v": value}


def test_the_other_name_may_have_a_type_of_its_own_too() -> None:
    known = KnownTypes()
    known.learn([conflict("v", "integer"), conflict("v_string", "boolean")], [])
    assert known.fit(row({"v": "text"})).fields == {"v_string_string": "text"}
    assert known.fit(row({"v": "text", "v_string_string": "own"})).fields == {
        "v_string_string": "own",
        "v_string_string_": "text",
    }


@pytest.mark.parametrize("kind", ["string", "float", "integer", "boolean", "unsigned"])
@pytest.mark.parametrize("value", ["text", 3, 2.5, True])
def test_a_tag_stays_whatever_becomes_of_the_field_of_its_name(kind: str, value: Value) -> None:
    known = KnownTypes()
    known.learn([conflict("v", kind)], [])
    assert known.fit(row({"v": value, "w": 1}, {"v": "x", "u": "y"})).tags == {"v": "x", "u": "y"}


def test_names_may_hold_what_messages_are_made_of() -> None:
    known = KnownTypes()
    name, measurement = 'a "b" is type x', "two\nlines"
    assert known.learn([conflict(name, "string", measurement=measurement)], []) == {(measurement, name)}


def test_influxdb_3_names_the_column_of_a_line() -> None:
    known = KnownTypes()
    rows = [row({"v": 1}), row({"v": 1}, measurement="n")]
    told = "invalid column type for column 'v', expected iox::column_type::field::string, got iox::column_type::tag"
    assert known.learn([Complaint(told, 1), Complaint("partial write of line protocol occurred")], rows) == {("n", "v")}
    assert known.fit(row({"w": 1}, {"v": "x"}, measurement="n")) == row({"w": 1, "v": "x"}, measurement="n")


def test_a_column_that_is_a_tag_in_influxdb_3_takes_what_can_be_one() -> None:
    known = KnownTypes()
    told = "invalid column type for column 'v', expected iox::column_type::tag, got iox::column_type::field::integer"
    known.learn([Complaint(told, 0)], [row({"v": 1})])
    assert known.fit(row({"w": 1, "v": 3})) == row({"w": 1}, {"v": "3"})
    assert known.fit(row({"w": 1, "v": "two\nlines"})) == row({"w": 1, "v_string": "two\nlines"})


def test_a_tag_that_influxdb_3_refuses_as_new_is_a_field() -> None:
    known = KnownTypes()
    told = "Detected a new tag 'page' in write. The tag set is immutable on first write to the table."
    known.learn([Complaint(told, 0)], [row({"v": 1}, {"page": "x"})])
    assert known.fit(row({"v": 1}, {"page": "x", "uid": "u"})) == row({"v": 1, "page": "x"}, {"uid": "u"})


def test_only_so_many_columns_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(types, "MAX_REMEMBERED", 2)
    known = KnownTypes()
    known.learn([conflict("a", "string"), conflict("b", "string", measurement="n")], [])
    assert known.fit(row({"a": 1})).fields == {"a": "1"}
    known.learn([conflict("c", "string")], [])
    assert known.fit(row({"a": 1, "c": 1})).fields == {"a": 1, "c": "1"}
    assert known.fit(row({"b": 1}, measurement="n")).fields == {"b": 1}
