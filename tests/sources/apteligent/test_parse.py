"""The vendor's answers are read item by item: what is wrong costs itself, a null costs nothing."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.sources.apteligent.parse import parse_apps, parse_graph, parse_live, parse_pie, parse_utc
from tests.apteligent import golden

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ("data", "series", "points", "start", "interval", "slices", "label", "value", "time", "success")
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_json_at_all_raises_anything_but_value_error(answer: object) -> None:
    for parse in (
        parse_apps,
        parse_pie,
        parse_utc,
        lambda value: parse_graph(value, "dau"),
        lambda value: parse_live(value, latest=4e9),
        lambda value: parse_graph({"data": value}, "dau"),
        lambda value: parse_pie({"data": {"slices": [value]}}),
        lambda value: parse_live({"success": 1, "periodic_data": [value]}, latest=4e9),
    ):
        try:
            parse(answer)
        except ValueError as error:
            assert "\n" not in str(error)


@given(st.lists(st.none() | st.integers(-(2**60), 2**60), max_size=40))
def test_the_day_of_a_point_is_the_start_plus_its_index(points: list[int | None]) -> None:
    answer = {"data": {"start": "2016-04-29T00:00:00", "interval": 86400, "series": [{"points": points}]}}
    series = parse_graph(answer, "dau")
    first = date(2016, 4, 29).toordinal()
    assert series.days == {date.fromordinal(first + index): value for index, value in enumerate(points)}


def test_a_start_that_is_not_midnight_or_has_an_offset_is_the_day_that_it_names() -> None:
    for start in ("2016-05-01T07:00:00", "2016-05-01T00:00:00+02:00", "2016-05-01T23:00:00Z", "2016-05-01"):
        answer = {"data": {"start": start, "interval": 86400.0, "series": [{"points": [5]}]}}
        assert parse_graph(answer, "dau").days == {date(2016, 5, 1): 5}


def test_of_several_series_the_one_with_the_metrics_name_counts() -> None:
    series = [{"name": "mau", "points": [1]}, {"name": "dau", "points": [2]}]
    answer = {"data": {"start": "2016-05-01", "interval": 86400, "series": series}}
    assert parse_graph(answer, "dau").days == {date(2016, 5, 1): 2}
    assert parse_graph(answer, "crashes").days == {date(2016, 5, 1): 1}


def test_a_damaged_point_is_a_problem_and_a_null_is_not() -> None:
    answer = {"data": {"start": "2016-05-01", "interval": 86400, "series": [{"points": ["x", None, 3]}]}}
    series = parse_graph(answer, "dau")
    assert series.days == {date(2016, 5, 2): None, date(2016, 5, 3): 3}
    assert series.problems == ("points[0] is text, expected a number",)


def test_the_label_of_a_slice_counts_and_its_name_where_there_is_none() -> None:
    slices = [
        {"name": "ios6.1.3", "label": "iOS 6.1.3", "value": 1},
        {"name": "only a name", "value": 2.5},
        {"label": "null value", "value": None},
        {"label": "no value"},
    ]
    found = parse_pie({"data": {"end": "x", "slices": slices}})
    assert (found.values, found.end, found.problems) == ({"iOS 6.1.3": 1, "only a name": 2.5}, "x", ())


def test_buckets_come_out_oldest_first_in_whole_seconds() -> None:
    answer = {"success": 1, "periodic_data": [{"time": 1462231519999, "app_loads": 2}, {"time": 1462231500000}]}
    buckets = parse_live(answer, latest=2e9).buckets
    assert [(bucket.epoch_seconds, bucket.values) for bucket in buckets] == [
        (1462231500, {}),
        (1462231519, {"app_loads": 2}),
    ]


def test_apps_keep_all_but_their_links() -> None:
    apps = parse_apps(golden("apps"))
    assert len(apps) == 3
    assert all("links" not in attributes and attributes["appName"] for attributes in apps.values())


@pytest.mark.parametrize(
    "text", ["2016-05-03T00:00:00", "2016-05-03T00:00:00Z", "2016-05-02T20:00:00-04:00", "2016-05-03T05:30+05:30"]
)
def test_a_time_without_an_offset_is_utc(text: str) -> None:
    assert parse_utc(text) == 1462233600


@pytest.mark.parametrize("text", [None, 5, "", "now", "1969-12-31T23:59:59", "0001-01-01T00:00+23:00"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"^data\.end "):
        parse_utc(text)
