"""Pages this week beside the week before."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import performanceplatform.collector.ga.trending as old_trending
import pytest

from importer.collector.ga_trending_entrypoint import main, trends
from importer.collector.outlet import Write
from importer.errors import BadAnswer, ConfigError
from tests.collector.google_world import GoogleWorld, google_world
from tests.collector.vendor_world import AT_ONCE, DATA_SET, Kept, golden, kept_writes, moment

TODAY = date(2015, 6, 15)
START = date(2015, 6, 1)
QUERY: dict[str, Any] = golden("query-ga-trending")["query"] | {"id": "123"}


@pytest.fixture
def google(tmp_path: Path) -> Iterator[GoogleWorld]:
    with google_world(tmp_path) as world:
        yield world


def figures(title: str, path: str, day: int | str, views: int, **more: str) -> dict[str, str]:
    when = {"day": f"{day:02}" if isinstance(day, int) else day, "month": "06", "year": "2015"}
    return {"pageTitle": title, "pagePath": path, **when, "pageviews": str(views), **more}


def trend(google: GoogleWorld, *rows: dict[str, str], query: dict[str, Any] = QUERY) -> Kept:
    google.vendor.reports[""] = rows
    with kept_writes() as kept:
        start = moment("2001-01-01")
        main(google.v3(), DATA_SET, query, {}, start, None, retries=AT_ONCE, today=lambda: TODAY)
    return kept


def test_the_last_14_days_are_asked_for_once_whatever_the_dates(google: GoogleWorld) -> None:
    trend(google)
    (request,) = google.vendor.requests
    assert request.query == {
        "ids": "ga:123",
        "start-date": "2015-06-01",
        "end-date": "2015-06-14",
        "metrics": "ga:pageviews",
        "dimensions": "ga:pageTitle,ga:pagePath,ga:day,ga:month,ga:year",
        "filters": f"ga:{QUERY['filters'][0]}",
    }


def test_a_title_has_the_sums_of_both_weeks_and_their_difference(google: GoogleWorld) -> None:
    rows = [figures("A", "/a", day, 100 * day) for day in (1, 7, 8, 14)]
    assert trend(google, *rows).writes == [
        Write("PUT", []),
        Write(
            "POST",
            [
                {
                    "pageTitle": "A",
                    "pagePath": "/a",
                    "week1": 800,
                    "week2": 2200,
                    "percent_change": 175.0,
                    "_timestamp": datetime(2015, 6, 1, tzinfo=UTC),
                    "_id": "L2E=",
                }
            ],
        ),
    ]


def test_a_small_week_counts_as_500(google: GoogleWorld) -> None:
    (record,) = trend(google, figures("A", "/a", 1, 3), figures("A", "/a", 9, 1000)).records
    assert (record["week1"], record["week2"], record["percent_change"]) == (500, 1000, 100.0)


def test_the_path_is_the_shortest_that_the_others_begin_with(google: GoogleWorld) -> None:
    """Fault 19: a path that is found anywhere in the present one was taken."""
    paths = ("/petitions/a/b", "/a/b", "/petitions/a", "/petitions/c")
    (record,) = trend(google, *(figures("A", path, 1, 600) for path in paths)).records
    assert (record["pagePath"], record["week1"]) == ("/petitions/a", 2400)


def test_a_title_with_other_rows_alone_gives_no_record(google: GoogleWorld) -> None:
    """Fault 19: it gave one of 500 and 500."""
    rows = [figures("A", "/a", "(other)", 900), figures("B", "/b", "(other)", 900), figures("B", "/b", 1, 700)]
    (record,) = trend(google, *rows).records
    assert (record["pageTitle"], record["week1"]) == ("B", 700)


def test_many_records_go_in_chunks_after_one_emptying(google: GoogleWorld) -> None:
    """Fault 19: all went in one request."""
    kept = trend(google, *(figures(f"T{number}", f"/{number}", 1, 600) for number in range(250)))
    assert [(write.method, len(write.content)) for write in kept.writes] == [
        ("PUT", 0),
        ("POST", 100),
        ("POST", 100),
        ("POST", 50),
    ]


def test_other_dimensions_are_those_of_the_first_row(google: GoogleWorld) -> None:
    query = QUERY | {"dimensions": ["pageTitle", "pagePath", "country"]}
    rows = [figures("A", "/a", 1, 600, country="Norway"), figures("A", "/a", 2, 600, country="Wales")]
    (record,) = trend(google, *rows, query=query).records
    assert record["country"] == "Norway"
    assert not {"day", "month", "year"} & set(record)


def test_the_data_set_is_not_emptied_when_google_fails(google: GoogleWorld) -> None:
    with kept_writes() as kept, pytest.raises(BadAnswer, match="HTTP 400"):
        google.vendor.reports[""] = [{"pageTitle": "A"}]
        main(google.v3(), DATA_SET, QUERY, {}, None, None, retries=AT_ONCE)
    assert kept.writes == []


def test_the_data_set_is_not_emptied_when_there_is_nothing_for_it(google: GoogleWorld) -> None:
    assert trend(google).writes == []
    assert trend(google, figures("A", "/a", "(other)", 900)).writes == []


def test_ga4_is_asked_for_the_same(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [figures("A", "/a", 1, 600) | {"screenPageViews": "700"}]
    query = QUERY | {"id": "properties/123"}
    with kept_writes() as kept:
        main(google.ga4(), DATA_SET, query, {}, None, None, retries=AT_ONCE, today=lambda: TODAY)
    assert kept.records[0]["week1"] == 700
    body = google.vendor.requests[0].json()
    assert isinstance(body, dict)
    assert body["dimensions"] == [{"name": name} for name in ("pageTitle", "pagePath", "day", "month", "year")]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"metric": None}, "query: metric: is empty"),
        ({"metric": ""}, "query: metric: is empty"),
        ({"dimensions": ["pageTitle"]}, "query: dimensions: must include pageTitle and pagePath"),
    ],
)
def test_a_query_that_cannot_be_asked_is_told(google: GoogleWorld, change: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        trend(google, query=QUERY | change)
    assert google.vendor.request_count == 0


def test_a_day_that_is_none_is_an_error() -> None:
    dimensions = {"pageTitle": "A", "pagePath": "/a", "day": "31", "month": "06", "year": "2015"}
    row: Any = {"metrics": {"pageviews": "1"}, "dimensions": dimensions, "start_date": START, "end_date": TODAY}
    with pytest.raises(BadAnswer, match="a row has no day"):
        trends([row], START)


def test_the_query_is_not_changed(google: GoogleWorld) -> None:
    query = {**QUERY, "dimensions": ["pageTitle", "pagePath"]}
    trend(google, query=query)
    assert query == {**QUERY, "dimensions": ["pageTitle", "pagePath"]}


def test_the_old_import_path_leads_here() -> None:
    assert old_trending.main is main
