"""Core Reporting v3: what is asked, page by page, and what errors say."""

from datetime import datetime
from typing import Any

import pytest

from importer.collector.content import reader_of
from importer.collector.vendor import RETRIES
from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable, Stopped
from importer.simulators.base import BROKEN_JSON, HTML_PAGE, Answer, reset
from importer.simulators.google import failure
from importer.sources.google.account import load_account
from importer.sources.google.client import GoogleClient
from tests.collector.google_world import WEEK, GoogleWorld, Hurry
from tests.collector.vendor_world import golden


def rows(google: GoogleWorld, *arguments: Any, **options: Any) -> list[Any]:
    return list(google.client(google.v3()).query.get("123", *WEEK, *arguments, **options))


def test_names_are_prefixed_and_what_is_not_given_is_not_sent(google: GoogleWorld) -> None:
    rows(google, ["sessions"])
    (request,) = google.vendor.requests
    assert (request.method, request.path) == ("GET", "/analytics/v3/data/ga")
    assert request.query == {
        "ids": "ga:123",
        "start-date": "2015-06-01",
        "end-date": "2015-06-07",
        "metrics": "ga:sessions",
    }
    assert request.headers["authorization"] == "Bearer ya29.example"


def test_all_parameters_are_sent_each_name_prefixed_once(google: GoogleWorld) -> None:
    rows(
        google,
        ["sessions", "ga:sessions"],
        ["deviceCategory"],
        ["pagePath=~^/pay;ga:browser!=Safari", "ga:source==x"],
        2,
        ["-sessions", "ga:deviceCategory"],
        "gaid::-5",
    )
    query = google.vendor.requests[0].query
    assert query["metrics"] == "ga:sessions,ga:sessions"
    assert query["dimensions"] == "ga:deviceCategory"
    assert query["filters"] == "ga:pagePath=~^/pay;ga:browser!=Safari,ga:source==x"
    assert (query["max-results"], query["sort"], query["segment"]) == (
        "2",
        "-ga:sessions,ga:deviceCategory",
        "gaid::-5",
    )


def test_one_metric_and_one_filter_may_be_given_as_text(google: GoogleWorld) -> None:
    assert rows(google, "sessions", None, "pagePath==/a,b")[0]["metrics"] == {"sessions": "300"}
    assert google.vendor.requests[0].query["filters"] == "ga:pagePath==/a,b"


def test_a_recorded_answer_becomes_rows_under_the_names_of_the_query(google: GoogleWorld) -> None:
    recorded = {key: value for key, value in golden("ga-v3-core-response").items() if key != "nextLink"}
    google.vendor.fail(Answer.json(recorded), when="*/data/ga")
    assert rows(google, ["sessions", "avgSessionDuration"], ["deviceCategory"]) == [
        {
            "metrics": {"sessions": "300", "avgSessionDuration": "101.25"},
            "dimensions": {"deviceCategory": "desktop"},
            "start_date": WEEK[0],
            "end_date": WEEK[1],
        },
        {
            "metrics": {"sessions": "100", "avgSessionDuration": "71.5"},
            "dimensions": {"deviceCategory": "mobile"},
            "start_date": WEEK[0],
            "end_date": WEEK[1],
        },
    ]


def test_pages_are_followed_by_the_links_own_parameters_at_our_address(google: GoogleWorld) -> None:
    google.vendor.page_rows = 2
    found = rows(google, ["sessions"], ["deviceCategory"])
    assert [row["metrics"]["sessions"] for row in found] == ["300", "100", "11"]
    assert [request.query.get("start-index") for request in google.vendor.requests] == [None, "3"]


def test_no_more_pages_are_asked_for_than_max_results_needs(google: GoogleWorld) -> None:
    google.vendor.page_rows = 1
    assert len(rows(google, ["sessions"], None, None, 2)) == 2
    assert google.vendor.request_count == 2


def test_a_page_longer_than_max_results_is_cut(google: GoogleWorld) -> None:
    recorded = {key: value for key, value in golden("ga-v3-core-response").items() if key != "nextLink"}
    google.vendor.fail(Answer.json(recorded))
    assert len(rows(google, ["sessions", "avgSessionDuration"], ["deviceCategory"], None, 1)) == 1


def test_an_answer_without_rows_has_none(google: GoogleWorld) -> None:
    google.vendor.reports.clear()
    assert rows(google, ["sessions"]) == []


@pytest.mark.parametrize(
    ("dimensions", "row", "expected"),
    [
        (["date"], {"date": "20150602"}, "2015-06-02T00:00:00"),
        (["date", "hour"], {"date": "20150602", "hour": "13"}, "2015-06-02T13:00:00"),
    ],
)
def test_a_date_is_also_given_as_a_time(
    google: GoogleWorld, dimensions: list[str], row: dict[str, str], expected: str
) -> None:
    google.vendor.reports[""] = [{**row, "sessions": "1"}]
    (found,) = rows(google, ["sessions"], dimensions)
    assert found["dimensions"] == {**row, "datetime": datetime.fromisoformat(expected)}
    assert list(found["dimensions"])[-1] == "datetime"


def test_the_date_of_all_other_rows_is_no_time(google: GoogleWorld) -> None:
    google.vendor.reports[""] = [{"date": "(other)", "sessions": "1"}]
    assert rows(google, ["sessions"], ["date"])[0]["dimensions"] == {"date": "(other)"}


@pytest.mark.parametrize("reason", ["userRateLimitExceeded", "quotaExceeded", "rateLimitExceeded"])
def test_a_403_that_means_too_fast_is_repeated(google: GoogleWorld, reason: str) -> None:
    google.vendor.fail(failure(403, reason, "Slow down"), times=4)
    assert len(rows(google, ["sessions"])) == 3
    assert google.vendor.request_count == 5


def test_the_pauses_after_such_a_403_are_those_for_every_vendor(google: GoogleWorld) -> None:
    hurry = Hurry()
    google.vendor.fail(Answer.json(golden("ga-v3-error-403-rate"), status=403), times=None)
    client = GoogleClient(load_account(reader_of(google.v3(), "credentials")), retries=RETRIES, stop=hurry)
    with pytest.raises(SourceUnavailable, match=r"Max retries exceeded for http.*/data/ga: HTTP 403: User Rate L"):
        list(client.query.get("123", *WEEK, ["sessions"]))
    assert hurry.pauses == [10, 20, 40, 80]


@pytest.mark.parametrize("reason", ["insufficientPermissions", "dailyLimitExceeded", "userRateLimitExceededUnreg"])
def test_any_other_403_fails_at_once_and_tells_method_address_status_and_reason(
    google: GoogleWorld, reason: str
) -> None:
    google.vendor.fail(failure(403, reason, "Not yours"), times=None)
    with pytest.raises(SourceRefused) as caught:
        rows(google, ["sessions"])
    address = f"GET {google.vendor.url}/analytics/v3/data/ga"
    assert str(caught.value) == f"Google Analytics: {address}: HTTP 403: Not yours ({reason})"
    assert google.vendor.request_count == 1


def test_a_400_fails_at_once_with_googles_text(google: GoogleWorld) -> None:
    with pytest.raises(BadAnswer, match=r"HTTP 400: Field nonsense is not a valid dimension or metric. \(badRequest\)"):
        rows(google, ["nonsense"])
    assert google.vendor.request_count == 1


def test_a_503_is_repeated(google: GoogleWorld) -> None:
    google.vendor.fail(failure(503, "backendError", "Backend Error"), times=4)
    assert len(rows(google, ["sessions"])) == 3


def test_a_refused_token_is_renewed_once(google: GoogleWorld) -> None:
    google.vendor.tokens.accept("another")
    assert len(rows(google, ["sessions"])) == 3
    assert [request.path for request in google.vendor.requests] == [
        "/analytics/v3/data/ga",
        "/token",
        "/analytics/v3/data/ga",
    ]


def test_a_token_that_is_refused_after_it_was_renewed_is_an_error(google: GoogleWorld) -> None:
    google.vendor.fail(failure(401, "authError", "Invalid Credentials"), times=None, when="*/data/ga")
    with pytest.raises(SourceRefused, match=r"HTTP 401: Invalid Credentials \(authError\)"):
        rows(google, ["sessions"])
    assert len(google.vendor.requests_to("/token")) == 1


@pytest.mark.parametrize("answer", [HTML_PAGE, BROKEN_JSON])
def test_an_answer_that_is_no_json_is_an_error_with_the_address(google: GoogleWorld, answer: Answer) -> None:
    google.vendor.fail(answer)
    with pytest.raises(BadAnswer, match=r"/analytics/v3/data/ga: HTTP 200: the answer is not JSON"):
        rows(google, ["sessions"])


def test_an_error_that_is_no_json_is_told_by_its_status(google: GoogleWorld) -> None:
    google.vendor.fail(Answer(404, body=b"<html></html>"))
    with pytest.raises(BadAnswer, match=r"GET http.*/data/ga: HTTP 404: Not Found$"):
        rows(google, ["sessions"])


def test_a_vendor_that_is_down_is_told_after_five_tries(google: GoogleWorld) -> None:
    google.vendor.fail(reset, times=None)
    with pytest.raises(SourceUnavailable, match=r"Max retries exceeded for http.*/data/ga: connection closed"):
        rows(google, ["sessions"])
    assert google.vendor.request_count == 5


def test_the_wait_after_too_many_requests_ends_when_the_process_is_stopped(google: GoogleWorld) -> None:
    hurry = Hurry()
    google.vendor.fail(Answer.json(golden("ga-v3-error-403-rate"), status=403), times=None)
    client = GoogleClient(load_account(reader_of(google.v3(), "credentials")), retries=RETRIES, stop=hurry)
    found = client.query.get("123", *WEEK, ["sessions"])
    hurry.set_at_first_wait = True
    with pytest.raises(Stopped, match="stopped while waiting for Google Analytics"):
        list(found)
    assert google.vendor.request_count == 1


def test_all_periods_are_asked_for_over_one_connection(google: GoogleWorld) -> None:
    query = google.client(google.v3()).query
    for _ in range(3):
        list(query.get("123", *WEEK, ["sessions"]))
    assert {request.connection for request in google.vendor.requests} == {1}


@pytest.mark.parametrize("answer", [{"rows": 7}, {"rows": [7]}, {"rows": [["1", "2"]]}, []])
def test_an_answer_of_another_shape_is_an_error(google: GoogleWorld, answer: object) -> None:
    google.vendor.fail(Answer.json(answer))
    with pytest.raises(BadAnswer):
        rows(google, ["sessions"])


def test_without_an_address_v3_says_that_google_switched_it_off(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"switched Core Reporting v3 off on 1 July 2024; give .*properties/123"):
        google.client(google.credentials()).query.get("123", *WEEK, ["sessions"])
    assert google.vendor.request_count == 0
