"""What a store's answer means for the payload in hand."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from importer.credentials import Secret
from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.http_client import HttpClient, RetryPolicy
from importer.simulators.base import Answer, HttpSimulator, reset
from importer.sinks.http_push import HttpPush, TooLarge, deliver_in_halves
from importer.sinks.push_client import push_client

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


# Repeating


class Pauses(threading.Event):
    """Counts the waits between tries instead of waiting for their end."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return False


def patient(url: str, pauses: Pauses) -> HttpPush:
    return HttpPush(LANE, push_client(url), hint="correct url", stopping=pauses)


def test_a_failing_push_is_tried_four_times_with_growing_pauses(store: HttpSimulator) -> None:
    store.fail(Answer(503), times=None)
    pauses = Pauses()
    with pytest.raises(SinkUnavailable):
        patient(store.url, pauses).send("POST", "/in")
    assert pauses.seconds == [0.5, 1.0, 2.0]
    assert store.request_count == 4


@pytest.mark.parametrize("headers", [{"Retry-After": "7"}, {"X-RateLimit-Reset": "7", "Retry-After": "8"}])
def test_a_pause_that_the_store_asks_for_is_kept(store: HttpSimulator, headers: dict[str, str]) -> None:
    store.fail(Answer(429, headers))
    pauses = Pauses()
    assert patient(store.url, pauses).send("POST", "/in").status == 202
    assert pauses.seconds == [7.0]


def test_a_pause_that_is_too_long_for_a_push_is_left_to_the_lane(store: HttpSimulator) -> None:
    store.fail(Answer(429, {"Retry-After": "3600"}))
    pauses = Pauses()
    with pytest.raises(SinkUnavailable) as caught:
        patient(store.url, pauses).send("POST", "/in")
    assert (caught.value.retry_after_seconds, pauses.seconds) == (3600.0, [])


def test_a_limit_that_lasts_tells_the_lane_when_it_is_over(store: HttpSimulator) -> None:
    error = error_of(store, Answer(429, {"X-RateLimit-Reset": "12"}))
    assert isinstance(error, SinkUnavailable)
    assert error.retry_after_seconds == 12.0


# Halves


class Store:
    """Takes so many lines at once, and rejects those that begin with `bad`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lines: list[bytes] = []

    def take(self, lines: Sequence[bytes]) -> None:
        if len(lines) > self.limit:
            raise TooLarge(LANE, f"{len(lines)} lines")
        if any(line.startswith(b"bad") for line in lines):
            raise Rejected(LANE, f"bad line in {len(lines)}")
        self.lines += lines


def test_what_is_too_large_goes_in_halves_in_its_order() -> None:
    store = Store(2)
    deliver_in_halves(store.take, [b"a", b"b", b"c", b"d", b"e"])
    assert store.lines == [b"a", b"b", b"c", b"d", b"e"]


def test_the_first_rejection_is_told_once_all_other_halves_are_there() -> None:
    store = Store(2)
    with pytest.raises(Rejected, match="bad line in 2"):
        deliver_in_halves(store.take, [b"bad", b"b", b"c", b"d", b"e"])
    assert store.lines == [b"c", b"d", b"e"]


def test_a_line_that_is_too_large_by_itself_is_rejected() -> None:
    with pytest.raises(TooLarge, match="1 lines"):
        deliver_in_halves(Store(0).take, [b"a", b"b"])


# What is told


@pytest.mark.parametrize("padding", [b"x" * 290, b" " * 1990])
def test_a_secret_is_masked_before_the_text_is_cut(store: HttpSimulator, padding: bytes) -> None:
    key = Secret("a key that stands at the cut").reveal()
    assert key[:5] not in error_of(store, Answer(400, body=padding + key.encode())).reason


def test_a_secret_in_a_redirect_is_masked_before_it_is_cut(store: HttpSimulator) -> None:
    key = Secret("another-key-that-stands-at-the-cut").reveal()
    reason = error_of(store, Answer(301, {"Location": f"/{'x' * 190}{key}"})).reason
    assert "another" not in reason
