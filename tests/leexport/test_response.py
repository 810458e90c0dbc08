"""The answers as objects that users' services know: names and results as in the old package, its faults mended."""

import json
from collections.abc import Callable

import pytest

from importer.leexport.response import (
    DATEFORMAT,
    GroupByStatisticsResponse,
    QueryLeql,
    QueryResponse,
    StatisticsResponse,
    TimeSeriesStatisticsResponse,
)
from importer.leexport.rest_response import LeRestResponse
from tests.leexport.answers import answer, statistics_answer

SERIES = answer("timeseries")
GROUPS = answer("groups")
TIMES = [f"2019-02-05T16:{minute}:00Z" for minute in (20, 22, 24, 26, 28)]
VALUES = [31.0, 28.0, 0.0, 40.5, 33.0]


def test_the_format_of_times_is_the_old_one() -> None:
    assert DATEFORMAT == "%Y-%m-%dT%H:%M:%SZ"


# What kind of answer it is


@pytest.mark.parametrize(
    ("data", "events", "statistics"),
    [
        ({"events": []}, True, False),
        ({"events": None, "statistics": {}}, False, True),
        ({"statistics": None}, False, False),
        (answer("events_next"), True, False),
        (SERIES, False, True),
    ],
)
def test_an_empty_list_of_events_counts_and_a_null_does_not(
    data: dict[str, object], events: bool, statistics: bool
) -> None:
    assert QueryResponse.is_events(data) is events
    assert QueryResponse.is_statistics(data) is statistics
    assert QueryResponse(data).data is data


@pytest.mark.parametrize(
    ("data", "groups", "series"),
    [
        (GROUPS, True, False),
        (SERIES, False, True),
        (answer("timeseries_empty"), False, True),
        (statistics_answer(groups=None, timeseries={}), False, False),
        ({}, False, False),
    ],
)
def test_groups_and_series_are_there_when_they_are_not_empty(
    data: dict[str, object], groups: bool, series: bool
) -> None:
    assert StatisticsResponse.is_groupby(data) is groups
    assert StatisticsResponse.is_timeseries(data) is series


# Statistics in general


def test_the_getters_give_what_the_vendor_said() -> None:
    response = StatisticsResponse(SERIES)
    assert (response.get_from(), response.get_to()) == (1549383600000, 1549384200000)
    assert (response.get_granularity(), response.get_count()) == (120000, 132.5)
    assert response.statistics is SERIES["statistics"]
    assert response.leql.during == {"from": 1549383600000, "to": 1549384200000}
    assert response.leql.statement == "where(status>=200) calculate(count)"


@pytest.mark.parametrize("data", [{}, {"leql": None, "statistics": None}, {"leql": {"during": None}}])
def test_what_the_vendor_leaves_out_is_none(data: dict[str, object]) -> None:
    response = StatisticsResponse(data)
    assert response.leql.during == {"from": None, "to": None}
    found = (response.leql.statement, response.get_from(), response.get_to(), response.get_granularity())
    assert (*found, response.get_count()) == (None,) * 5


@pytest.mark.parametrize("method", ["get_data_length", "get_keys", "get_values"])
def test_the_class_that_others_derive_from_knows_no_values(method: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(StatisticsResponse(SERIES), method)()


def test_answers_and_queries_are_shown_as_sorted_json() -> None:
    assert json.loads(StatisticsResponse(SERIES).to_json()) == {
        "data": SERIES,
        "leql": {"during": SERIES["leql"]["during"], "statement": SERIES["leql"]["statement"]},
        "statistics": SERIES["statistics"],
    }
    expected = '{\n    "during": {\n        "from": 1,\n        "to": 2\n    },\n    "statement": "where(a)"\n}'
    assert QueryLeql(1, 2, "where(a)").to_json() == expected


# Over time


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_a_series_has_times_in_utc_wherever_it_is_read(zone: str, set_time_zone: Callable[[str], None]) -> None:
    set_time_zone(zone)
    response = TimeSeriesStatisticsResponse(SERIES)
    assert response.get_keys() == TIMES
    assert response.convert_timestamp_to_str(1700000130999) == "2023-11-14T22:15:30Z"
    assert TimeSeriesStatisticsResponse.convert_timestamp_to_str("1700000040000") == "2023-11-14T22:14:00Z"


def test_a_series_has_points_and_values() -> None:
    response = TimeSeriesStatisticsResponse(SERIES)
    assert response.get_timeseries() == [{"count": value} for value in VALUES]
    assert (response.get_values(), response.get_data_length()) == (VALUES, 5)
    assert response.get_count() == 132.5


def test_a_series_of_averages_has_their_values_and_total() -> None:
    response = TimeSeriesStatisticsResponse(answer("timeseries_average"))
    assert (response.get_values(), response.get_count()) == ([8.0, 9.5], 8.75)


@pytest.mark.parametrize("data", [answer("timeseries_empty"), statistics_answer(count=0), GROUPS])
def test_a_series_without_points_has_neither_times_nor_values(data: dict[str, object]) -> None:
    response = TimeSeriesStatisticsResponse(data)
    assert (response.get_timeseries(), response.get_keys(), response.get_values()) == ([], [], [])
    assert response.get_data_length() == 0


def test_a_series_without_a_begin_raises_what_says_so() -> None:
    response = TimeSeriesStatisticsResponse(statistics_answer(timeseries={"t": [{"count": 1}]}))
    with pytest.raises(ValueError, match="from or granularity is missing"):
        response.get_keys()


# Groups


def test_groups_have_labels_and_values_in_their_order() -> None:
    response = GroupByStatisticsResponse(GROUPS)
    assert response.get_keys() == ["200", "301", "404", "München"]
    assert response.get_values() == [802.0, 17.0, 39.0, 2.0]
    assert (response.get_data_length(), response.get_count()) == (4, 860.0)
    assert response.get_groups() == GROUPS["statistics"]["groups"]


def test_groups_inside_of_groups_count_each() -> None:
    groups = [{"web": {"groups": [{"/": {"count": 1}}, {"/a": {"count": 2}}]}}]
    response = GroupByStatisticsResponse(statistics_answer(groups=groups))
    assert (response.get_keys(), response.get_values()) == (["web / /", "web / /a"], [1, 2])
    assert response.get_data_length() == 2


def test_an_answer_without_groups_has_none() -> None:
    response = GroupByStatisticsResponse(SERIES)
    assert (response.get_groups(), response.get_keys(), response.get_data_length()) == ([], [], 0)


# The older wrapper


def test_the_older_wrapper_reads_a_series() -> None:
    response = LeRestResponse(SERIES)
    assert response.has_groups() is False
    assert (response.get_keys(), response.get_values(), response.get_data_length()) == (TIMES, VALUES, 5)
    assert response.get_data() == SERIES["statistics"]["timeseries"]["global_timeseries"]
    assert (response.get_granularity(), response.get_statistics_count()) == (120000, 132.5)
    assert (response.json, response.get_logs(), response.get_leql()) == (SERIES, SERIES["logs"], SERIES["leql"])


def test_the_older_wrapper_prefers_groups() -> None:
    both = {"statistics": {**SERIES["statistics"], "groups": GROUPS["statistics"]["groups"]}}
    response = LeRestResponse(both)
    assert response.has_groups() is True
    assert response.get_data() == GROUPS["statistics"]["groups"]
    assert (response.get_keys()[0], response.get_values()[0], response.get_data_length()) == ("200", 802.0, 4)
