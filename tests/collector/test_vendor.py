"""What goes wrong with a vendor is told in one line, after as many tries as may help and no more."""

import socket
from collections.abc import Iterator

import pytest

from importer.collector.vendor import RETRIES, Vendor, pause_of
from importer.collector.vendor_failure import failure_of, vendor_text
from importer.credentials import Secret
from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable
from importer.http_client import RetryPolicy
from importer.http_response import Response
from importer.simulators.base import HTML_PAGE, Answer, HttpSimulator, reset
from tests.collector.vendor_world import AT_ONCE

USED_UP = "Remaining: 0 Time until reset: {}"


@pytest.fixture
def simulator() -> Iterator[HttpSimulator]:
    with HttpSimulator() as simulator:
        simulator.route("GET", "/api/figures", lambda _request: Answer.json({"figures": [1]}))
        yield simulator


def vendor_of(simulator: HttpSimulator, retries: RetryPolicy = AT_ONCE) -> Vendor:
    return Vendor("acme", f"{simulator.url}/api/", retries=retries)


def error_of(simulator: HttpSimulator, **request: object) -> SourceError:
    with pytest.raises(SourceError) as caught:
        vendor_of(simulator).ask_json("figures", **request)
    return caught.value


def test_five_tries_wait_ten_twenty_forty_and_eighty_seconds() -> None:
    assert (RETRIES.extra_attempts, RETRIES.pause_seconds, RETRIES.max_wait_seconds) == (4, 10.0, 300.0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_heal_is_asked_again(simulator: HttpSimulator, status: int) -> None:
    simulator.fail(Answer.json({}, status=status), times=4)
    assert vendor_of(simulator).ask_json("figures") == {"figures": [1]}
    assert simulator.request_count == 5


@pytest.mark.parametrize("status", [500, 503])
def test_after_the_fifth_try_the_line_says_so_with_the_status_and_the_vendor_s_text(
    simulator: HttpSimulator, status: int
) -> None:
    simulator.fail(Answer.json({"message": "Down for\nmaintenance"}, status=status), times=None)
    error = error_of(simulator, params={"token": "s3cret-in-the-address"})
    assert simulator.request_count == 5
    assert isinstance(error, SourceUnavailable)
    address = f"{simulator.url}/api/figures"
    assert str(error) == f"acme: Max retries exceeded for {address}: HTTP {status}: Down for maintenance"


def test_a_connection_that_breaks_is_tried_again_and_told_in_the_end(simulator: HttpSimulator) -> None:
    simulator.fail(reset, times=None)
    error = error_of(simulator)
    assert simulator.request_count == 5
    assert str(error).startswith(f"acme: Max retries exceeded for {simulator.url}/api/figures: connection closed")


def test_a_vendor_that_does_not_listen_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    vendor = Vendor("acme", f"http://127.0.0.1:{port}", retries=AT_ONCE)
    with pytest.raises(SourceUnavailable, match=r"Max retries exceeded for .*: connection refused") as caught:
        vendor.ask()
    assert caught.value.unreachable


@pytest.mark.parametrize(("status", "kind"), [(400, BadAnswer), (401, SourceRefused), (403, SourceRefused)])
def test_what_cannot_heal_is_asked_once(simulator: HttpSimulator, status: int, kind: type[SourceError]) -> None:
    simulator.fail(Answer.json({"error": {"errormessage": "No, never"}}, status=status), times=None)
    error = error_of(simulator)
    assert simulator.request_count == 1
    assert type(error) is kind
    assert str(error) == f"acme: {simulator.url}/api/figures: HTTP {status}: No, never"


def test_a_wait_of_more_than_five_minutes_is_given_up_at_once_and_its_end_is_told(simulator: HttpSimulator) -> None:
    simulator.fail(Answer.json({"message": "Slow down"}, status=429, headers={"Retry-After": "86400"}), times=None)
    error = error_of(simulator)
    assert simulator.request_count == 1
    begin = f"acme: {simulator.url}/api/figures: HTTP 429: Slow down; it asks us to wait until 20"
    assert str(error).startswith(begin)


def test_waits_that_the_vendor_asks_for_are_tries_too(simulator: HttpSimulator) -> None:
    simulator.fail(Answer.json({"message": "Slow down"}, status=429, headers={"Retry-After": "0"}), times=None)
    error = error_of(simulator)
    assert simulator.request_count == 5
    assert "Max retries exceeded for" in str(error)


def test_a_wait_until_the_end_of_time_is_still_told() -> None:
    error = failure_of("acme", "http://a", Response(429, {}, b""), pause_seconds=1e15)
    assert str(error).endswith("it asks us to wait until 1e+15 s from now")


def test_a_redirect_is_told_without_what_may_be_secret_in_it(simulator: HttpSimulator) -> None:
    simulator.fail(Answer(301, {"Location": "https://elsewhere.example/api?token=abcdef"}), times=None)
    assert str(error_of(simulator)).endswith("HTTP 301: redirects to https://elsewhere.example/api")


def test_an_answer_that_is_not_json_is_a_bad_one(simulator: HttpSimulator) -> None:
    simulator.fail(HTML_PAGE)
    assert isinstance(error_of(simulator), BadAnswer)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"message": "first", "error": "second"}', "first"),
        (b'{"error": "only"}', "only"),
        (b'{"error": {"message": "inner"}}', "inner"),
        (b'{"error": {"code": 7}}', "Bad Gateway"),
        (b'"text"', "text"),
        (b"plain\ntext", "plain text"),
        (b"<!DOCTYPE html><html><body>Oops</body></html>", "Bad Gateway"),
        (b"", "Bad Gateway"),
    ],
)
def test_the_vendor_s_text_is_found_where_there_is_one(body: bytes, text: str) -> None:
    assert vendor_text(Response(502, {}, body)) == text


def test_a_status_that_nobody_knows_has_a_text_too() -> None:
    assert vendor_text(Response(599, {}, b"")) == "no reason given"


def test_a_vendor_that_repeats_our_secret_gives_nothing_away() -> None:
    secret = Secret("open sesame")
    assert vendor_text(Response(400, {}, f"bad token {secret.reveal()}".encode())) == "bad token ***"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Req-Limit-Short": "Remaining: 0 Time until reset: 12", "Req-Limit-Long": "Remaining: 5 Time"}, 12.0),
        (
            {
                "Req-Limit-Short": "Remaining: 0 Time until reset: 1",
                "Req-Limit-Long": "Remaining: 0 Time until reset: 9",
            },
            9,
        ),
        ({"Req-Limit-Short": "Remaining: 394 Time until reset: 3589"}, None),
    ],
)
def test_the_pause_is_that_of_the_limit_that_is_used_up(headers: dict[str, str], seconds: float | None) -> None:
    assert pause_of(Response(429, headers, b"")) == seconds


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_vendor_that_is_down_may_say_for_how_long(status: int) -> None:
    assert pause_of(Response(status, {"Retry-After": "7"}, b"")) == 7.0


def test_limits_of_a_good_answer_ask_for_no_pause() -> None:
    assert pause_of(Response(200, {"Req-Limit-Short": "Remaining: 0 Time until reset: 12"}, b"")) is None
