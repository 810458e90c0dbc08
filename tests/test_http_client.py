import errno
import gc
import json
import logging
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import HTTPError

from importer.errors import Stopped, TransportError
from importer.http_client import BadJson, HttpClient, HttpClients, Response, RetryPolicy, base_url
from importer.http_failure import explain
from importer.rate_limit import RateLimit
from tests.http_servers import (
    WAIT_SECONDS,
    Answer,
    Certificate,
    Script,
    ScriptServer,
    book_server,
    drips,
    make_certificate,
    read_request,
    says,
    says_then_hangs,
)

SECRET = "s3cr3t-t0ken"
FACTS = {"timeout_seconds": 30, "connect_timeout_seconds": 10, "progress": ""}
ONCE = RetryPolicy(extra_attempts=0)


@pytest.fixture
def client_for() -> Iterator[Callable[..., HttpClient]]:
    """Make clients that don't pause before they repeat a request, and close them."""
    clients: list[HttpClient] = []

    def make(url: str, **options: Any) -> HttpClient:
        clients.append(HttpClient(url, **({"uniform": lambda low, high: 0.0} | options)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def failure(client: HttpClient, **request: Any) -> TransportError:
    """Return the error of a request that carries a secret wherever one can be, having checked that it hides it."""
    with pytest.raises(TransportError) as caught:
        client.request("POST", "/v1.0/x", params={"key": SECRET}, bearer=SECRET, json={"a": SECRET}, **request)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    assert str(caught.value).startswith(client.host)
    return caught.value


def reason_of(client_for: Callable[..., HttpClient], script: Script, **options: Any) -> str:
    with ScriptServer(script) as server:
        error = failure(client_for(server.url, retries=ONCE, **options))
    assert not error.unreachable
    return error.reason


# What is sent


def test_a_json_request_arrives_as_it_was_meant(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer(200, b'{"a": 1}')) as server:
        answer = client_for(server.url).request(
            "POST", "/v1.0/x?a=1", params={"b": "c d", "e": ["1", "2"]}, json={"f": "é"}, bearer=SECRET
        )
    assert (answer.status, answer.json()) == (200, {"a": 1})
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("POST", "/v1.0/x?a=1&b=c+d&e=1&e=2")
    assert json.loads(seen.body) == {"f": "é"}
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Authorization"] == f"Bearer {SECRET}"
    assert seen.headers["User-Agent"].startswith("metrics-importer/")


def test_a_form_and_basic_authentication_are_sent_as_utf_8(client_for: Callable[..., HttpClient]) -> None:
    with book_server() as server:
        client_for(server.url).request("POST", "/token", form={"password": "ä&b"}, basic=("ü", "ö"))
    (seen,) = server.seen
    assert seen.body == b"password=%C3%A4%26b"
    assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert seen.headers["Authorization"] == "Basic w7w6w7Y="


def test_bytes_are_sent_as_they_are_under_the_callers_content_type(client_for: Callable[..., HttpClient]) -> None:
    with book_server() as server:
        client_for(server.url).request("PUT", "/", body=b"\0\xff", headers={"content-type": "x/y", "User-Agent": "me"})
    (seen,) = server.seen
    assert seen.body == b"\0\xff"
    assert seen.headers.get_all("Content-Type") == ["x/y"]
    assert seen.headers.get_all("User-Agent") == ["me"]


def test_a_post_without_a_body_says_so(client_for: Callable[..., HttpClient]) -> None:
    with book_server() as server:
        client_for(server.url).request("POST", "/liveStats")
    assert server.seen[0].headers["Content-Length"] == "0"


def test_a_request_has_one_body() -> None:
    with pytest.raises(ValueError, match="one body"):
        HttpClient("h").request("POST", "/", json={}, body=b"")


@pytest.mark.parametrize("path", ["", "v1", "@evil.example/", "/a b", "/a\r\nX: y", "/a#b", "/a\\b"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        HttpClient("h").request("GET", path)


@pytest.mark.parametrize("method", ["", "get", "GET /x HTTP/1.1\r\nX:"])
def test_a_method_that_is_none_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        HttpClient("h").request(method, "/")


@pytest.mark.parametrize("value", [f"{SECRET}\r\nX: y", f"{SECRET}\n", f" {SECRET}", f"{SECRET}\0", f"{SECRET}€"])
def test_a_header_cannot_smuggle_in_another(value: str) -> None:
    with pytest.raises(TransportError, match="header Token holds characters") as caught:
        HttpClient("h").request("GET", "/", headers={"Token": value})
    assert SECRET not in str(caught.value)
    with pytest.raises(TransportError, match="header"):
        HttpClient("h").request("GET", "/", headers={value: "x"})


def test_netrc_is_not_looked_into(
    client_for: Callable[..., HttpClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login somebody password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with book_server() as server:
        client = client_for(server.url)
        client.request("GET", "/", bearer="ours")
        client.request("GET", "/")
    assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer ours", None]


# What comes back


@pytest.mark.parametrize("status", [200, 204, 301, 302, 400, 401, 404, 418])
def test_every_status_comes_back(client_for: Callable[..., HttpClient], status: int) -> None:
    with book_server(Answer(status)) as server:
        assert client_for(server.url).request("GET", "/").status == status
    assert len(server.seen) == 1


def test_a_redirect_is_not_followed_and_its_body_is_bounded(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer(302, b"x" * 2000, {"Location": "/elsewhere"})) as server:
        answer = client_for(server.url).request("GET", "/")
        assert (answer.status, answer.headers["location"], len(answer.body)) == (302, "/elsewhere", 2000)
        error = failure(client_for(server.url, max_response_bytes=1000))
    assert error.reason == "answer larger than 1000 bytes"
    assert [seen.target.partition("?")[0] for seen in server.seen] == ["/", "/v1.0/x"]


def test_headers_are_found_whatever_their_case(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer(headers={"Rate-Limit-Remaining": "7"})) as server:
        headers = client_for(server.url).request("GET", "/").headers
    assert headers["rate-limit-remaining"] == headers["RATE-LIMIT-REMAINING"] == "7"
    assert "absent" not in headers
    assert "rate-limit-remaining" in list(headers)


def test_a_packed_answer_is_unpacked(client_for: Callable[..., HttpClient]) -> None:
    with book_server(Answer.gzipped(b"hello" * 1000)) as server:
        assert client_for(server.url).request("GET", "/").body == b"hello" * 1000


def test_an_answer_shows_no_secret_when_it_is_printed() -> None:
    assert SECRET not in repr(Response(200, {"Set-Cookie": SECRET}, SECRET.encode()))


def test_connections_are_kept_a_thread_each(client_for: Callable[..., HttpClient]) -> None:
    with book_server() as server:
        client = client_for(server.url)
        both_connected = threading.Barrier(2)

        def ask() -> None:
            client.request("GET", "/")
            both_connected.wait(WAIT_SECONDS)
            for _ in range(4):
                client.request("GET", "/")

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.seen) == 10
    assert len(server.connections) == 2


def test_connections_of_threads_that_are_gone_are_closed(client_for: Callable[..., HttpClient]) -> None:
    with ScriptServer(_answers_and_reports_the_end(ended := threading.Event())) as server:
        client = client_for(server.url)
        thread = threading.Thread(target=lambda: client.request("GET", "/"))
        thread.start()
        thread.join()
        gc.collect()
        assert ended.wait(WAIT_SECONDS)


def _answers_and_reports_the_end(ended: threading.Event) -> Script:
    def script(connection: socket.socket, closing: threading.Event) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        ended.set()

    return script


# JSON


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff", b'"\xff"', b"{", b"NaN", b"[Infinity]", b"-Infinity", b"1" * 5000, b"[" * 10**6],
    ids=["empty", "html", "not-utf-8", "not-utf-8-text", "cut", "nan", "inf", "minus-inf", "long-number", "deep"],
)
def test_what_is_no_json_is_one_error_in_one_line(body: bytes) -> None:
    with pytest.raises(BadJson) as caught:
        Response(200, {}, body).json()
    assert str(caught.value).startswith("the answer is not ")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) <= 200


def test_a_byte_order_mark_is_skipped() -> None:
    assert Response(200, {}, b"\xef\xbb\xbf[1]").json() == [1]


def test_half_an_emoji_becomes_a_question_mark() -> None:
    assert Response(200, {}, rb'{"a": "x\ud83d", "b": "\ud83d\ude00"}').json() == {"a": "x?", "b": "😀"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=10))
def test_json_comes_back_as_it_was_sent(value: object) -> None:
    assert Response(200, {}, json.dumps(value).encode()).json() == value
    assert Response(200, {}, json.dumps(value, ensure_ascii=False).encode()).json() == value


@given(st.binary())
def test_any_bytes_are_json_or_bad_json(body: bytes) -> None:
    try:
        Response(200, {}, body).json()
    except BadJson as error:
        assert str(error).isprintable()


# No whole answer


@contextmanager
def closed_port() -> Iterator[str]:
    """A port that nobody listens on, and that nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


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


# Repeating


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


class Holds(RateLimit):
    """Notes how long it was to hold, and doesn't."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[float] = []

    def hold(self, seconds: float) -> None:
        self.held.append(seconds)


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


# Stopping


def in_thread(call: Callable[[], object]) -> Callable[[], BaseException | None]:
    """Start call in a thread; the function returned waits for its end and gives the error."""
    errors: list[BaseException | None] = []

    def run() -> None:
        try:
            call()
            errors.append(None)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> BaseException | None:
        thread.join(WAIT_SECONDS)
        return errors[0]

    return result


def test_a_stop_ends_the_wait_that_a_server_asks_for(client_for: Callable[..., HttpClient]) -> None:
    stop = threading.Event()
    limit = Holding()
    with book_server(Answer(429, headers={"Retry-After": "60"})) as server:
        client = client_for(server.url, stop=stop, rate_limit=limit)
        result = in_thread(lambda: client.request("GET", "/"))
        assert limit.holds.wait(WAIT_SECONDS)
        stop.set()
        assert isinstance(result(), Stopped)


class Holding(RateLimit):
    """Says when it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = threading.Event()

    def hold(self, seconds: float) -> None:
        super().hold(seconds)
        self.holds.set()


def test_a_stop_ends_the_pause_before_a_repetition(client_for: Callable[..., HttpClient]) -> None:
    stop = threading.Event()
    pausing = threading.Event()

    def long_pause(low: float, high: float) -> float:
        pausing.set()
        return 60.0

    with book_server(Answer(500)) as server:
        client = client_for(server.url, stop=stop, uniform=long_pause)
        result = in_thread(lambda: client.request("GET", "/"))
        assert pausing.wait(WAIT_SECONDS)
        stop.set()
        assert isinstance(result(), Stopped)


def test_a_stop_of_one_request_ends_its_pauses_alone(client_for: Callable[..., HttpClient]) -> None:
    stopped = threading.Event()
    stopped.set()
    patient = RetryPolicy(waits_for_all=False)
    with book_server(Answer(429, headers={"Retry-After": "0.01"}), Answer(200)) as server:
        client = client_for(server.url, retries=patient)
        with pytest.raises(Stopped):
            client.request("GET", "/", stop=stopped)
        assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_a_stop_ends_the_wait_for_an_answer(client_for: Callable[..., HttpClient], begin: bytes) -> None:
    stop = threading.Event()
    asked = threading.Event()

    def script(connection: socket.socket, closing: threading.Event) -> None:
        read_request(connection)
        connection.sendall(begin)
        asked.set()
        closing.wait(WAIT_SECONDS)

    with ScriptServer(script) as server:
        client = client_for(server.url, stop=stop)
        result = in_thread(lambda: client.request("GET", "/"))
        assert asked.wait(WAIT_SECONDS)
        stop.set()
        assert isinstance(result(), Stopped)


# TLS and proxies


def test_a_certificate_that_nobody_vouches_for_is_refused(
    client_for: Callable[..., HttpClient], certificate: Certificate
) -> None:
    with book_server(tls=certificate.server_context()) as server:
        error = failure(client_for(server.url))
    assert error.reason == "certificate verify failed: self-signed certificate"
    assert error.unreachable
    assert server.seen == []


def test_a_certificate_for_another_host_is_refused(client_for: Callable[..., HttpClient], tmp_path: Path) -> None:
    other = make_certificate(tmp_path, subject="127.0.0.2")
    with book_server(tls=other.server_context()) as server:
        error = failure(client_for(server.url, verify=other.path))
    assert error.reason.startswith("certificate verify failed: IP address mismatch")


@pytest.mark.parametrize("how", ["given", "environment", "unchecked"])
def test_a_certificate_can_be_vouched_for(
    client_for: Callable[..., HttpClient], certificate: Certificate, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "environment":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    options: dict[str, dict[str, object]] = {"given": {"verify": certificate.path}, "unchecked": {"verify": False}}
    with book_server(Answer(200, b"x" * 100_000), tls=certificate.server_context()) as server:
        client = client_for(server.url, **options.get(how, {}))
        assert [len(client.request("POST", "/", json=1).body) for _ in range(3)] == [100_000] * 3
    assert len(server.connections) == 1


def test_an_environment_does_not_turn_a_given_certificate_off(
    client_for: Callable[..., HttpClient], certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificate(tmp_path).path))
    with book_server(tls=certificate.server_context()) as server:
        assert client_for(server.url, verify=certificate.path).request("GET", "/").status == 200


def test_a_missing_file_of_certificates_is_named(client_for: Callable[..., HttpClient], tmp_path: Path) -> None:
    error = failure(client_for("https://127.0.0.1:1", verify=tmp_path / "absent.pem"))
    assert str(tmp_path / "absent.pem") in error.reason
    assert error.unreachable


def test_slow_tls_answers_are_read_whole(client_for: Callable[..., HttpClient], certificate: Certificate) -> None:
    context = certificate.server_context()

    def script(connection: socket.socket, closing: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            read_request(secure)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            for _ in range(2):
                closing.wait(0.4)  # longer than a slice of the client's patience
                secure.sendall(b"abc")

    with ScriptServer(script) as server:
        client = client_for(server.url.replace("http:", "https:"), verify=certificate.path)
        assert client.request("GET", "/").body == b"abcabc"


def test_a_proxy_of_the_environment_is_used_unless_proxies_are_given(
    client_for: Callable[..., HttpClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    with book_server(Answer(200, b"proxy")) as proxy, book_server(Answer(200, b"direct")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert client_for("http://vendor.invalid").request("GET", "/a").body == b"proxy"
        assert client_for(server.url, proxies={}).request("GET", "/b").body == b"direct"
        monkeypatch.delenv("http_proxy")
        assert client_for("http://vendor.invalid", proxies={"http": proxy.url}).request("GET", "/c").body == b"proxy"
    assert [seen.target for seen in proxy.seen] == ["http://vendor.invalid/a", "http://vendor.invalid/c"]


def test_a_proxy_that_is_down_is_blamed_without_its_password(client_for: Callable[..., HttpClient]) -> None:
    with closed_port() as url:
        proxy = url.replace("http://", f"http://user:{SECRET}@")
        for target in ("http://vendor.invalid", "https://vendor.invalid"):
            error = failure(client_for(target, proxies={"http": proxy, "https": proxy}))
            assert error.reason == "proxy: connection refused"
            assert error.unreachable


def test_a_proxy_that_refuses_the_tunnel_is_quoted(client_for: Callable[..., HttpClient]) -> None:
    with ScriptServer(says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
        error = failure(client_for("https://vendor.invalid", proxies={"https": proxy.url}))
    assert error.reason == "proxy: Tunnel connection failed: 407 Proxy Authentication Required"
    assert error.unreachable


@pytest.mark.parametrize("proxy", [f"http://user:{SECRET}@", "http://[::1", "nonsense://proxy:1", "socks5://proxy:1"])
def test_a_proxy_address_that_is_none_is_refused_in_one_line(
    client_for: Callable[..., HttpClient], monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    error = failure(client_for("https://vendor.invalid", proxies={"https": proxy}))
    assert "proxy" in error.reason
    assert error.unreachable
    monkeypatch.setenv("https_proxy", proxy)
    assert failure(client_for("https://vendor.invalid")).unreachable


# Addresses


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("developers.crittercism.com", "https://developers.crittercism.com"),
        ("localhost:8080", "https://localhost:8080"),
        ("http://127.0.0.1:80/", "http://127.0.0.1:80"),
        ("HTTPS://Host.example/base/", "https://Host.example/base"),
        ("[::1]:8443/v1", "https://[::1]:8443/v1"),
        ("host_name.local.", "https://host_name.local."),
        ("bücher.example", "https://bücher.example"),
    ],
)
def test_an_address_is_completed(text: str, url: str) -> None:
    assert base_url(text) == url
    assert base_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "https://", "ftp://host", "file:///etc/passwd", "host name", " host", "host\n", "https://ho\tst",
        f"https://user:{SECRET}@host", f"{SECRET}@host", f"host?key={SECRET}", f"host/#{SECRET}", "host:", "host:0",
        "host:99999", "host:x", "https://[::1", "[v1.x]", "[::g]", "a..b",
        "-a.example", "a" * 64 + ".example", "host/a b",
        ".".join(["a" * 60] * 5), "host\\evil",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        base_url(text)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ValueError, match="address"):
        HttpClient(text)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        url = base_url(text)
    except ValueError:
        return
    assert base_url(url) == url
    assert url.isprintable()


# Logs and start-up


def test_each_request_leaves_a_line_without_secrets(
    client_for: Callable[..., HttpClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with book_server(Answer(200, SECRET.encode())) as server:
        client_for(server.url).request("GET", "/v1.0/x", params={"key": SECRET}, basic=("u", SECRET))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "importer.http_client"]
    assert line.startswith(f"request method=GET host=127.0.0.1:{server.port} path=/v1.0/x status=200 milliseconds=")
    assert line.endswith(f" bytes={len(SECRET)}")
    assert SECRET not in caplog.text


def test_the_client_can_be_imported_without_requests() -> None:
    code = "import sys, importer.http_client; print({'requests', 'urllib3', 'http.client'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "set()\n"


def test_a_server_that_is_used_by_a_client_that_was_closed_is_asked_again(
    client_for: Callable[..., HttpClient],
) -> None:
    with book_server() as server:
        client = client_for(server.url)
        client.request("GET", "/")
        client.close()
        client.request("GET", "/")
    assert len(server.connections) == 2


# ---- many hosts


def test_a_host_has_one_client() -> None:
    clients = HttpClients()
    assert clients.get("https://a.example") is clients.get("https://a.example")
    assert clients.get("https://a.example") is not clients.get("https://b.example")


def test_the_client_that_is_unused_for_longest_goes_when_there_are_too_many() -> None:
    made: list[str] = []

    def make(url: str) -> HttpClient:
        made.append(url)
        return HttpClient(url)

    clients = HttpClients(make, limit=2)
    for host in ("a", "b", "a", "c", "a", "b"):
        clients.get(f"https://{host}.example")
    assert made == [f"https://{host}.example" for host in ("a", "b", "c", "b")]


def test_what_is_no_base_url_has_no_client() -> None:
    with pytest.raises(ValueError, match="not an address"):
        HttpClients().get("https://")


def test_clients_are_closed_together() -> None:
    with book_server(Answer()) as server:
        clients = HttpClients()
        clients.get(server.url).request("GET", "/")
        clients.close()
        assert clients.get(server.url).request("GET", "/").status == 200
    assert {seen.connection for seen in server.seen} == {1, 2}
