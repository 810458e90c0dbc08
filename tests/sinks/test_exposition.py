import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from importer.points import Labels, Point
from importer.sinks import exposition
from importer.sinks.exposition import (
    Reading,
    Series,
    SeriesTable,
    clean_label_name,
    clean_name,
    expose,
    newest,
    parse_row,
    sample_line,
    sample_row,
    without_expired,
)
from tests.sinks.strategies import LABELS, POINTS

NOW = 1_462_147_200


def read_back(text: bytes) -> dict[Series, float]:
    """Return what Prometheus' own client reads in a text; fails where a series is there twice."""
    samples = [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]
    found = {Series(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(found) == len(samples)
    assert all(sample.timestamp is None for sample in samples)
    return found


@given(st.lists(POINTS, max_size=5))
def test_every_point_is_read_back_with_its_series_and_value_whatever_it_is_called(points: list[Point]) -> None:
    samples = newest(points, SeriesTable())
    text = expose(samples)
    assert read_back(text) == {series: float(reading.value) for series, reading in samples.items()}
    assert text.count(b"\n") == len(samples) + 2 * len({series.name for series in samples})


@given(POINTS)
def test_names_and_labels_are_those_that_prometheus_allows(point: Point) -> None:
    series = SeriesTable()[point.path, point.labels]
    assert re.fullmatch("[a-zA-Z_:][a-zA-Z0-9_:]*", series.name)
    for name, value in series.labels:
        assert re.fullmatch("(?!__)[a-zA-Z_][a-zA-Z0-9_]*", name)
        assert value
    assert list(series.labels) == sorted(series.labels)


@given(POINTS)
def test_a_sample_is_one_line_and_has_all_its_digits_when_it_is_kept(point: Point) -> None:
    ((series, reading),) = newest([point], SeriesTable()).items()
    row = sample_row(series, reading)
    assert row.isascii()
    assert len(row.splitlines()) == 1
    assert parse_row(json.loads(row)) == (series, reading)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("shop", "Bike Shop", "appLoads"), "shop_Bike_Shop_appLoads"),
        (("6.6.1", "dau"), "_6_6_1_dau"),
        (("Fahrräder", "自"), "Fahrr_der__"),
        (("a:b",), "a:b"),
        (("",), "_"),
        (("٣",), "_"),
    ],
)
def test_a_name_is_made_legal(path: tuple[str, ...], name: str) -> None:
    assert clean_name(path) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app.version", "app_version"),
        ("2nd", "_2nd"),
        ("a:b", "a_b"),
        ("", "_"),
        ("__name__", "_name__"),
        ("____", "_"),
        ("job", "exported_job"),
        ("instance", "exported_instance"),
    ],
)
def test_a_label_is_made_legal_and_takes_no_name_that_prometheus_uses(text: str, name: str) -> None:
    assert clean_label_name(text) == name


def test_a_label_without_a_value_is_none() -> None:
    assert SeriesTable()[("n",), (("os", ""), ("zone", "eu"))] == Series("n", (("zone", "eu"),))


def test_the_newest_value_counts_whatever_the_order_and_of_equal_times_the_later() -> None:
    points = [Point(("n",), value, NOW + seconds) for value, seconds in ((1, 0), (2, 60), (3, 60), (4, 30))]
    assert newest(points, SeriesTable()) == {Series("n", ()): Reading(NOW + 60, 3)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Point(("a b",), 1, NOW), Point(("a", "b"), 2, NOW)),
        (Point(("n",), 1, NOW, (("o.s", "ios"),)), Point(("n",), 2, NOW, (("o_s", "ios"),))),
    ],
)
def test_two_series_that_become_one_share_the_later_value_and_are_warned_of_once(
    first: Point, second: Point, caplog: pytest.LogCaptureFixture
) -> None:
    table = SeriesTable()
    for _ in range(2):
        samples = newest([first, second], table)
    assert [reading.value for reading in samples.values()] == [2]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_two_labels_that_become_one_have_the_later_value_and_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    labels: Labels = (("o.s", "ios"), ("o_s", "android"))
    assert SeriesTable()[("n",), labels].labels == (("o_s", "android"),)
    assert "labels become one" in caplog.text


def test_different_series_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    newest([Point(("a",), 1, NOW), Point(("b",), 1, NOW), Point(("a",), 1, NOW, (("os", "ios"),))], SeriesTable())
    assert caplog.records == []


def test_a_table_of_series_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "MAX_CACHED_SERIES", 3)
    table = SeriesTable()
    assert [table[(f"n{number}",), ()].name for number in range(10)] == [f"n{number}" for number in range(10)]
    assert len(table) <= 3


def test_the_text_is_that_of_gauges_without_times_in_the_order_of_names() -> None:
    samples = {
        Series("shop_dau", (("os", "ios"),)): Reading(NOW, 3),
        Series("pages", ()): Reading(NOW, 0.5),
        Series("shop_dau", (("os", 'a"b\\c\nd'),)): Reading(NOW, -1),
    }
    assert expose(samples).decode() == (
        "# HELP pages Newest value that metrics-importer was given.\n"
        "# TYPE pages gauge\n"
        "pages 0.5\n"
        "# HELP shop_dau Newest value that metrics-importer was given.\n"
        "# TYPE shop_dau gauge\n"
        'shop_dau{os="a\\"b\\\\c\\nd"} -1.0\n'
        'shop_dau{os="ios"} 3.0\n'
    )


def test_samples_from_before_a_time_are_left_out() -> None:
    samples = {Series(name, ()): Reading(timestamp, 1) for name, timestamp in (("old", 59), ("exact", 60), ("new", 61))}
    assert [series.name for series in without_expired(samples, before=60)] == ["exact", "new"]


@given(LABELS)
def test_a_sample_is_shown_on_one_line(labels: Labels) -> None:
    assert len(sample_line(SeriesTable()[("n",), labels], 1).splitlines()) == 1


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        ["n", [], NOW],
        ["n", [], NOW, "1"],
        ["n", [], NOW, float("nan")],
        ["n", [], -1, 1],
        ["a b", [], NOW, 1],
        ["n\n", [], NOW, 1],
        ["n", {}, NOW, 1],
        ["n", [["os"]], NOW, 1],
        ["n", [["o s", "ios"]], NOW, 1],
        ["n", [["__name__", "m"]], NOW, 1],
        ["n", [["os", ""]], NOW, 1],
        ["n", [["os", "a"], ["os", "b"]], NOW, 1],
        ["n", [["b", "1"], ["a", "1"]], NOW, 1],
    ],
)
def test_what_we_would_not_write_is_no_row(row: object) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_row(row)
