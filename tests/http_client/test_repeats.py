"""What is asked again, and after which pause."""

import socket
import threading
from collections.abc import Callable
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import Stopped
from importer.http_client import HttpClient, Response, RetryPolicy
from tests.http_client.asking import ONCE, Holding, Holds, in_thread
from tests.http_servers import WAIT_SECONDS, Answer, ScriptServer, book_server, read_request, says


def test_an_error_of_the_server_is_repeated_once(
    client_for: Callable[..., HttpClient], caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        pauses.append((low, high))
        return 0.0

    with book_server(Answer(500), Answer(200)) as server:
        assert client_for(server.url, uniform=uniform).request("POST", "/", json=1).status == 200
    assert [seen.body for seen in server.seen] == [b"1", b"1"]
    assert pauses == [(0.0, 0.5)]
    assert "request is repeated" in caplog.text


def test_the_last_answer_comes_back_when_all_attempts_are_used(client_for: Callable[..., HttpClient]) -> None:
    policy = RetryPolicy(extra_attempts=3)
    highest: list[float] = []

    def uniform(low: float, high: float) -> float:
        highest.append(high)
        return 0.0

    with book_server(Answer(500)) as server:
        client = client_for(server.url, uniform=uniform)
        assert client.request("GET", "/", retries=policy).status == 500
    assert len(server.seen) == 4
    assert highest == [0.5, 1.0, 2.0]


def test_a_network_error_is_repeated(client_for: Callable[..., HttpClient]) -> None:
    with ScriptServer(says(), says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as server:
        assert client_for(server.url).request("POST", "/").body == b"ok"
    assert server.accepted == 2


def test_a_connection_closed_meanwhile_is_renewed_at_once(client_for: Callable[..., HttpClient]) -> None:
    def answers_once(connection: socket.socket, closing: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        read_request(connection)  # and closes: a server whose idle time is over just then

    with ScriptServer(answers_once) as server:
        client = client_for(server.url, retries=ONCE)
        for _ in range(3):
            assert client.request("POST", "/", json=1).body == b"ok"
        assert server.accepted == 3


def test_connections_dropped_between_requests_do_no_harm(client_for: Callable[..., HttpClient]) -> None:
    with book_server() as server:
        client = client_for(server.url, retries=ONCE)
        for _ in range(3):
            assert client.request("POST", "/", json=1).status == 200
            server.drop_connections()
    assert len(server.seen) == 3


def test_too_many_requests_waits_as_long_as_the_header_says(client_for: Callable[..., HttpClient]) -> None:
    limit = Holds()
    with book_server(
        Answer(429, headers={"Retry-After": "7"}), Answer(503, headers={"Retry-After": "8"}), Answer()
    ) as s:
        assert client_for(s.url, retries=ONCE, rate_limit=limit).request("GET", "/").status == 200
    assert limit.held == [7.0, 8.0]


def body_reset(response: Response) -> float | None:
    answer = response.json()
    assert isinstance(answer, dict)
    return float(answer["reset"])


def test_a_vendor_may_say_elsewhere_how_long_to_wait(client_for: Callable[..., HttpClient]) -> None:
    limit = Holds()
    with book_server(Answer(429, b'{"reset": 42}'), Answer()) as server:
        client = client_for(server.url, rate_limit=limit, retry_after=body_reset)
        assert client.request("GET", "/").status == 200
    assert limit.held == [42.0]


def test_a_wait_that_is_too_long_is_not_begun(client_for: Callable[..., HttpClient]) -> None:
    limit = Holds()
    with book_server(Answer(429, b'{"reset": 61}')) as server:
        client = client_for(server.url, rate_limit=limit, retry_after=body_reset)
        assert client.request("GET", "/").status == 429
    assert (len(server.seen), limit.held) == (1, [])


def test_a_server_that_always_wants_a_pause_is_left_in_the_end(client_for: Callable[..., HttpClient]) -> None:
    limit = Holds()
    with book_server(Answer(429, headers={"Retry-After": "1"})) as server:
        assert client_for(server.url, rate_limit=limit).request("GET", "/").status == 429
    assert (len(server.seen), limit.held) == (4, [1.0, 1.0, 1.0])


def test_a_wait_may_be_for_one_request_alone(client_for: Callable[..., HttpClient]) -> None:
    limit = Holds()
    alone = RetryPolicy(waits_for_all=False)
    with book_server(Answer(429, headers={"Retry-After": "0"}), Answer()) as server:
        assert client_for(server.url, rate_limit=limit, retries=alone).request("GET", "/").status == 200
    assert (len(server.seen), limit.held) == (2, [])


def test_a_stop_ends_a_wait_for_one_request_alone(client_for: Callable[..., HttpClient]) -> None:
    stop = threading.Event()

    def say_and_stop(response: Response) -> float:
        stop.set()
        return 60.0

    alone = RetryPolicy(waits_for_all=False)
    with book_server(Answer(429)) as server:
        client = client_for(server.url, retries=alone, retry_after=say_and_stop, stop=stop)
        with pytest.raises(Stopped):
            client.request("GET", "/")


def test_a_vendor_may_ask_for_a_wait_by_any_error(client_for: Callable[..., HttpClient]) -> None:
    limit = Holds()
    with book_server(Answer(400, b'{"reset": 5}'), Answer()) as server:
        client = client_for(server.url, rate_limit=limit, retry_after=body_reset)
        assert client.request("GET", "/").status == 200
    assert limit.held == [5.0]


def test_too_many_requests_without_a_time_is_repeated_like_an_error(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer(429), Answer()) as server:
        assert client_for(server.url).request("GET", "/").status == 200


def test_a_wait_makes_every_thread_wait(client_for: Callable[..., HttpClient]) -> None:
    limit = Holding()
    with book_server(Answer(429, headers={"Retry-After": "1"}), Answer()) as server:
        client = client_for(server.url, rate_limit=limit)
        result = in_thread(lambda: client.request("GET", "/first"))
        assert limit.holds.wait(WAIT_SECONDS)
        assert client.request("GET", "/second").status == 200
        assert result() is None
    assert sorted(seen.target for seen in server.seen) == ["/first", "/first", "/second"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        (formatdate(1_000_000_090, usegmt=True), 90.0),
        (formatdate(999_999_000, usegmt=True), 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("9" * 30, None),
        ("Mon, 99 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read(header: str, seconds: float | None) -> None:
    answer = Response(429, {"Retry-After": header}, b"")
    assert answer.retry_after_seconds(clock=lambda: 1_000_000_000.0) == seconds


def test_a_date_to_retry_after_is_compared_with_the_servers_clock() -> None:
    headers = {"Retry-After": formatdate(5000, usegmt=True), "Date": formatdate(4990, usegmt=True)}
    assert Response(503, headers, b"").retry_after_seconds(clock=lambda: 99999.0) == 10.0


@given(st.text())
def test_any_retry_after_is_a_time_or_none(header: str) -> None:
    seconds = Response(429, {"Retry-After": header, "Date": header}, b"").retry_after_seconds()
    assert seconds is None or seconds >= 0
