"""What stats-service bears: bodies and heads without end, slow clients, shapes that smuggle requests, forged tokens."""

import base64
import hmac
import json
import random
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from importer.credentials import Secret
from importer.events.tokens.token import MAX_TOKEN_LENGTH, TokenPair, generate_pair, generate_secret, generate_token
from tests.commands import ROOT
from tests.events.service.service_site import (
    EVENT,
    PAIR,
    TOKEN,
    USER,
    WAIT_SECONDS,
    Service,
    Site,
    ask,
    read_all,
    request_bytes,
    statuses,
)

BODY = json.dumps(EVENT).encode()
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
MAX_BODY_BYTES = 10_000
IDLE_CONNECTIONS = 1000
SECRET = generate_secret()
EXPIRED = TokenPair(generate_token(USER, SECRET, expires=1_000_000_000), SECRET)
NOBODY = generate_pair("nobody")
SWAPPED = TokenPair(generate_token(USER, generate_secret()), generate_secret())
PAIRS = (PAIR, EXPIRED, NOBODY, SWAPPED)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    site = Site.at(tmp_path_factory.mktemp("limits"), max_body_bytes=MAX_BODY_BYTES)
    site.write_users(*PAIRS)
    with site.running() as service:
        yield service
        service.posted()
        assert_clean_log(service)


def assert_clean_log(service: Service) -> None:
    said = service.log.text
    for bad in ("Traceback", "Exception", "answered with 5", "process died"):
        assert bad not in said
    for pair in PAIRS:
        assert pair.secret.reveal() not in said
        assert pair.token.reveal() not in said


def accepted(service: Service) -> int:
    return len(service.events("event=shop.view&limit=1000"))


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 5_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("line", ["Connection: close", "Connection: keep-alive"])
def test_a_client_that_sends_too_much_sees_the_answer(service: Service, size: int, is_chunked: bool, line: str) -> None:
    framing = CHUNKED if is_chunked else f"Content-Length: {size}"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size) if is_chunked else b"x" * size
    with service.opened() as connection:
        connection.sendall(request_bytes("POST", "/log/event/", framing, line, body=body))
        if "close" not in line:
            connection.sendall(PING)
            connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert statuses(answer) == ([413] if "close" in line else [413, 200])
    assert b'"the body is larger than 10000 bytes"' in answer


def test_a_body_of_the_largest_size_is_taken(service: Service) -> None:
    event = {"event": "e", "uid": "u", "text": ""}
    event["text"] = "x" * (MAX_BODY_BYTES - len(json.dumps(event)))
    assert service.post(event).status == 200


@pytest.mark.parametrize(
    ("lines", "token", "expected"),
    [
        ((LENGTH,), TOKEN, [100, 200]),
        ((LENGTH,), "x", [403]),
        ((f"Content-Length: {MAX_BODY_BYTES + 1}",), TOKEN, [413]),
        ((CHUNKED,), "x", [403]),
    ],
)
def test_a_client_that_waits_to_be_asked_for_its_body_is_asked_or_answered(
    service: Service, lines: tuple[str, ...], token: str, expected: list[int]
) -> None:
    with service.opened() as connection:
        connection.sendall(request_bytes("POST", "/log/event/", "Expect: 100-continue", *lines, token=token))
        answer = b""
        while not answer.endswith((b" 100 Continue\r\n\r\n", b"}")):
            answer += connection.recv(65536)
        assert statuses(answer) == expected[:1]
        if expected[0] == 100:
            connection.sendall(BODY + PING)
            connection.shutdown(socket.SHUT_WR)
            assert statuses(read_all(connection)) == [*expected[1:], 200]
        else:  # no request may follow: what comes could be the body as well
            assert b"connection: close" in answer
            assert read_all(connection) == b""


def test_a_request_without_a_body_need_not_wait_to_be_asked(service: Service) -> None:
    request = request_bytes("GET", "/ping", "Expect: 100-continue")
    assert statuses(service.exchange(request + PING))[-2:] == [200, 200]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(request_bytes("GET", "/ping", "X: " + "a" * 70_000), id="a long header"),
        pytest.param(request_bytes("GET", "/ping", *[f"X-{n}: {'a' * 100}" for n in range(1000)]), id="many headers"),
        pytest.param(request_bytes("GET", "/ping?" + "a" * 1_000_000), id="a long path"),
        pytest.param(request_bytes("GET", "/ping", "X: " + "a" * 1_000_000)[:-4], id="a header without end"),
        pytest.param(
            request_bytes("POST", "/log/event/", CHUNKED, body=CHUNKS[:-2] + b"X: " + b"a" * 1_000_000),
            id="a trailer without end",
        ),
        pytest.param(
            request_bytes("POST", "/log/event/", CHUNKED, body=b"1;" + b"a" * 1_000_000), id="a chunk extension"
        ),
    ],
)
def test_a_head_without_end_is_refused(service: Service, request_: bytes) -> None:
    before = accepted(service)
    assert statuses(service.exchange(request_)) in ([], [431])  # the answer is lost to a client that does not stop
    assert accepted(service) == before


def test_a_head_that_is_too_long_by_little_is_told(service: Service) -> None:
    assert statuses(service.exchange(request_bytes("GET", "/ping", "X: " + "a" * 65_536))) == [431]
    assert statuses(service.exchange(request_bytes("GET", "/ping", "X: " + "a" * 60_000))) == [200]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that waits for a second where the real one waits for a minute."""
    site = Site.at(tmp_path_factory.mktemp("hasty"))
    command = ROOT / "tests" / "events" / "service" / "limited_service.py"
    with site.running(command, site.config, "--request-seconds", "1.2", "--keep-alive-seconds", "1") as service:
        yield service
        service.posted()
        assert_clean_log(service)


def test_who_stops_in_the_middle_is_let_go(hasty: Service) -> None:
    post = request_bytes("POST", "/log/event/", LENGTH)
    expected = {
        b"": [408],
        b"\r\n": [408],
        b"GE": [408],
        post[:-2]: [408],
        post + BODY[:-1]: [408],
        request_bytes("POST", "/log/event/", CHUNKED, body=CHUNKS[:-4]): [408],
        PING + b"GE": [200, 408],
        PING: [200],
    }
    with ExitStack() as stack:
        connections = {sent: stack.enter_context(hasty.opened()) for sent in expected}
        for sent, connection in connections.items():
            connection.sendall(sent)
        assert {sent: statuses(read_all(connection)) for sent, connection in connections.items()} == expected


def test_line_ends_do_not_keep_a_connection(hasty: Service) -> None:
    with hasty.connected() as connection:
        assert ask(connection, "GET", "/ping").status == 200
        connection.sock.sendall(b"\r\n")
        assert statuses(read_all(connection.sock)) == [408]


def test_a_client_that_leaves_does_no_harm(hasty: Service) -> None:
    for _ in range(20):
        with hasty.opened() as connection:
            connection.sendall(request_bytes("GET", "/metrics") * 100)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert hasty.get("/ping").status == 200


def test_who_sends_byte_by_byte_is_let_go(hasty: Service) -> None:
    with hasty.opened() as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nX: ")
        connection.settimeout(0.05)
        answer = b""
        while not answer.endswith(b"}"):
            try:
                answer += connection.recv(65536)
            except TimeoutError:
                connection.sendall(b"a")
    assert statuses(answer) == [408]


def test_who_does_not_take_its_answers_is_let_go(hasty: Service) -> None:
    for _ in range(20):
        hasty.posted({"event": "large", "uid": "u", "text": "x" * 500_000})
    with hasty.opened() as connection:
        connection.sendall(request_bytes("GET", "/log/events?event=large") * 20)  # 200 MB
        poller = select.poll()
        poller.register(connection, select.POLLHUP)
        assert poller.poll(WAIT_SECONDS * 1000), "the service waits still"


def test_idle_connections_keep_nobody_out(service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            stack.enter_context(service.opened())
        service.posted()


def test_requests_in_a_row_are_answered_in_their_order(service: Service) -> None:
    post = request_bytes("POST", "/log/event/", LENGTH, body=BODY)
    answer = service.exchange((post + PING + request_bytes("GET", "/nope")) * 200)
    assert statuses(answer) == [200, 200, 404] * 200


def test_a_connection_bears_many_requests(service: Service) -> None:
    with service.connected() as connection:
        connection.connect()
        port = connection.sock.getsockname()[1]
        for _ in range(50):
            assert ask(connection, "POST", "/log/event/", EVENT).status == 200
        assert connection.sock.getsockname()[1] == port


def test_what_is_no_http_is_refused_after_what_came_before_is_answered(service: Service) -> None:
    post = request_bytes("POST", "/log/event/", LENGTH, body=BODY)
    before = accepted(service)
    for wrong in (b"\x00nonsense\r\n\r\n", request_bytes("POST", "/log/event/", CHUNKED, body=b"zz\r\n"), PING[:-2]):
        assert statuses(service.exchange(post * 3 + wrong)) == [200, 200, 200, 400]
    assert accepted(service) == before + 9


def test_a_client_that_closes_its_side_is_answered(service: Service) -> None:
    assert statuses(service.exchange(request_bytes("POST", "/log/event/", LENGTH, body=BODY))) == [200]


@pytest.mark.parametrize(
    "lines",
    [
        (LENGTH, CHUNKED),
        (CHUNKED, LENGTH),
        (LENGTH, "Content-Length: 1"),
        (LENGTH, LENGTH),
        (f"{LENGTH}, {len(BODY)}",),
        (f"Content-Length: +{len(BODY)}",),
        ("Content-Length: 0x10",),
        ("Content-Length: -1",),
        ("Content-Length: 1 1",),
        ("Content-Length: " + "9" * 30,),
        ("Content-Length:",),
        ("Content-Length : 1",),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding:\r\n chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: identity, chunked",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, chunked",),
        (CHUNKED, CHUNKED),
        (CHUNKED, "Transfer-Encoding: identity"),
        ('Transfer-Encoding: "chunked"',),
        ("Transfer-Encoding: chunked\x0b",),
        ("Transfer-Encoding\x00: chunked",),
        (LENGTH, "X: a\x00b"),
        (LENGTH, "X: a\rb"),
        (LENGTH, "X: a\nTransfer-Encoding: chunked"),
        (LENGTH, " Transfer-Encoding: chunked"),
        (LENGTH, "Host: y"),
        (LENGTH, "no header"),
    ],
)
@pytest.mark.parametrize("body", [CHUNKS, BODY, b"0\r\n\r\n"])
def test_a_request_that_proxies_understand_differently_is_refused(
    service: Service, lines: tuple[str, ...], body: bytes
) -> None:
    before = accepted(service)
    answer = service.exchange(request_bytes("POST", "/log/event/", *lines, body=body) + PING)
    assert statuses(answer) == [400]
    assert b"connection: close" in answer
    assert accepted(service) == before


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (request_bytes("POST", "/log/event/", LENGTH, body=BODY).replace(b"\r\n", b"\n"), [400]),
        (request_bytes("POST", "/log/event/", CHUNKED, body=CHUNKS.replace(b"\r\n", b"\n")), [400]),
        (request_bytes("POST", "/log/event/", CHUNKED, body=b"-1\r\n" + BODY), [400]),
        (request_bytes("POST", "/log/event/", CHUNKED, body=b"f" * 17 + b"\r\n"), [400]),
        (request_bytes("POST", "/log/event/", "Transfer-Encoding: \tChunked", body=CHUNKS), [200]),
        (request_bytes("GET", "/pi\x00ng"), [400]),
        (request_bytes("GET", "/p\xe9ng"), [400]),
        (b"GET /ping HTTP/1.0\r\n\r\n", [200]),
        (b"GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + PING, [200]),
        (
            request_bytes("POST", "/log/event/", LENGTH, "Expect: 100-continue", body=BODY).replace(b"/1.1", b"/1.0"),
            [200],
        ),
        (b"GET /ping HTTP/1.2\r\nHost: x\r\n\r\n", [400]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        (b"GET /ping HTTP/1.1\r\n\r\n", [400]),
        (b" " + PING, [400]),
        (b"\r\n\r\n" + PING, [200]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
        (request_bytes("GET", "http://x/ping"), [200]),
        (request_bytes("GET", "http://x"), [200]),
        (request_bytes("OPTIONS", "*"), [404]),
        (request_bytes("CONNECT", "x:80"), [400]),
        (request_bytes("CONNECT", "/ping") + PING, [405]),
        (request_bytes("get", "/ping"), [400]),
        (request_bytes("BREW", "/ping"), [400]),
        (request_bytes("GET", "/ping", "Connection: close") + PING, [200]),
    ],
)
def test_odd_requests_have_one_meaning(service: Service, request_: bytes, expected: list[int]) -> None:
    assert statuses(service.exchange(request_)) == expected


@pytest.mark.parametrize("framing", [(LENGTH, BODY), (CHUNKED, CHUNKS)])
@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.3", "nonsense"])
def test_an_upgrade_is_declined_and_the_request_answered(
    service: Service, framing: tuple[str, bytes], protocol: str
) -> None:
    lines = (f"Upgrade: {protocol}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    post = request_bytes("POST", "/log/event/", framing[0], *lines, body=framing[1])
    get = request_bytes("GET", "/ping", *lines)
    before = accepted(service)
    for parts in ([post + get + post + PING], [post[:-3], post[-3:] + get[:-1], get[-1:] + post, PING]):
        with service.opened() as connection:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            assert statuses(read_all(connection)) == [200, 200, 200, 200]
    assert accepted(service) == before + 4


def test_headers_behind_a_body_do_not_count(service: Service) -> None:
    trailer = b"%x\r\n%b\r\n0\r\nAuthorization: Token %b\r\n\r\n" % (len(BODY), BODY, TOKEN.encode())
    request = request_bytes("POST", "/log/event/", CHUNKED, body=trailer, token="x")
    assert statuses(service.exchange(request.replace(b"Authorization: Token x\r\n", b"") + PING)) == [403, 200]


def signed(payload: bytes, secret: Secret = PAIR.secret) -> str:
    """Return a well-signed token of any payload; the key is made as the specification says, 3."""
    extracted = hmac.digest(bytes(64), secret.reveal().encode(), "sha512")
    key = hmac.digest(extracted, b"services.mozilla.com/tokenlib/v1/signing\x01", "sha512")
    return base64.urlsafe_b64encode(payload + hmac.digest(key, payload, "sha512")).decode()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(TOKEN[:-4], id="truncated"),
        pytest.param(TOKEN[4:], id="beheaded"),
        pytest.param(TOKEN + "A", id="longer"),
        pytest.param(TOKEN.swapcase(), id="in other case"),
        pytest.param(TOKEN.rstrip("="), id="without padding"),
        pytest.param(f"{TOKEN}\x00", id="null byte"),
        pytest.param(f"{TOKEN} {TOKEN}", id="twice"),
        pytest.param(signed(b'{"expires": 10, "identity": "statsbob", "salt": "000000"}'), id="not in the file"),
        pytest.param(generate_pair(USER).token.reveal(), id="of another secret"),
        pytest.param(EXPIRED.token.reveal(), id="expired"),
        pytest.param(NOBODY.token.reveal(), id="of nobody"),
        pytest.param(SWAPPED.token.reveal(), id="with the secret of another"),
        pytest.param(PAIR.secret.reveal(), id="the secret"),
        pytest.param("A" * (MAX_TOKEN_LENGTH + 1), id="oversized"),
        pytest.param("A" * 60_000, id="enormous"),
        pytest.param("\xff\xfe", id="no ASCII"),
        pytest.param("-" * 100, id="dashes"),
    ],
)
def test_no_other_token_opens(service: Service, token: str) -> None:
    request = request_bytes("POST", "/log/event/", LENGTH, body=BODY, token=token)
    before = accepted(service)
    assert statuses(service.exchange(request)) == [400 if "\x00" in token else 403]
    assert accepted(service) == before


def test_a_token_of_the_file_that_says_nothing_of_use_is_refused(tmp_path: Path) -> None:
    payloads = [
        b'{"expires": 10}',
        b'{"identity": "statsbob"}',
        b'{"expires": 5, "identity": "statsbob"}',
        b'{"expires": "10", "identity": "statsbob"}',
        b'{"expires": NaN, "identity": "statsbob"}',
        b'{"expires": 1e999, "identity": "statsbob"}',
        b'{"expires": 10, "identity": null}',
        b'{"expires": 10, "identity": ["statsbob"]}',
        b'["statsbob", 10]',
        b"null",
        b"[" * 2000,
        b"\xff",
        b"",
    ]
    tokens = {signed(payload): payload for payload in payloads}
    site = Site.at(tmp_path)
    site.write_users(PAIR, *(TokenPair(Secret(token), PAIR.secret) for token in tokens))
    with site.running() as service:
        answered = {payload: service.post(EVENT, token=token).status for token, payload in tokens.items()}
        assert answered == dict.fromkeys(payloads, 403)
        assert service.post(EVENT).status == 200


def test_any_wrong_token_is_forbidden(service: Service) -> None:
    rng = random.Random(4)
    with service.connected() as connection:
        for _ in range(200):
            token = base64.urlsafe_b64encode(rng.randbytes(100)).decode()
            assert ask(connection, "POST", "/log/event/", EVENT, token=token).status == 403
