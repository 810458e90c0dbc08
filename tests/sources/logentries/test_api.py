"""The client of the query API: what it asks, how it waits, and what it makes of refusals and odd answers."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from importer import __version__
from importer.credentials import Secret
from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable, Stopped
from importer.http_response import Response
from importer.simulators.base import BROKEN_JSON, HTML_PAGE, Answer, HttpSimulator, Request, never, reset
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator, Question, final_answer
from importer.sources.logentries.api import LogSearch, asked_pause, may_have_key, self_link
from importer.sources.logentries.config import Account, Query
from tests.leexport.answers import GOLDEN, answer

NOW = 1549384200.0
STATEMENT = "where(status>=200) calculate(count)"
QUERY = Query((LOG,), STATEMENT, 600)
QUESTION = Question((LOG,), STATEMENT, 1549383600000, 1549384200000)
FINAL = final_answer(QUESTION)


class Hurry(threading.Event):
    """An event whose waits pass at once and are written down, for a clock that moves by them."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return self.is_set()

    def now(self) -> float:
        return sum(self.pauses)


class StopAtFirstWait(threading.Event):
    """An event that is set as soon as somebody waits for it."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


@pytest.fixture
def vendor() -> Iterator[LogSearchSimulator]:
    with LogSearchSimulator(clock=lambda: NOW) as simulator:
        yield simulator


@pytest.fixture
def hurry() -> Hurry:
    return Hurry()


@contextmanager
def log_search(
    url: str, stop: threading.Event, *, timeout_seconds: float = 300, now: float = NOW
) -> Iterator[LogSearch]:
    monotonic: Callable[[], float] = stop.now if isinstance(stop, Hurry) else lambda: 0.0
    account = Account(url, Secret(API_KEY), timeout_seconds)
    with closing(LogSearch(account, stop=stop, clock=lambda: now, monotonic=monotonic)) as source:
        yield source


@pytest.fixture
def source(vendor: LogSearchSimulator, hurry: Hurry) -> Iterator[LogSearch]:
    with log_search(vendor.base_url, hurry) as source:
        yield source


@contextmanager
def scripted(*polls: Answer, link: str = "/later/1?log_keys=x") -> Iterator[HttpSimulator]:
    """A server that answers a query with 202 and a link, and then the polls one after the other."""
    answers = iter(polls)
    with HttpSimulator() as simulator:
        simulator.route("POST", "/api/query/logs/", lambda _request: under_way(link))
        simulator.route("GET", "/later/{id}", lambda _request: next(answers))
        simulator.route("GET", "/api/query/{id}", lambda _request: next(answers))
        yield simulator


def under_way(href: str, *, rel: str = "Self", status: int = 202) -> Answer:
    return Answer.json({"progress": 0, "events": [], "links": [{"rel": rel, "href": href}]}, status=status)


def posts(vendor: HttpSimulator) -> tuple[Request, ...]:
    return tuple(request for request in vendor.requests if request.method == "POST")


# Questions


def test_a_query_is_posted_as_the_vendor_documents_it(vendor: LogSearchSimulator, source: LogSearch) -> None:
    assert source.ask(QUERY) == FINAL
    (request,) = vendor.requests
    assert (request.method, request.target) == ("POST", "/query/logs/")
    assert request.json() == json.loads((GOLDEN / "request.json").read_text())
    assert request.headers["x-api-key"] == API_KEY
    assert request.headers["user-agent"] == f"leexportpy {__version__}"
    assert request.headers["content-type"] == "application/json"


def test_times_are_whole_milliseconds(vendor: LogSearchSimulator, hurry: Hurry) -> None:
    with log_search(vendor.url, hurry, now=1549384200.9876) as source:
        source.ask(QUERY)
    during = json.loads(vendor.requests[0].body)["leql"]["during"]
    assert during == {"from": 1549383600987, "to": 1549384200987}
    assert all(type(value) is int for value in during.values())


def test_a_range_in_words_takes_the_place_of_times(vendor: LogSearchSimulator, source: LogSearch) -> None:
    source.ask(Query((LOG,), STATEMENT, 0, "Last 24 Hours"))
    assert json.loads(vendor.requests[0].body)["leql"]["during"] == {"time_range": "Last 24 Hours"}


def test_queries_of_many_threads_get_their_own_answers(vendor: LogSearchSimulator, source: LogSearch) -> None:
    vendor.polls = 3
    statements = [f"where(status={number}) calculate(count)" for number in range(30)]
    vendor.answers = {statement: {"statement": statement} for statement in statements}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda statement: source.ask(Query((LOG,), statement, 60)), statements))
    assert answers == list(vendor.answers.values())


# Polls


@pytest.mark.parametrize("status", [200, 202])
def test_a_query_that_takes_time_is_polled_until_it_is_final(
    vendor: LogSearchSimulator, source: LogSearch, hurry: Hurry, status: int
) -> None:
    vendor.polls, vendor.running_status = 3, status
    assert source.ask(QUERY) == FINAL
    _post, *polls = vendor.requests
    assert [poll.method for poll in polls] == ["GET"] * 3
    assert all(poll.headers["x-api-key"] == API_KEY for poll in polls)
    assert all(poll.headers["user-agent"] == f"leexportpy {__version__}" for poll in polls)
    assert hurry.pauses == [1.0, 1.0]  # none before the first poll


def test_the_platforms_base_path_is_kept(hurry: Hurry) -> None:
    with (
        LogSearchSimulator(base_path="/log_search", polls=1, clock=lambda: NOW) as vendor,
        log_search(vendor.base_url, hurry) as source,
    ):
        assert source.ask(QUERY) == FINAL
        assert vendor.requests[0].path == "/log_search/query/logs/"


@pytest.mark.parametrize("polls", [0, 1])
def test_the_next_page_of_events_is_not_fetched(vendor: LogSearchSimulator, source: LogSearch, polls: int) -> None:
    vendor.polls = polls
    vendor.answers[STATEMENT] = answer("events_next")
    assert source.ask(QUERY) == answer("events_next")
    assert vendor.request_count == 1 + polls


@pytest.mark.parametrize("running", ["running_202", "running_200_progress"])
def test_recorded_answers_of_a_query_under_way_have_a_link(running: str) -> None:
    assert self_link(answer(running)).startswith("https://eu.rest.logs.insight.rapid7.com/query/f9eab513-")


@pytest.mark.parametrize(
    "links", [None, {}, [], ["Self"], [{"rel": "Next", "href": "/x"}], [{"rel": "self"}, {"rel": "self", "href": 1}]]
)
def test_other_links_do_not_mean_that_a_query_is_under_way(links: object) -> None:
    assert self_link({"links": links}) == ""


@pytest.mark.parametrize("link", ["../7?log_keys=x", "/api/query/7", "//127.0.0.1:{port}/api/query/7"])
def test_a_relative_link_is_understood(hurry: Hurry, link: str) -> None:
    with scripted(Answer.json(FINAL)) as vendor:
        vendor.route("POST", "/api/query/logs/", lambda _request: under_way(link.format(port=vendor.port), rel="SELF"))
        with log_search(f"{vendor.url}/api", hurry) as source:
            assert source.ask(QUERY) == FINAL
        assert vendor.requests[1].path == "/api/query/7"


def test_a_poll_is_answered_with_a_new_link_or_with_none(hurry: Hurry) -> None:
    answers = [Answer.json({}, status=202), under_way("2", status=200), Answer.json({}, status=202), Answer.json(FINAL)]
    with scripted(*answers) as vendor, log_search(f"{vendor.url}/api", hurry) as source:
        assert source.ask(QUERY) == FINAL
        assert [request.path for request in vendor.requests[1:]] == ["/later/1", "/later/1", "/later/2", "/later/2"]


@pytest.mark.parametrize(
    ("fault", "pauses"),
    [(Answer(503), [0.5, 1.0, 2.0]), (reset, [0.5, 1.0])],  # a kept connection that breaks is replaced at once
)
def test_a_poll_that_fails_is_repeated_and_the_query_is_not_posted_again(
    vendor: LogSearchSimulator, source: LogSearch, hurry: Hurry, *, fault: Answer, pauses: list[float]
) -> None:
    vendor.polls = 1
    vendor.fail(fault, when="/query/*:*", times=3)
    assert source.ask(QUERY) == FINAL
    assert len(posts(vendor)) == 1
    assert hurry.pauses == pauses


def test_a_query_without_a_final_answer_is_given_up_in_time(vendor: LogSearchSimulator, hurry: Hurry) -> None:
    vendor.polls = 100
    with (
        log_search(vendor.url, hurry, timeout_seconds=5.5) as source,
        pytest.raises(SourceUnavailable, match=r"within 5\.5 s \(query_timeout in \[LE\]\), last progress: 7"),
    ):
        source.ask(QUERY)
    assert hurry.pauses == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]


def test_an_answer_is_not_waited_for_beyond_the_query_timeout(vendor: LogSearchSimulator) -> None:
    vendor.fail(never, times=None)
    with (
        log_search(vendor.url, threading.Event(), timeout_seconds=1) as source,
        pytest.raises(SourceUnavailable, match="no answer within 1 s"),
    ):
        source.ask(QUERY)
    assert vendor.request_count == 1


def test_a_stop_ends_the_wait_for_the_next_poll(vendor: LogSearchSimulator) -> None:
    vendor.polls = 100
    with log_search(vendor.url, StopAtFirstWait()) as source, pytest.raises(Stopped):
        source.ask(QUERY)
    assert vendor.request_count == 2


def test_a_stop_ends_the_wait_for_an_answer(vendor: LogSearchSimulator) -> None:
    stop = threading.Event()
    vendor.fail(lambda _exchange: stop.set())
    with log_search(vendor.url, stop) as source, pytest.raises(Stopped):
        source.ask(QUERY)


# Where the key goes


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://rest.logentries.com/query/1", "https://rest.logentries.com", True),
        ("https://REST.logentries.com:443/query/1", "https://rest.logentries.com", True),
        ("https://eu.rest.logs.insight.rapid7.com/query/1", "https://rest.logentries.com", True),
        ("https://eu.rest.logentries.com/query/1", "https://logs.example.org", True),
        ("http://rest.logentries.com/query/1", "https://rest.logentries.com", False),
        ("http://127.0.0.1:2/query/1", "http://127.0.0.1:2", True),
        ("http://logs.example.org:80/query/1", "http://logs.example.org", True),
        ("http://127.0.0.1:1/query/1", "http://127.0.0.1:2", False),
        ("https://127.0.0.1/query/1", "http://127.0.0.1:2", False),
        ("http://eu.rest.logentries.com/query/1", "http://127.0.0.1:2", False),
        ("https://eu.rest.logentries.com:8443/query/1", "http://127.0.0.1:2", False),
        ("https://rest.logentries.com:8443/query/1", "https://rest.logentries.com", False),
        ("https://rest.logentries.com:x/query/1", "https://rest.logentries.com", False),
        ("https://evil-rapid7.com/query/1", "https://rest.logentries.com", False),
        ("https://rapid7.com.example.org/query/1", "https://rest.logentries.com", False),
        ("https://example.org/.rapid7.com", "https://rest.logentries.com", False),
    ],
)
def test_the_key_goes_to_the_configured_origin_and_to_the_vendors_hosts_by_https_alone(
    url: str, base: str, expected: bool
) -> None:
    assert may_have_key(url, base) is expected


def test_another_host_is_polled_without_the_key(hurry: Hurry) -> None:
    with HttpSimulator() as other, scripted() as vendor:
        other.route("GET", "/later/1", lambda _request: Answer.json(FINAL))
        vendor.route("POST", "/query/logs/", lambda _request: under_way(f"http://localhost:{other.port}/later/1"))
        with log_search(vendor.url, hurry) as source:
            assert source.ask(QUERY) == FINAL
        assert "x-api-key" in vendor.requests[0].headers
        assert "x-api-key" not in other.requests[0].headers
        assert other.requests[0].headers["user-agent"].startswith("leexportpy ")


def test_another_host_that_wants_a_key_is_no_fault_of_the_key(vendor: LogSearchSimulator, hurry: Hurry) -> None:
    href = f"http://localhost:{vendor.port}/query/1"
    vendor.fail(under_way(href), when="/query/logs/")
    with log_search(vendor.url, hurry) as source, pytest.raises(BadAnswer, match=r"HTTP 401.*asked without the key"):
        source.ask(QUERY)


@pytest.mark.parametrize("href", ["ftp://127.0.0.1/x", "http://[", "https://me@127.0.0.1/x", "file:///etc/passwd"])
def test_a_link_that_is_no_address_is_a_bad_answer(vendor: LogSearchSimulator, source: LogSearch, href: str) -> None:
    vendor.fail(under_way(href))
    with pytest.raises(BadAnswer):
        source.ask(QUERY)
    assert vendor.request_count == 1


# Refusals, limits, faults


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (400, {"errorCode": "301003", "message": "Invalid LEQL"}, BadAnswer, "HTTP 400: 301003: Invalid LEQL$"),
        (400, {"message": ["a"]}, BadAnswer, "HTTP 400$"),
        (400, [], BadAnswer, "HTTP 400$"),
        (
            401,
            {"message": "Unauthorized"},
            SourceRefused,
            "HTTP 401: Unauthorized; the key is refused: mend rw_api_key",
        ),
        (403, {}, SourceRefused, "HTTP 403; the key is refused"),
        (404, {"message": "HTTP 404 Not Found"}, BadAnswer, "HTTP 404: HTTP 404 Not Found; logs holds a key that no"),
        (201, {}, BadAnswer, "HTTP 201$"),
        (204, {}, BadAnswer, "HTTP 204$"),
        (302, {}, BadAnswer, "HTTP 302$"),
    ],
)
def test_what_cannot_heal_is_told_after_one_try(
    vendor: LogSearchSimulator, source: LogSearch, *, status: int, body: object, error: type[SourceError], says: str
) -> None:
    vendor.fail(Answer.json(body, status=status), times=None)
    with pytest.raises(error, match=f"^logentries: {vendor.url}/query/logs/: {says}"):
        source.ask(QUERY)
    assert vendor.request_count == 1


@pytest.mark.parametrize("fault", [Answer(500), Answer(503), Answer(429), reset])
def test_what_may_heal_is_tried_four_times_with_growing_pauses(
    vendor: LogSearchSimulator, source: LogSearch, hurry: Hurry, fault: Answer
) -> None:
    vendor.fail(fault, times=None)
    with pytest.raises(SourceUnavailable):
        source.ask(QUERY)
    assert vendor.request_count == 4
    assert hurry.pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("reply", [HTML_PAGE, BROKEN_JSON, Answer.json([]), Answer.json(None), Answer(200)])
def test_an_answer_that_is_no_json_object_is_a_bad_answer(
    vendor: LogSearchSimulator, source: LogSearch, reply: Answer
) -> None:
    vendor.fail(reply)
    with pytest.raises(BadAnswer, match="JSON"):
        source.ask(QUERY)


def test_a_query_under_way_without_a_link_is_a_bad_answer(vendor: LogSearchSimulator, source: LogSearch) -> None:
    vendor.fail(Answer.json({"progress": 0}, status=202))
    with pytest.raises(BadAnswer, match="HTTP 202 without a link"):
        source.ask(QUERY)


def test_a_query_that_expired_is_a_bad_answer_and_no_queries_of_addresses_are_shown(
    vendor: LogSearchSimulator, source: LogSearch
) -> None:
    vendor.polls = 5
    vendor.fail(Answer.json({"message": "HTTP 404 Not Found"}, status=404), when="/query/*:*")
    with pytest.raises(BadAnswer, match="the query has expired") as caught:
        source.ask(QUERY)
    assert "log_keys" not in str(caught.value)
    assert "log_keys" in vendor.requests[1].query


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"X-RateLimit-Reset": "12", "Retry-After": "7"}, 12.0),
        (429, {"X-RateLimit-Reset": " 1.5 "}, 1.5),
        (429, {"X-RateLimit-Reset": "soon", "Retry-After": "7"}, 7.0),
        (429, {"X-RateLimit-Reset": "1763000000"}, 60.0),
        (429, {"X-RateLimit-Reset": "9" * 400}, 60.0),
        (429, {"Retry-After": "3600"}, 60.0),
        (429, {}, None),
        (400, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2"}, 2.0),
        (400, {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "2"}, None),
        (400, {"X-RateLimit-Remaining": "0"}, None),
        (500, {"Retry-After": "7"}, None),
        (503, {"Retry-After": "7"}, 7.0),
        (503, {"X-RateLimit-Reset": "7"}, None),
    ],
)
def test_how_long_to_wait_is_read_from_an_error(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert asked_pause(Response(status, headers, b"")) == seconds


def test_a_limit_is_waited_for(vendor: LogSearchSimulator, source: LogSearch, hurry: Hurry) -> None:
    limited = json.loads((GOLDEN / "errors.json").read_text())["rate_limited"]
    vendor.fail(Answer.json(limited["body"], status=limited["status"], headers=limited["headers"]), times=3)
    assert source.ask(QUERY) == FINAL
    assert hurry.pauses == [12.0, 12.0, 12.0]


def test_a_limit_that_lasts_is_told(vendor: LogSearchSimulator, source: LogSearch) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
    vendor.fail(Answer.json({"message": "Slow down"}, status=400, headers=headers), times=None)
    with pytest.raises(SourceUnavailable, match="HTTP 400: Slow down; the rate limit is used up"):
        source.ask(QUERY)
    assert vendor.request_count == 4


def test_a_pause_beyond_the_query_timeout_is_not_waited(vendor: LogSearchSimulator, hurry: Hurry) -> None:
    vendor.fail(Answer(429, {"X-RateLimit-Reset": "30"}), times=None)
    with log_search(vendor.url, hurry, timeout_seconds=10) as source, pytest.raises(SourceUnavailable):
        source.ask(QUERY)
    assert hurry.pauses == []


def test_a_host_that_cannot_be_reached_is_unavailable(vendor: LogSearchSimulator, source: LogSearch) -> None:
    vendor.stop()
    with pytest.raises(SourceUnavailable, match="connection refused") as caught:
        source.ask(QUERY)
    assert caught.value.unreachable


def test_a_key_that_the_vendor_repeats_is_masked(
    vendor: LogSearchSimulator, source: LogSearch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.fail(Answer.json({"message": f"no such key: {API_KEY}"}, status=401))
    with pytest.raises(SourceRefused, match=r"no such key: \*\*\*") as caught:
        source.ask(QUERY, what="Requests")
    assert API_KEY not in str(caught.value) + caplog.text
    assert f"query sent: search=Requests query={{'logs': ['{LOG}']" in caplog.text


# Checks


def test_a_check_runs_no_query(vendor: LogSearchSimulator, source: LogSearch) -> None:
    assert source.check() == f"{vendor.url} answers, and does not refuse the key"
    assert [request.method for request in vendor.requests] == ["GET"]


def test_a_check_asks_the_platform_about_the_key(hurry: Hurry) -> None:
    with LogSearchSimulator(base_path="/log_search") as vendor, log_search(vendor.base_url, hurry) as source:
        assert source.check() == f"{vendor.base_url} answers: the key is valid"
        assert [request.target for request in vendor.requests] == ["/validate"]


@pytest.mark.parametrize("base_path", ["", "/log_search"])
def test_a_check_tells_a_key_that_is_refused(hurry: Hurry, base_path: str) -> None:
    with (
        LogSearchSimulator(base_path=base_path, api_key="another") as vendor,
        log_search(vendor.base_url, hurry) as source,
        pytest.raises(SourceRefused, match="the key is refused"),
    ):
        source.check()


@pytest.mark.parametrize("reply", [Answer(404, {}, b"<html>"), HTML_PAGE, Answer(405)])
def test_a_check_tells_an_address_that_is_not_the_query_apis(
    vendor: LogSearchSimulator, source: LogSearch, reply: Answer
) -> None:
    vendor.fail(reply)
    with pytest.raises(BadAnswer):
        source.check()
