"""What a store's answer means for the payload in hand."""

from collections.abc import Iterator

import pytest

from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.http_client import HttpClient, RetryPolicy
from importer.simulators.base import Answer, HttpSimulator, reset
from importer.sinks.http_push import HttpPush

LANE = "shop"


@pytest.fixture
def store() -> Iterator[HttpSimulator]:
    simulator = HttpSimulator()
    simulator.route("POST", "/in", lambda _request: Answer(202))
    with simulator:
        yield simulator


def push_to(url: str) -> HttpPush:
    return HttpPush(LANE, HttpClient(url, retries=RetryPolicy(extra_attempts=0, max_waits=0)), hint="correct url")


def error_of(store: HttpSimulator, answer: Answer) -> SinkError:
    store.fail(answer)
    with pytest.raises(SinkError) as caught:
        push_to(store.url).send("POST", "/in", body=b"x")
    assert str(caught.value).startswith(f"{LANE}: HTTP {answer.status}")
    assert "\n" not in str(caught.value)
    return caught.value


def test_any_success_is_one(store: HttpSimulator) -> None:
    assert push_to(store.url).send("POST", "/in", json={"a": 1}).status == 202
    assert store.requests[0].json() == {"a": 1}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_heal_keeps_the_payload(store: HttpSimulator, status: int) -> None:
    error = error_of(store, Answer(status, {"Retry-After": "7"}))
    assert isinstance(error, SinkUnavailable)
    assert error.retry_after_seconds == 7.0


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_what_is_about_our_configuration_says_what_to_mend(store: HttpSimulator, status: int) -> None:
    error = error_of(store, Answer(status))
    assert isinstance(error, SinkRefused)
    assert error.reason.endswith("; correct url")


def test_a_redirect_is_a_wrong_address(store: HttpSimulator) -> None:
    error = error_of(store, Answer(301, {"Location": "https://elsewhere.example/"}))
    assert isinstance(error, SinkRefused)
    assert "https://elsewhere.example/" in error.reason


@pytest.mark.parametrize("status", [400, 413, 422])
def test_any_other_refusal_is_of_this_payload_and_tells_the_reason(store: HttpSimulator, status: int) -> None:
    error = error_of(store, Answer(status, body=b'{"message": "no\nsuch field"}'))
    assert isinstance(error, Rejected)
    assert error.reason == f'HTTP {status}: {{"message": "no such field"}}'


def test_a_page_for_people_is_not_quoted(store: HttpSimulator) -> None:
    assert error_of(store, Answer(500, body=b"<html>Sorry</html>")).reason == "HTTP 500"


def test_no_answer_keeps_the_payload(store: HttpSimulator) -> None:
    store.fail(reset)
    with pytest.raises(SinkUnavailable, match="connection closed"):
        push_to(store.url).send("POST", "/in")


def test_an_answer_can_be_asked_for_whatever_it_is(store: HttpSimulator) -> None:
    assert push_to(store.url).ask("GET", "/nowhere").status == 404
