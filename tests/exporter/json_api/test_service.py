"""A config-only service asks as it is told, repeats what may heal, and says in one line what went wrong."""

import json
import logging
import socket
from pathlib import Path
from threading import Event, Thread

import pytest

from importer.credentials import redact
from importer.errors import Stopped
from importer.exporter.base import FaultKind
from tests.exporter.json_services import FORBIDDEN, ONE, answers, faults, samples, service_of
from tests.http_servers import WAIT_SECONDS, Answer, ScriptServer, book_server, read_request, says, says_then_hangs

(GOOD,) = answers({"count": 1})
BAD = Answer(500, b"oh\n no")


def test_the_request_is_as_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text('TOKEN="a+b/c=="\nWHO=secretive')
    entry = {
        "headers": {"Authorization": "Bearer ${TOKEN}", "X-Env": "${ENVIRONMENT}"},
        "params": {"window": "1h", "n": 3, "half": 0.5, "all": True, "team": ["a b", "${WHO}"], "none": []},
        "body": {"want": ["${WHO}", 1], "deep": {"who": "${WHO}!"}},
        "secret_file_path": "secret",
    }
    with (
        book_server(GOOD) as vendor,
        service_of(
            tmp_path,
            {"api_url": f"{vendor.url}/v1/${{PART}}?key=${{TOKEN}}&x=1", **entry},
            environ={"ENVIRONMENT": "test", "PART": "stats", "TOKEN": "not this one"},
        ) as service,
    ):
        assert not service.poll().faults
        assert samples(service) == {"count": 1.0}
    (request,) = vendor.seen
    query = "key=a%2Bb%2Fc%3D%3D&x=1&window=1h&n=3&half=0.5&all=true&team=a+b&team=secretive"
    assert (request.method, request.target) == ("POST", f"/v1/stats?{query}")
    assert request.headers["Authorization"] == "Bearer a+b/c=="
    assert request.headers["X-Env"] == "test"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {"want": ["secretive", 1], "deep": {"who": "secretive!"}}
    assert redact("a+b/c== secretive test Bearer") == "*** *** test Bearer"


@pytest.mark.parametrize(
    ("body", "sent", "media_type"),
    [
        ('{"a": 1}', b'{"a": 1}', "application/json"),
        ("select 1", b"select 1", "text/plain; charset=utf-8"),
        ([1, "é"], '[1, "é"]'.encode(), "application/json"),
    ],
)
def test_a_body_that_is_text_is_sent_as_it_is(tmp_path: Path, body: object, sent: bytes, media_type: str) -> None:
    with (
        book_server(GOOD) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "body": body, "method": "PUT"}) as service,
    ):
        service.poll()
    (request,) = vendor.seen
    assert (request.method, request.body, request.headers["Content-Type"]) == ("PUT", sent, media_type)


def test_a_header_given_wins_over_the_media_type(tmp_path: Path) -> None:
    entry = {"body": "<a/>", "headers": {"content-type": "text/xml"}}
    with book_server(GOOD) as vendor, service_of(tmp_path, {"api_url": vendor.url, **entry}) as service:
        service.poll()
    assert vendor.seen[0].headers.get_all("Content-Type") == ["text/xml"]


def test_secrets_may_be_in_files(tmp_path: Path) -> None:
    for name in ("key", "password", "token"):
        (tmp_path / name).write_text(f"{name}-of-file\n")
    with book_server(GOOD) as vendor:
        entry = {"api_url": vendor.url, "header_files": {"X-Api-Key": "key"}}
        for more in ({"bearer_token_file": "token"}, {"basic_auth": {"username": "u", "password_file": "password"}}):
            with service_of(tmp_path, {**entry, **more}) as service:
                service.poll()
    assert [request.headers["X-Api-Key"] for request in vendor.seen] == ["key-of-file"] * 2
    assert [request.headers["Authorization"] for request in vendor.seen] == [
        "Bearer token-of-file",
        "Basic dTpwYXNzd29yZC1vZi1maWxl",
    ]
    assert redact("key-of-file") == "***"


def test_a_status_is_told_without_query_and_secrets(tmp_path: Path) -> None:
    body = b"no\n such   key: sesame-open " + b"x" * 300
    with (
        book_server(Answer(403, body)) as vendor,
        service_of(
            tmp_path, {"api_url": f"{vendor.url}/v1/x?key=sesame-open", "params": {"api_key": "sesame-open"}}
        ) as service,
    ):
        outcome = service.poll()
    assert len(vendor.seen) == 1
    ((kind, reason),) = faults(outcome)
    assert kind is FaultKind.STATUS
    assert reason == f"HTTP 403 from {vendor.url}/v1/x{FORBIDDEN}: no such key: *** {'x' * 182}…"
    assert outcome.retry_after_seconds is None


def test_a_query_that_the_vendor_says_again_is_not_told(tmp_path: Path) -> None:
    with (
        book_server(Answer(404, b"Cannot GET /v1/x?window=1h&key=plain-key")) as vendor,
        service_of(tmp_path, {"api_url": f"{vendor.url}/v1/x?window=1h&key=plain-key"}) as service,
    ):
        ((_, reason),) = faults(service.poll())
    assert reason == f"HTTP 404 from {vendor.url}/v1/x: Cannot GET /v1/x"


def test_a_status_without_body_is_told_in_words(tmp_path: Path) -> None:
    with book_server(Answer(404)) as vendor, service_of(tmp_path, {"api_url": vendor.url}) as service:
        assert faults(service.poll()) == [(FaultKind.STATUS, f"HTTP 404 from {vendor.url}/: Not Found")]


def test_other_statuses_may_be_valid(tmp_path: Path) -> None:
    ill = Answer(503, b'{"count": 2}')
    with (
        book_server(ill, GOOD) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "valid_status_codes": [503]}) as service,
    ):
        assert not service.poll().faults
        assert samples(service) == {"count": 2.0}
        assert faults(service.poll()) == [(FaultKind.STATUS, f'HTTP 200 from {vendor.url}/: {{"count": 1}}')]


def test_a_poll_makes_three_tries_at_the_most(tmp_path: Path) -> None:
    with book_server(BAD, BAD, BAD, GOOD) as vendor, service_of(tmp_path, {"api_url": vendor.url}) as service:
        assert faults(service.poll()) == [(FaultKind.STATUS, f"HTTP 500 from {vendor.url}/: oh no")]
        assert len(vendor.seen) == 3
        assert not service.poll().faults
        assert len(vendor.seen) == 4


def test_a_connection_that_is_cut_off_is_tried_again(tmp_path: Path) -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b'{"count": 1}'
    with (
        ScriptServer(says(good[:-3]), says(good)) as vendor,
        service_of(tmp_path, {"api_url": vendor.url}) as service,
    ):
        assert not service.poll().faults
        assert samples(service) == {"count": 1.0}
        assert vendor.accepted == 2


def test_where_nobody_listens_it_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with service_of(tmp_path, {"api_url": f"http://127.0.0.1:{port}/x?key=sesame"}) as service:
        outcome = service.poll()
    assert faults(outcome) == [(FaultKind.CONNECTION, f"127.0.0.1:{port}: connection refused")]


def test_a_vendor_that_hangs_is_a_timeout_and_not_asked_again(tmp_path: Path) -> None:
    with (
        ScriptServer(says_then_hangs()) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "timeout": 0.2}) as service,
    ):
        ((kind, reason),) = faults(service.poll())
        assert vendor.accepted == 1
    assert (kind, reason.partition(": ")[2]) == (FaultKind.TIMEOUT, "no answer within 0.2 s")


def test_an_answer_that_is_too_large_is_told(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    with (
        ScriptServer(says(head, b" " * (33 * 2**20))) as vendor,
        service_of(tmp_path, {"api_url": vendor.url}) as service,
    ):
        ((kind, reason),) = faults(service.poll())
    assert (kind, reason.partition(": ")[2]) == (FaultKind.ANSWER, "answer larger than 32 MiB")


def test_an_answer_that_is_no_json_is_told(tmp_path: Path) -> None:
    with book_server(Answer(200, b"<html>")) as vendor, service_of(tmp_path, {"api_url": vendor.url}) as service:
        ((kind, reason),) = faults(service.poll())
    assert kind is FaultKind.ANSWER
    assert reason.startswith(f"{vendor.url}/: the answer is not JSON: ")


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_the_vendor_wants_is_handed_on(tmp_path: Path, status: int) -> None:
    limit = Answer(status, b"slow down", {"Retry-After": "120"})
    with book_server(limit) as vendor, service_of(tmp_path, {"api_url": vendor.url}) as service:
        outcome = service.poll()
    assert len(vendor.seen) == 1
    assert outcome.retry_after_seconds == 120
    assert faults(outcome) == [(FaultKind.STATUS, f"HTTP {status} from {vendor.url}/: slow down")]


def test_the_last_good_values_stay_after_a_poll_that_fails(tmp_path: Path) -> None:
    metrics = [*ONE, {"name": "other", "path": "$.other"}]
    first, broken = answers({"count": 1, "other": 2}, {"other": 3})
    with (
        book_server(first, Answer(403), broken) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "metrics": metrics}) as service,
    ):
        assert service.families() == ()
        service.poll()
        assert service.poll().faults
        assert samples(service) == {"count": 1.0, "other": 2.0}
        assert service.poll().faults
        assert samples(service) == {"other": 3.0}


def test_redirects_within_the_host_are_followed(tmp_path: Path) -> None:
    there = Answer(302, b"", {"Location": "/b/?page=1"})
    with book_server(there, GOOD) as vendor:
        entry = {"api_url": f"{vendor.url}/a", "params": {"x": "1"}, "headers": {"X-Key": "k"}}
        with service_of(tmp_path, entry) as service:
            assert not service.poll().faults
    assert [request.target for request in vendor.seen] == ["/a?x=1", "/b/?page=1"]
    assert vendor.seen[1].headers["X-Key"] == "k"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("http://elsewhere.example/x?key=1", "elsewhere.example"),
        ("//elsewhere.example", "elsewhere.example"),
        ("http://user:sesame@elsewhere.example/", "elsewhere.example"),
        ("https://127.0.0.1/", "127.0.0.1"),
        ("http://[", "nowhere"),
    ],
)
def test_redirects_to_another_host_are_refused(tmp_path: Path, location: str, host: str) -> None:
    with (
        book_server(Answer(301, b"", {"Location": location})) as vendor,
        service_of(tmp_path, {"api_url": f"{vendor.url}/a"}) as service,
    ):
        outcome = service.poll()
    reason = f"HTTP 301 from {vendor.url}/a: leads to another host, {host}; only redirects to the same one are followed"
    assert faults(outcome) == [(FaultKind.STATUS, reason)]
    assert len(vendor.seen) == 1


def test_a_redirect_to_what_is_no_path_is_told(tmp_path: Path) -> None:
    with (
        book_server(Answer(301, b"", {"Location": "/b\\c?key=1"})) as vendor,
        service_of(tmp_path, {"api_url": f"{vendor.url}/a"}) as service,
    ):
        outcome = service.poll()
    assert faults(outcome) == [(FaultKind.STATUS, f"{vendor.url}/b\\c: not a path that can be requested")]


def test_redirects_without_end_are_not_followed(tmp_path: Path) -> None:
    with (
        book_server(Answer(307, b"", {"Location": "/a"})) as vendor,
        service_of(tmp_path, {"api_url": f"{vendor.url}/a"}) as service,
    ):
        outcome = service.poll()
    assert faults(outcome) == [(FaultKind.STATUS, f"{vendor.url}/a is behind more than 5 redirects")]
    assert len(vendor.seen) == 6


def test_a_redirect_of_what_is_posted_or_that_leads_nowhere_is_a_status(tmp_path: Path) -> None:
    with book_server(Answer(302, b"x", {"Location": "/b"}), Answer(302, b"x")) as vendor:
        for more in ({"body": "a"}, {}):
            with service_of(tmp_path, {"api_url": f"{vendor.url}/a", **more}) as service:
                assert faults(service.poll()) == [(FaultKind.STATUS, f"HTTP 302 from {vendor.url}/a: x")]


def test_being_asked_to_stop_ends_an_exchange(tmp_path: Path) -> None:
    stop, is_asked = Event(), Event()

    def hang(connection: socket.socket, closing: Event) -> None:
        read_request(connection)
        is_asked.set()
        closing.wait(WAIT_SECONDS)

    raised: list[BaseException] = []
    with ScriptServer(hang) as vendor, service_of(tmp_path, {"api_url": vendor.url}, stop=stop) as service:

        def poll() -> None:
            try:
                service.poll()
            except Stopped as error:
                raised.append(error)

        thread = Thread(target=poll)
        thread.start()
        assert is_asked.wait(WAIT_SECONDS)
        stop.set()
        thread.join(WAIT_SECONDS)
    assert [type(error) for error in raised] == [Stopped]


def test_being_asked_to_stop_ends_the_wait_before_another_try(tmp_path: Path) -> None:
    stop = Event()

    def fail(connection: socket.socket, closing: Event) -> None:
        read_request(connection)
        stop.set()
        connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    with (
        ScriptServer(fail) as vendor,
        service_of(tmp_path, {"api_url": vendor.url}, stop=stop) as service,
        pytest.raises(Stopped),
    ):
        service.poll()


def test_nothing_secret_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    entry = {"headers": {"X-Key": "sesame-one"}, "params": {"k": "sesame-two"}, "bearer_token": "sesame-three"}
    with (
        book_server(BAD, GOOD) as vendor,
        service_of(tmp_path, {"api_url": f"{vendor.url}/?a=sesame-four", **entry}) as service,
    ):
        assert not service.poll().faults
    assert "sesame" not in "".join(record.getMessage() for record in caplog.records if "importer" in record.name)
