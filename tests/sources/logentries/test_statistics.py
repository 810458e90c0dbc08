"""The statistics in an answer: one rule for every value, whatever shape the groups have, and nothing that crashes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.simulators.log_search import LOG, Question, final_answer
from importer.sources.logentries.statistics import Statistics, parse_statistics, time_text, value_of
from tests.leexport.answers import answer, statistics_answer

NAMES = st.sampled_from(
    ("statistics", "timeseries", "groups", "stats", "type", "from", "to", "granularity", "count", "leql", "during")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=6),
    max_leaves=20,
)


def groups_of(*groups: object, **statistics: object) -> tuple[tuple[str, Any], ...] | None:
    return parse_statistics(statistics_answer(groups=list(groups), **statistics)).groups


# Recorded answers


def test_a_time_series_has_a_value_a_point_and_a_total() -> None:
    assert parse_statistics(answer("timeseries")) == Statistics(
        start_ms=1549383600000,
        end_ms=1549384200000,
        granularity_ms=120000,
        series=(31.0, 28.0, 0.0, 40.5, 33.0),
        groups=None,
        total=132.5,
    )


def test_times_count_from_the_begin_of_the_window_in_utc() -> None:
    statistics = parse_statistics(answer("timeseries"))
    assert statistics.times_ms()[:2] == (1549383600000, 1549383720000)
    assert statistics.time_texts()[-1] == "2019-02-05T16:28:00Z"
    assert len(statistics.times_ms()) == 5


def test_what_was_calculated_is_the_value() -> None:
    statistics = parse_statistics(answer("timeseries_average"))
    assert (statistics.series, statistics.total) == ((8.0, 9.5), 8.75)


def test_a_series_without_points_is_a_series() -> None:
    statistics = parse_statistics(answer("timeseries_empty"))
    assert (statistics.series, statistics.times_ms(), statistics.kind) == ((), (), "a time series")


def test_groups_keep_their_order_and_their_letters() -> None:
    statistics = parse_statistics(answer("groups"))
    assert statistics.groups == (("200", 802.0), ("301", 17.0), ("404", 39.0), ("München", 2.0))
    assert (statistics.series, statistics.total, statistics.kind) == (None, 860.0, "groups")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (answer("events_next"), "the answer holds events, not statistics"),
        ({"statistics": None, "events": []}, "the answer holds events, not statistics"),
        ({"logs": []}, "the answer holds no statistics"),
        ({"statistics": []}, "the statistics in the answer are no object"),
        ([], "the answer is no JSON object"),
        (statistics_answer(timeseries={"global_timeseries": {}}), "the time series in the answer is no list of points"),
        (statistics_answer(groups=["200"]), "a group in the answer is no object"),
    ],
)
def test_an_answer_that_is_of_no_use_is_told_in_one_line(content: object, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}$"):
        parse_statistics(content)


@pytest.mark.parametrize(
    "statement", ["where(a) calculate(average:ms)", "where(a) calculate(count)", "where(a) groupby(status)"]
)
def test_what_the_simulator_makes_up_can_be_read(statement: str) -> None:
    statistics = parse_statistics(final_answer(Question((LOG,), statement, 1549383600000, 1549384200000)))
    values = list(statistics.series or ()) + [value for _, value in statistics.groups or ()]
    assert values
    assert None not in values
    assert statistics.total


# Values


@pytest.mark.parametrize(
    ("values", "calculation", "expected"),
    [
        ({"min": 1, "average": 11.5, "count": 3}, "average", 11.5),
        ({"min": 1, "count": 3}, "average", 3),
        ({"min": 1, "max": 2}, "average", 1),
        ({"count": 3}, None, 3),
        ({"count": 3}, ["count"], 3),
        ({"count": None, "min": 1}, "count", None),
        ({"count": "3"}, "count", None),
        ({"count": True}, "count", None),
        ({"count": float("inf")}, "count", None),
        ({"count": 10**400}, "count", None),
        ({}, "count", None),
        (None, "count", None),
        (7, "count", 7),
    ],
)
def test_one_rule_says_what_the_value_is(values: object, calculation: object, expected: float | None) -> None:
    assert value_of(values, calculation) == expected


def test_whole_numbers_stay_whole_and_others_do_not() -> None:
    points = [{"count": 3}, {"count": 3.0}, {"count": 9007199254740993}]
    statistics = parse_statistics(statistics_answer(timeseries={"t": points}))
    assert repr(statistics.series) == "(3, 3.0, 9007199254740993)"


def test_the_first_of_several_series_counts_with_its_own_total() -> None:
    content = statistics_answer(
        type="sum", count=9, timeseries={"b": [{"sum": 1}], "a": [{"sum": 2}]}, stats={"a": {"sum": 2}, "b": {"sum": 1}}
    )
    statistics = parse_statistics(content)
    assert (statistics.series, statistics.total) == ((1,), 1)


@pytest.mark.parametrize("stats", [None, {}, {"other": {"count": 1}}, {"t": {}}, {"t": 5}])
def test_without_a_total_of_the_series_the_count_of_all_is_the_total(stats: object) -> None:
    content = statistics_answer(type="sum", count=9, timeseries={"t": [{"sum": 1}]}, stats=stats)
    assert parse_statistics(content).total == 9


def test_an_answer_may_have_both_a_series_and_groups() -> None:
    statistics = parse_statistics(statistics_answer(timeseries={"t": [{"count": 1}]}, groups=[{"a": {"count": 2}}]))
    assert (statistics.series, statistics.groups) == ((1,), (("a", 2),))
    assert statistics.kind == "a time series and groups"


def test_an_empty_list_of_groups_means_none_where_there_is_a_series() -> None:
    assert parse_statistics(statistics_answer(timeseries={"t": []}, groups=[])).groups is None
    assert parse_statistics(statistics_answer(timeseries={}, groups=[])).groups == ()
    assert parse_statistics(statistics_answer(timeseries={})).groups is None
    assert parse_statistics(statistics_answer()).kind == "neither a time series nor groups"


# Groups inside of groups


@pytest.mark.parametrize(
    "group",
    [
        {"web": {"count": 5, "groups": [{"/": {"count": 2}}, {"/a": {"count": 3}}]}},
        {"web": {"groups": [{"/": {"count": 2}, "/a": {"count": 3}}]}},
        {"web": {"count": 5}, "groups": [{"/": {"count": 2}}, {"/a": {"count": 3}}]},
        {"web": {"/": {"count": 2}, "/a": {"count": 3}}},
        {"web": {"/": 2, "groups": [{"/": 2}, {"/a": 3}]}},
    ],
)
def test_labels_of_groups_inside_of_groups_are_joined(group: object) -> None:
    assert groups_of(group, {"db": {"count": 7}}) == (("web / /", 2), ("web / /a", 3), ("db", 7))


def test_three_fields_make_labels_of_three_parts() -> None:
    group = {"a": {"groups": [{"b": {"groups": [{"c": {"count": 1}}]}}]}}
    assert groups_of(group) == (("a / b / c", 1),)


def test_a_group_may_be_called_groups_or_be_empty() -> None:
    assert groups_of({"groups": {"count": 1}}, {"": {"count": 2}}, {"b": {}}, {"c": {"count": 3, "groups": []}}) == (
        ("groups", 1),
        ("", 2),
        ("b", None),
        ("c", 3),
    )


def test_groups_nested_beyond_all_reason_are_told() -> None:
    group: dict[str, Any] = {"a": {"count": 1}}
    for _ in range(100):
        group = {"a": {"groups": [group]}}
    with pytest.raises(ValueError, match="nested too deeply"):
        groups_of(group)


# Times


def test_times_come_from_the_query_where_the_statistics_lack_them() -> None:
    content = statistics_answer(granularity=1000, timeseries={"t": [{"count": 1}]})
    content["leql"] = {"during": {"from": 5000, "to": 6000.0}}
    statistics = parse_statistics(content)
    assert (statistics.times_ms(), statistics.end_ms) == ((5000,), 6000)


@pytest.mark.parametrize("missing", [{"from": None}, {"granularity": None}, {"granularity": 0}, {"from": "noon"}])
def test_points_without_times_are_told(missing: dict[str, object]) -> None:
    content = statistics_answer(**({"from": 1, "granularity": 1, "timeseries": {"t": [{"count": 1}]}} | missing))
    statistics = parse_statistics(content)
    with pytest.raises(ValueError, match="from or granularity is missing"):
        statistics.time_texts()


@pytest.mark.parametrize(("milliseconds", "text"), [(0, "1970-01-01T00:00:00Z"), (1999, "1970-01-01T00:00:01Z")])
def test_times_are_cut_to_whole_seconds(milliseconds: int, text: str) -> None:
    assert time_text(milliseconds) == text


@pytest.mark.parametrize("milliseconds", [10**15, 10**25, -(10**25)])
def test_a_time_beyond_the_calendar_is_told(milliseconds: int) -> None:
    with pytest.raises(ValueError, match=r"^a time in the answer is beyond the calendar$"):
        time_text(milliseconds)


@given(JSON)
def test_no_json_at_all_raises_anything_but_value_error(content: object) -> None:
    for whole in (
        content,
        {"statistics": content},
        {"statistics": {"groups": [content], "timeseries": {"t": content}}},
    ):
        try:
            statistics = parse_statistics(whole)
            statistics.time_texts()
        except ValueError as error:
            assert "\n" not in str(error)


@given(st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_every_value_comes_back_as_it_was(values: list[float]) -> None:
    content = statistics_answer(type="sum", timeseries={"t": [{"count": 0, "sum": value} for value in values]})
    assert list(parse_statistics(content).series or ()) == values
