"""Requests that no client of ours would send, by the thousand: never a 5xx, never a traceback, never a secret told.

FUZZED_REQUESTS says how many (100000 for a thorough run), FUZZ_SEED which.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from importer.events.tokens.token import generate_pair
from tests.events.service.service_site import PAIR, TOKEN, Service, Site, request_bytes, statuses

REQUESTS = int(os.environ.get("FUZZED_REQUESTS", "10000"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))
A_CONNECTION = 20
"""So many well-formed requests are sent together."""
METHODS = ("GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
PATHS = ("/", "/ping", "/health", "/metrics", "/log/event", "/log/event/", "/log/events", "/log/counts", "/page.js")
NAMES = (
    "event",
    "uid",
    "event_id",
    "now",
    "time",
    "time_",
    "datetime",
    "measurement",
    "tags",
    "fields",
    "a",
    "",
    "é\x00",
)
TEXTS = ("", " ", "x", "\x00", "'", '"', "\\", "a,b =c", "ü\U0001f600", "2016-04-25T12:29:48Z", "0000-00-00T00:00:00Z")
NUMBERS = (0, -1, 1.5, 2**53, 2**63, 2**64, -(2**63), 10**30, 1e308, -1e308, 5e-324, 1461587388, 1e17, 1e-7)
PARAMETERS = ("event", "uid", "from", "to", "limit", "hours", "x")
PIECES = (b"\r\n", b"\n", b"\r", b"\x00", b" ", b":", b",", b"\xff", b"chunked", b"Content-Length: 5\r\n", b"0\r\n\r\n")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    site = Site.at(tmp_path_factory.mktemp("fuzz"), max_body_bytes=20_000)
    with site.running() as service:
        yield service


def some_json(rng: random.Random, depth: int = 0) -> object:
    """Return any value that JSON has."""
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind in (1, 2):
        return rng.choice(NUMBERS)
    if kind in (3, 4):
        return rng.choice(TEXTS) * rng.choice((1, 1, 1, 500))
    if kind == 5:
        return [some_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): some_json(rng, depth + 1) for _ in range(rng.randrange(6))}


def some_event(rng: random.Random) -> object:
    event = {rng.choice(NAMES): some_json(rng, 2) for _ in range(5)}
    return event | {"event": rng.choice(TEXTS), "uid": rng.choice(TEXTS)}


def some_points(rng: random.Random) -> object:
    fields = {rng.choice(NAMES): some_json(rng, 3) for _ in range(3)}
    point = {"measurement": rng.choice(TEXTS), "tags": some_json(rng, 2), "fields": fields, "time": some_json(rng, 4)}
    return [point] * rng.randrange(3)


def some_body(rng: random.Random) -> bytes:
    make: Callable[[random.Random], object] = rng.choice((some_event, some_event, some_points, some_json))
    body = json.dumps(make(rng), ensure_ascii=rng.random() < 0.5).encode()
    if rng.random() < 0.1:
        at = rng.randrange(len(body) + 1)
        body = body[:at] + rng.randbytes(3) + body[at:]
    return body * rng.choice((1, 1, 1, 1, 1, 100))


def some_path(rng: random.Random) -> str:
    path = rng.choice(PATHS)
    if rng.random() < 0.3:
        path = "/log/event/" + quote(rng.choice(TEXTS), safe="") + rng.choice(("", "/", "%", "%zz", "%ff"))
    if rng.random() < 0.5:
        values = (*TEXTS, *map(str, NUMBERS))
        path += "?" + "&".join(f"{rng.choice(PARAMETERS)}={quote(rng.choice(values))}" for _ in range(3))
    return path


def some_request(rng: random.Random) -> bytes:
    """Return a request of good form: the next one is where it ends."""
    body = some_body(rng)
    framing = f"Content-Length: {len(body)}"
    if rng.random() < 0.3:
        framing = "Transfer-Encoding: chunked"
        half = rng.randrange(len(body) + 1)
        body = (
            b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part) + b"0\r\n\r\n"
        )
    lines = (
        "Accept: text/html",
        "Upgrade: h2c\r\nConnection: Upgrade",
        f"X-HTTP-Method-Override: {rng.choice(METHODS)}",
        f"X: {'x' * rng.randrange(1000)}",
    )
    token = rng.choice(
        (TOKEN, TOKEN, TOKEN, TOKEN[:-4], generate_pair("statsbob").token.reveal(), "", "\xff", "A" * 5000)
    )
    chosen = rng.sample(lines, rng.randrange(3))
    return request_bytes(rng.choice(METHODS), some_path(rng), framing, *chosen, body=body, token=token)


def some_bytes(rng: random.Random) -> bytes:
    """Return what was a request before somebody cut, doubled, changed and mixed its bytes."""
    data = bytearray(some_request(rng) if rng.random() < 0.9 else rng.randbytes(rng.randrange(300)))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(min(len(data), 400) + 1)
        change = rng.randrange(5)
        if change == 0:
            data[at:at] = rng.choice(PIECES)
        elif change == 1:
            del data[at : at + rng.randrange(1, 10)]
        elif change == 2:
            data[at : at + 1] = rng.randbytes(1)
        elif change == 3:
            data[at:at] = data[at : at + rng.randrange(1, 100)]
        else:
            del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


def assert_unharmed(service: Service, workers: list[int], answered: Counter[int]) -> None:
    assert not [status for status in answered if status >= 500], answered
    assert service.pids("worker") == workers
    event_id = service.posted()
    assert service.get(f"/log/event/{event_id}").status == 200
    assert service.get("/health").status == 200
    said = service.log.text
    for bad in ("Traceback", "Exception", "ERROR", "process died", TOKEN, PAIR.secret.reveal()):
        assert bad not in said


def test_requests_of_good_form_are_answered_each_in_its_turn(service: Service) -> None:
    rng = random.Random(SEED)
    workers = service.pids("worker")
    answered: Counter[int] = Counter()
    for _ in range(REQUESTS // 2 // A_CONNECTION):
        requests = [some_request(rng) for _ in range(A_CONNECTION)]
        found = statuses(service.exchange(b"".join(requests)))
        assert len(found) == A_CONNECTION, requests
        answered.update(found)
    assert {200, 400, 403, 404, 405, 413} <= set(answered)
    assert_unharmed(service, workers, answered)


def test_any_bytes_at_all_do_no_harm(service: Service) -> None:
    rng = random.Random(SEED)
    workers = service.pids("worker")
    answered: Counter[int] = Counter()
    for _ in range(REQUESTS // 2):
        answered.update(statuses(service.exchange(some_bytes(rng))))
    assert {200, 400, 403} <= set(answered)
    assert_unharmed(service, workers, answered)


def test_all_that_was_accepted_can_be_listed(service: Service, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    accepted = 0
    before = len(service.events("event=x&uid=x"))
    for _ in range(100):
        event = some_event(rng) | {"event": "x", "uid": "x", "event_id": f"fuzz-{rng.random()}"}  # type: ignore[operator]
        accepted += service.post(event).status == 200
    assert accepted
    assert len(service.events("event=x&uid=x")) == before + accepted
