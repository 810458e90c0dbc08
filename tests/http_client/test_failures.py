"""No whole answer: each way to fail is one line without secrets."""

import errno
import re
import socket
import threading
from collections.abc import Callable

import pytest
import requests
from urllib3.exceptions import HTTPError

from importer.http_client import HttpClient, RetryPolicy
from importer.http_failure import explain
from tests.http_client.asking import FACTS, ONCE, SECRET, closed_port, failure, reason_of
from tests.http_servers import Answer, ScriptServer, book_server, drips, read_request, says, says_then_hangs


def test_nobody_listens(client_for: Callable[..., HttpClient]) -> None:
    with closed_port() as url:
        error = failure(client_for(url))
    assert error.reason == "connection refused"
    assert error.unreachable


def test_the_name_is_not_known(client_for: Callable[..., HttpClient]) -> None:
    error = failure(client_for("https://vendor.invalid"))
    assert str(error) == "vendor.invalid: name not known: Name or service not known"
    assert error.unreachable


def test_nobody_takes_the_connection(client_for: Callable[..., HttpClient]) -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for sock in (first, second):  # fill the queue; the kernel drops what comes then
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        error = failure(client_for(url, retries=ONCE, connect_timeout_seconds=0.2))
    assert error.reason == "no connection within 0.2 s"
    assert error.unreachable


def test_plain_http_where_tls_is_expected(client_for: Callable[..., HttpClient]) -> None:
    with book_server() as server:
        error = failure(client_for(server.url.replace("http:", "https:"), retries=ONCE))
    assert error.reason.startswith("TLS failed: ")
    assert error.unreachable


def test_no_answer(client_for: Callable[..., HttpClient]) -> None:
    assert reason_of(client_for, says_then_hangs(), timeout_seconds=0.3) == "no answer within 0.3 s"


def test_a_header_that_drips_is_not_waited_for(client_for: Callable[..., HttpClient]) -> None:
    reason = reason_of(client_for, drips(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), timeout_seconds=0.5)
    assert reason == "answer not complete after 0.5 s (a part of its header)"


@pytest.mark.parametrize(
    ("head", "drop"),
    [(b"Content-Length: 1000000", b"x"), (b"Transfer-Encoding: chunked", b"1\r\nx\r\n"), (b"Connection: close", b"x")],
    ids=["length", "chunked", "until-close"],
)
def test_a_body_that_drips_is_not_waited_for(client_for: Callable[..., HttpClient], head: bytes, drop: bytes) -> None:
    reason = reason_of(client_for, drips(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", drop), timeout_seconds=0.5)
    assert reason.startswith("answer not complete after 0.5 s (")


def test_an_answer_that_drips_is_not_asked_for_again(client_for: Callable[..., HttpClient]) -> None:
    with ScriptServer(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x")) as server:
        error = failure(client_for(server.url, retries=RetryPolicy(extra_attempts=3), timeout_seconds=0.3))
        assert server.accepted == 1
    assert error.reason.startswith("answer not complete after 0.3 s (")


def test_no_answer_is_asked_for_again(client_for: Callable[..., HttpClient]) -> None:
    with ScriptServer(says_then_hangs()) as server:
        failure(client_for(server.url, retries=RetryPolicy(extra_attempts=1), timeout_seconds=0.2))
        assert server.accepted == 2


def test_all_tries_together_end_in_time(client_for: Callable[..., HttpClient]) -> None:
    with ScriptServer(says_then_hangs()) as server:
        client = client_for(server.url, retries=RetryPolicy(extra_attempts=99))
        told = failure(client, within_seconds=0.3).reason
        assert re.fullmatch(r"no answer within 0\.(3|[012]\d*) s", told), told  # what is left for the last try
        assert server.accepted == 1


def test_a_pause_for_which_there_is_no_time_is_not_begun(client_for: Callable[..., HttpClient]) -> None:
    pauses: list[float] = []
    with book_server(Answer(500)) as server:
        client = client_for(server.url, retries=RetryPolicy(extra_attempts=9, pause_seconds=60), uniform=max)
        assert client.request("GET", "/", within_seconds=30.0).status == 500
        waiting = client_for(server.url, retry_after=lambda _response: pauses.append(31.0) or 31.0)
        assert waiting.request("GET", "/", within_seconds=30.0).status == 500
    assert len(server.seen) == 2
    assert pauses == [31.0]


def test_an_answer_shorter_than_it_says(client_for: Callable[..., HttpClient]) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + b"x" * 123
    assert reason_of(client_for, says(answer)) == "answer cut off after 123 of 400 bytes"


@pytest.mark.parametrize("end", [b"", b"4", b"4\r\n", b"4\r\nab"])
def test_chunks_without_an_end(client_for: Callable[..., HttpClient], end: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + end
    assert reason_of(client_for, says(answer)).startswith("answer cut off after ")


def test_a_reset_in_the_middle(client_for: Callable[..., HttpClient]) -> None:
    def script(connection: socket.socket, closing: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n123")
        closing.wait(0.2)  # let it arrive
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert reason_of(client_for, script).startswith("answer cut off after ")


def test_closed_without_an_answer(client_for: Callable[..., HttpClient]) -> None:
    assert reason_of(client_for, says()) == "connection closed without an answer"


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_something_that_does_not_speak_http(client_for: Callable[..., HttpClient], answer: bytes) -> None:
    assert reason_of(client_for, says(answer)) == "answer is not HTTP"


def test_odd_headers_bring_no_url_into_the_log(
    client_for: Callable[..., HttpClient], caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptServer(says(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n")) as server:
        client_for(server.url).request("GET", "/", params={"key": SECRET})
    assert SECRET not in caplog.text


def test_more_than_we_take(client_for: Callable[..., HttpClient]) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2097153\r\n\r\n" + b"x" * 2097153
    with ScriptServer(says(answer)) as server:
        error = failure(client_for(server.url, max_response_bytes=2**21))  # not repeated
        assert server.accepted == 1
    assert error.reason == "answer larger than 2 MiB"


def test_as_much_as_we_take_is_taken(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer(200, b"x" * 1000)) as server:
        assert len(client_for(server.url, max_response_bytes=1000).request("GET", "/").body) == 1000


def test_a_little_that_unpacks_to_very_much(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer.gzipped(bytes(20 * 2**20))) as server:
        error = failure(client_for(server.url, max_response_bytes=2**20))
    assert error.reason == "answer larger than 1 MiB"


def test_damaged_compression(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer(200, b"no gzip at all", {"Content-Encoding": "gzip"})) as server:
        error = failure(client_for(server.url, retries=ONCE))
    assert error.reason == "answer cannot be unpacked: its compression is damaged"


@pytest.mark.parametrize(
    ("error", "reason", "may_heal"),
    [
        (OSError(errno.ENETUNREACH, SECRET), "network is unreachable", True),
        (HTTPError(SECRET), "not possible (HTTPError)", True),
        (requests.exceptions.InvalidURL(SECRET), "address or proxy cannot be used (InvalidURL)", False),
    ],
)
def test_other_failures_are_named_in_words_that_quote_nothing(error: Exception, reason: str, *, may_heal: bool) -> None:
    wrapped = error if isinstance(error, ValueError) else requests.ConnectionError(error)
    explained = explain(wrapped, "host", connecting=True, connected=False, received_bytes=0, facts=FACTS)
    assert (str(explained), explained.may_heal, explained.unreachable) == (f"host: {reason}", may_heal, True)
