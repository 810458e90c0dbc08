"""GA4: the words of Universal Analytics become a request of the Data API, and its rows come back under those words."""

from typing import Any

import pytest

from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable
from importer.simulators.base import Answer
from importer.sources.google.data_api import Report, realtime_request
from importer.sources.google.names import Names
from importer.sources.google.question import Question
from tests.collector.google_world import WEEK, GoogleWorld
from tests.collector.vendor_world import golden

PROPERTY = "properties/123"


def rows(google: GoogleWorld, *arguments: Any, **options: Any) -> list[Any]:
    return list(google.client(google.ga4()).query.get(PROPERTY, *WEEK, *arguments, **options))


def body_of(**parts: Any) -> dict[str, Any]:
    return Report(Question(PROPERTY, *WEEK, **{"metrics": ("sessions",), **parts}), Names()).request(offset=0)


def test_a_query_in_old_words_is_asked_as_recorded(google: GoogleWorld) -> None:
    recorded = golden("ga4-run-report-request")
    google.vendor.fail(Answer.json(golden("ga4-run-report-response")))
    found = rows(
        google,
        ["sessions", "avgSessionDuration"],
        ["deviceCategory"],
        ["pagePath=~^/pay;ga:browser!=Safari"],
        None,
        ["-sessions"],
    )
    (request,) = google.vendor.requests
    recorded["dateRanges"] = [{"startDate": "2015-06-01", "endDate": "2015-06-07"}]
    assert (request.method, request.path) == ("POST", "/v1beta/properties/123:runReport")
    assert request.json() == recorded
    assert found[0] == {
        "metrics": {"sessions": "300", "avgSessionDuration": "101.25"},
        "dimensions": {"deviceCategory": "desktop"},
        "start_date": WEEK[0],
        "end_date": WEEK[1],
    }


def test_pages_are_asked_for_by_the_rows_received(google: GoogleWorld) -> None:
    google.vendor.page_rows = 2
    assert [row["metrics"]["sessions"] for row in rows(google, ["sessions"])] == ["300", "100", "11"]
    assert [request.json()["offset"] for request in google.vendor.requests] == ["0", "2"]


def test_paging_ends_at_an_empty_page_whatever_the_count_says(google: GoogleWorld) -> None:
    page = golden("ga4-run-report-response") | {"rowCount": 3}
    google.vendor.fail(Answer.json(page))
    google.vendor.fail(Answer.json({"rowCount": 3}))
    assert len(rows(google, ["sessions", "avgSessionDuration"], ["deviceCategory"])) == 2
    assert google.vendor.request_count == 2


def test_max_results_is_the_limit_and_the_end(google: GoogleWorld) -> None:
    google.vendor.page_rows = 1
    assert len(rows(google, ["sessions"], None, None, 2)) == 2
    assert [request.json()["limit"] for request in google.vendor.requests] == ["2", "1"]


def test_a_limit_is_never_above_what_google_takes() -> None:
    assert body_of(max_results=300_000)["limit"] == "250000"


@pytest.mark.parametrize(("name", "given"), [("bounceRate", "0.4567"), ("ga:visitBounceRate", "0.4567")])
def test_the_bounce_rate_is_given_in_percent_under_either_name(google: GoogleWorld, name: str, given: str) -> None:
    google.vendor.reports[""] = [{"bounceRate": given}]
    assert rows(google, [name])[0]["metrics"] == {name: "45.6700"}


def test_two_names_of_one_ga4_metric_are_asked_for_once_and_both_given(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [{"totalUsers": "7", "sessions": "9"}]
    assert rows(google, ["users", "sessions", "visitors"])[0]["metrics"] == {
        "users": "7",
        "sessions": "9",
        "visitors": "7",
    }
    assert google.vendor.requests[0].json()["metrics"] == [{"name": "totalUsers"}, {"name": "sessions"}]


def test_a_metric_that_only_orders_or_filters_is_asked_for_unseen(google: GoogleWorld) -> None:
    found = rows(google, ["sessions"], ["deviceCategory"], ["users>10"], None, ["-pageviews", "deviceCategory"])
    assert found[0]["metrics"] == {"sessions": "300"}
    body = google.vendor.requests[0].json()
    assert body["metrics"] == [
        {"name": "sessions"},
        {"name": "totalUsers", "invisible": True},
        {"name": "screenPageViews", "invisible": True},
    ]
    assert body["orderBys"] == [
        {"metric": {"metricName": "screenPageViews"}, "desc": True},
        {"dimension": {"dimensionName": "deviceCategory"}},
    ]


def test_names_of_the_query_win_over_those_of_the_credentials(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [{"keyEvents:booked": "3", "customEvent:organisation": "<D1>"}]
    credentials = google.ga4(names={"goal1Completions": "keyEvents:other", "ga:dimension9": "customEvent:organisation"})
    names = {"goal1Completions": "keyEvents:booked"}
    query = google.client(credentials).query
    (row,) = query.get(PROPERTY, *WEEK, ["ga:goal1Completions"], ["dimension9"], names=names)
    assert row["metrics"] == {"ga:goal1Completions": "3"}
    assert row["dimensions"] == {"dimension9": "<D1>"}


def test_a_segment_is_refused(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"query.segment: has no equivalent in GA4"):
        rows(google, ["sessions"], None, None, None, None, "gaid::-5")
    assert google.vendor.request_count == 0


def test_a_name_without_an_equivalent_is_told(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"uniquePageviews: has no equivalent in GA4; map it by names"):
        rows(google, ["uniquePageviews"])
    assert google.vendor.request_count == 0


def test_a_403_fails_at_once_with_googles_text(google: GoogleWorld) -> None:
    google.vendor.fail(Answer.json(golden("ga4-error-403"), status=403), times=None)
    with pytest.raises(SourceRefused, match=r"HTTP 403: User does not have sufficient .* \(PERMISSION_DENIED\)"):
        rows(google, ["sessions"])
    assert google.vendor.request_count == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_heal_is_repeated(google: GoogleWorld, status: int) -> None:
    google.vendor.fail(Answer.json(golden("ga4-error-429"), status=status), times=4)
    assert len(rows(google, ["sessions"])) == 3


def test_what_does_not_heal_is_told_after_five_tries(google: GoogleWorld) -> None:
    google.vendor.fail(Answer.json(golden("ga4-error-429"), status=429), times=None)
    with pytest.raises(SourceUnavailable, match=r"Max retries exceeded for http.*:runReport: HTTP 429: Exhausted"):
        rows(google, ["sessions"])
    assert google.vendor.request_count == 5


@pytest.mark.parametrize(
    "answer",
    [{"rows": 7}, {"rows": [7]}, {"rows": [{"metricValues": 7}]}, {"rows": [{"metricValues": []}], "rowCount": 1}],
)
def test_an_answer_of_another_shape_is_an_error(google: GoogleWorld, answer: object) -> None:
    google.vendor.fail(Answer.json(answer))
    with pytest.raises(BadAnswer):
        rows(google, ["sessions"])


def test_active_users_are_those_of_five_minutes(google: GoogleWorld) -> None:
    google.vendor.fail(Answer.json(golden("ga4-run-realtime-response")))
    client = google.client(google.ga4(PROPERTIES={"ga:84617412": PROPERTY}))
    assert client.active_users({"ids": "ga:84617412", "metrics": "ga:activeVisitors"}) == 57
    (request,) = google.vendor.requests
    assert request.path == "/v1beta/properties/123:runRealtimeReport"
    assert request.json() == {
        "metrics": [{"name": "activeUsers"}],
        "minuteRanges": [{"startMinutesAgo": 4, "endMinutesAgo": 0}],
    }


def test_a_realtime_answer_without_a_number_is_an_error(google: GoogleWorld) -> None:
    google.vendor.fail(Answer.json({"rows": [{"metricValues": [{"value": "many"}]}]}))
    with pytest.raises(BadAnswer, match="no whole number of active users"):
        google.client(google.ga4()).active_users({"ids": PROPERTY})


def test_a_bounce_rate_that_is_no_number_stays_as_it_is(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [{"bounceRate": "many"}]
    assert rows(google, ["bounceRate"])[0]["metrics"] == {"bounceRate": "many"}


def test_nobody_active_is_none(google: GoogleWorld) -> None:
    assert google.client(google.ga4()).active_users({"ids": PROPERTY, "metrics": "rt:activeUsers"}) == 0


def test_realtime_refuses_to_filter_by_a_path_rather_than_to_count_everybody(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"query.filters: GA4 has no pagePath in realtime"):
        google.client(google.ga4()).active_users({"ids": PROPERTY, "filters": "ga:pagePath==/account"})
    assert google.vendor.request_count == 0


def test_realtime_filters_by_what_ga4_has_there() -> None:
    assert realtime_request(["ga:country==Norway"], Names())["dimensionFilter"] == {
        "filter": {"fieldName": "country", "stringFilter": {"matchType": "EXACT", "value": "Norway"}}
    }
