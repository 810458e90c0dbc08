"""What a request is made of, what comes back, and what is logged of it."""

import gc
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.errors import TransportError
from importer.http_client import HttpClient, Response
from tests.http_client.asking import SECRET, failure
from tests.http_servers import WAIT_SECONDS, Answer, Script, ScriptServer, book_server, read_request

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
