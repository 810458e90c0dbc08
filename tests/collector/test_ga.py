"""Reports of Google Analytics as records: periods, numbers, ids, plug-ins, and the old import paths."""

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import performanceplatform.collector.ga as old_ga
import performanceplatform.collector.ga.core as old_core
import performanceplatform.collector.ga.lib.helper as old_helper
import pytest

from importer.collector import ga_entrypoint
from importer.collector.ga_entrypoint import main, query_documents_for, try_number
from importer.errors import BadAnswer, ConfigError
from tests.collector.google_world import DEVICES, GoogleWorld, google_world
from tests.collector.vendor_world import AT_ONCE, DATA_SET, collect, golden, kept_writes, moment

QUERY: dict[str, Any] = {"id": "ga:123", "metrics": ["sessions"], "dimensions": ["deviceCategory"]}
WEEK = (moment("2015-06-01"), moment("2015-06-07"))
TWO_WEEKS = (moment("2015-06-01"), moment("2015-06-14"))


@pytest.fixture
def google(tmp_path: Path) -> Iterator[GoogleWorld]:
    with google_world(tmp_path) as world:
        yield world


def spans(google: GoogleWorld) -> list[tuple[str, str]]:
    return [(request.query["start-date"], request.query["end-date"]) for request in google.vendor.requests]


def test_a_row_becomes_a_record_with_the_names_of_the_query(google: GoogleWorld) -> None:
    query = QUERY | {"metrics": ["sessions", "avgSessionDuration"]}
    first, *others = collect(main, google.v3(), query, {}, *WEEK).records
    assert first == {
        "_id": "dF8yMDE1MDYwMTAwMDAwMF93ZWVrX2Rlc2t0b3A=",
        "humanId": "t_20150601000000_week_desktop",
        "_timestamp": datetime(2015, 6, 1, tzinfo=UTC),
        "dataType": "t",
        "timeSpan": "week",
        "deviceCategory": "desktop",
        "sessions": 300,
        "avgSessionDuration": 101250.0,
    }
    assert [type(first["sessions"]), len(others)] == [int, 2]


def test_ga4_gives_the_same_record_for_the_same_query(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [{"deviceCategory": "desktop", "sessions": "300", "averageSessionDuration": "101.25"}]
    query = QUERY | {"metrics": ["sessions", "avgSessionDuration"]}
    credentials = google.ga4(PROPERTIES={"ga:123": "properties/123"})
    (of_ga4,) = collect(main, credentials, query, {}, *WEEK).records
    google.vendor.reports[""] = DEVICES[:1]
    assert [of_ga4] == collect(main, google.v3(), query, {}, *WEEK).records


def test_the_bounce_rate_of_ga4_is_delivered_in_percent(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [{"bounceRate": "0.4567"}]
    query = {"id": "properties/123", "metrics": ["visitBounceRate"]}
    assert collect(main, google.ga4(), query, {}, *WEEK).records[0]["visitBounceRate"] == 45.67


def test_names_of_the_query_are_used_for_ga4(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [{"keyEvents:booked": "3"}]
    names = {"goal1Completions": "keyEvents:booked"}
    query = {"id": "123", "api": "ga4", "metrics": "goal1Completions", "names": names}
    assert collect(main, google.ga4(), query, {}, *WEEK).records[0]["goal1Completions"] == 3


def test_each_period_is_asked_for_by_itself(google: GoogleWorld) -> None:
    records = collect(main, google.v3(), QUERY, {}, *TWO_WEEKS).records
    assert spans(google) == [("2015-06-01", "2015-06-07"), ("2015-06-08", "2015-06-14")]
    assert [record["_timestamp"].day for record in records] == [1, 1, 1, 8, 8, 8]


def test_a_start_alone_runs_to_the_last_week_that_is_over(google: GoogleWorld) -> None:
    """Fault 1: the old code ended in a TypeError."""
    collect(main, google.v3(), QUERY, {}, moment("2015-06-01"), None)
    assert spans(google)[0] == ("2015-06-01", "2015-06-07")
    last = date.fromisoformat(spans(google)[-1][1])
    assert -1 <= (datetime.now(UTC).date() - last).days <= 7


def test_an_end_alone_is_the_period_of_that_day(google: GoogleWorld) -> None:
    """Fault 1: as above."""
    collect(main, google.v3(), QUERY | {"frequency": "monthly"}, {}, None, moment("2015-06-15"))
    assert spans(google) == [("2015-06-01", "2015-06-30")]


@pytest.mark.parametrize(
    ("query", "dates"), [(QUERY, (WEEK[1], WEEK[0])), (QUERY | {"frequency": "hourly"}, (None, None))]
)
def test_dates_and_frequency_are_looked_at_before_google_is_asked(
    google: GoogleWorld, query: object, dates: tuple[Any, Any]
) -> None:
    with pytest.raises(ValueError, match=r"Bad dates|hourly"):
        collect(main, google.v3(), query, {}, *dates)
    assert google.vendor.request_count == 0


def test_options_are_looked_at_before_google_is_asked(google: GoogleWorld) -> None:
    with pytest.raises(ConfigError, match="mappings"):
        collect(main, google.v3(), QUERY, {"mappings": 7}, *WEEK)
    assert google.vendor.request_count == 0


def test_nothing_is_written_before_the_whole_answer_is_there(google: GoogleWorld) -> None:
    google.vendor.reports["2015-06-08"] = [{"deviceCategory": "without sessions"}]
    with kept_writes() as kept, pytest.raises(BadAnswer, match="HTTP 400"):
        main(google.v3(), DATA_SET, QUERY, {}, *TWO_WEEKS, retries=AT_ONCE)
    assert (kept.writes, google.vendor.request_count) == ([], 2)


def test_ranks_start_at_1_in_each_period(google: GoogleWorld) -> None:
    """Fault 7: they went on counting, so that a back-fill gave other ids than the weekly runs."""
    options = {"plugins": ["ComputeRank('rank')", "ComputeIdFrom('_timestamp', 'rank')"]}
    back_fill = collect(main, google.v3(), QUERY, options, *TWO_WEEKS).records
    assert [record["rank"] for record in back_fill] == [1, 2, 3, 1, 2, 3]
    weekly = [
        record
        for day in ("2015-06-01", "2015-06-08")
        for record in collect(main, google.v3(), QUERY, options, moment(day), moment(day)).records
    ]
    assert back_fill == weekly


def test_default_ids_follow_the_order_of_the_query(google: GoogleWorld) -> None:
    """Fault 12: they followed the order in which Python 2 happened to hash names."""
    google.vendor.reports[""] = [{"browser": "Chrome", "browserVersion": "30", "sessions": "1"}]
    query = QUERY | {"dimensions": ["browser", "browserVersion"]}
    assert collect(main, google.v3(), query, {}, *WEEK).records[0]["humanId"] == "t_20150601000000_week_Chrome_30"


def test_zero_results_and_an_empty_sort_are_not_asked_for(google: GoogleWorld) -> None:
    collect(main, google.v3(), QUERY | {"maxResults": 0, "sort": [], "filters": []}, {}, *WEEK)
    assert not {"max-results", "sort", "filters"} & set(google.vendor.requests[0].query)


def test_pieces_of_a_field_get_names_of_their_own(google: GoogleWorld) -> None:
    content = golden("query-ga-multi-value")
    query = content["query"] | {"id": "123", "dimensions": ["eventLabel", "eventAction"]}
    google.vendor.reports[""] = [{"eventLabel": "stage:paid", "eventAction": "start", "uniqueEvents": "4"}]
    (record,) = collect(main, google.v3(), query, content["options"], *WEEK).records
    assert (record["eventType"], record["eventDetail"], record["uniqueEvents"]) == ("stage", "paid", 4)


def test_a_segment_is_passed_on_and_named_fields_make_the_id(google: GoogleWorld) -> None:
    content = golden("query-ga-segment")
    google.vendor.reports[""] = [{"goal5Starts": "12"}]
    (record,) = collect(main, google.v3(), content["query"] | {"id": "123"}, content["options"], *WEEK).records
    assert google.vendor.requests[0].query["segment"].startswith("sessions::condition::ga:pagePath=~/payment")
    assert record["count"] == 12
    assert record["humanId"] == "2015-06-01 00:00:00+00:00weekpp|immigration-health-surchargestartstagetransaction"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"metrics": ["sessions"]}, "query: id: is missing"),
        ({"id": "123"}, "query: metrics: is missing"),
        (QUERY | {"maxResults": "many"}, "query: maxResults: "),
        (QUERY | {"api": "ga5"}, "query: api: .*ga4, v3"),
    ],
)
def test_a_query_that_cannot_be_asked_is_told(google: GoogleWorld, query: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        collect(main, google.v3(), query, {}, *WEEK)
    assert google.vendor.request_count == 0


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("23.4", 23.4), ("-1", -1), ("1.0E2", 100.0), (7, 7)])
def test_a_number_is_whole_or_not_as_it_is_written(text: str, number: float) -> None:
    assert (try_number(text), type(try_number(text))) == (number, type(number))


@pytest.mark.parametrize("text", ["", "many", "nan", "inf", "1_000", "1e999", "0x10"])
def test_any_other_text_is_no_number(text: str) -> None:
    with pytest.raises(BadAnswer, match="Unable to use value as int or float"):
        try_number(text)


def test_each_request_is_counted_where_a_statsd_is_named(
    google: GoogleWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    google.vendor.page_rows = 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd, caplog.at_level(logging.INFO):
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(20)
        monkeypatch.setenv("STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("STATSD_PORT", str(statsd.getsockname()[1]))
        collect(main, google.v3(), QUERY, {}, *WEEK)
        assert [statsd.recv(1000) for _ in range(2)] == [b"pp.apps.collector.ga.core.ga123.count:1|c"] * 2
    assert "Querying GA for data in the period: 2015-06-01 - 2015-06-07" in caplog.text


def test_neither_query_nor_options_are_changed(google: GoogleWorld) -> None:
    query, options = dict(QUERY), {"mappings": {"sessions": "visits"}, "additionalFields": {"a": "b"}}
    collect(main, google.v3(), query, options, *WEEK)
    assert (query, options) == (QUERY, {"mappings": {"sessions": "visits"}, "additionalFields": {"a": "b"}})


class OwnClient:
    """A client of a user's, with the arguments of the old one."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.query = self

    def get(  # noqa: PLR0917 - the old order
        self,
        ids: str,
        start: date,
        end: date,
        metrics: object,
        dimensions: object,
        filters: object,
        max_results: object,
        sort: object,
        segment: object,
    ) -> list[dict[str, Any]]:
        self.asked.append((ids, start, end, metrics, dimensions, filters, max_results, sort, segment))
        return [{"metrics": {"visits": "12345"}, "dimensions": {"date": "2013-04-02"}, "start_date": start}]


def test_the_old_client_contract_is_kept_for_custom_collectors() -> None:
    client = OwnClient()
    query = {"id": "ga:123", "metrics": ["visits"], "dimensions": ["date"], "maxResults": 0, "sort": []}
    (record,) = query_documents_for(client, query, {}, "weeklyvisits", date(2013, 4, 1), date(2013, 4, 7))
    expected = ("123", date(2013, 4, 1), date(2013, 4, 7), ["visits"], ["date"], None, None, None, None)
    assert client.asked == [expected]
    assert record == {
        "_id": "d2Vla2x5dmlzaXRzXzIwMTMwNDAxMDAwMDAwX3dlZWtfMjAxMy0wNC0wMg==",
        "humanId": "weeklyvisits_20130401000000_week_2013-04-02",
        "dataType": "weeklyvisits",
        "_timestamp": datetime(2013, 4, 1, tzinfo=UTC),
        "timeSpan": "week",
        "date": "2013-04-02",
        "visits": 12345,
    }


def test_the_old_import_paths_lead_here(google: GoogleWorld) -> None:
    assert old_ga.main is main
    assert old_core.query_documents_for is ga_entrypoint.query_documents_for
    assert old_core.add_timeSpan("daily", [{"a": 1}]) == [{"a": 1, "timeSpan": "day"}]
    rows = old_helper.create_client(google.v3()).query.get("123", *(day.date() for day in WEEK), ["sessions"])
    assert [row["metrics"]["sessions"] for row in rows] == ["300", "100", "11"]
    every = list(old_core.query_for_range(google.client(google.v3()), QUERY, *TWO_WEEKS))
    assert [row["start_date"].day for row in every] == [1, 1, 1, 8, 8, 8]
