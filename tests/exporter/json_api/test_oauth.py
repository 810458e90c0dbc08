"""A token is fetched with the client's credentials, kept while it is good, and fetched again when it is refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs

import pytest

from importer.credentials import KEPT_PASSING, Secret, redact
from importer.exporter.base import FaultKind
from importer.exporter.exchange import Caller, Tries
from importer.exporter.json_api.oauth import ClientCredentials, Tokens
from importer.http_client import HttpClient
from tests.doubles import FakeClock
from tests.exporter.json_services import FORBIDDEN, answers, faults, samples, service_of
from tests.http_servers import Answer, BookServer, book_server

(GOOD,) = answers({"count": 1})
REFUSED = Answer(401, b"token has expired")


def token(text: str, **more: object) -> Answer:
    return Answer(200, json.dumps({"access_token": text, "token_type": "Bearer", **more}).encode())


def oauth(vendor: BookServer, **more: object) -> dict[str, object]:
    return {"client_id": "me", "client_secret": "sesame", "token_url": f"{vendor.url}/token?tenant=1", **more}


def authorizations(vendor: BookServer) -> list[str]:
    return [request.headers["Authorization"] for request in vendor.seen]


def test_the_token_is_asked_for_and_used(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s:e/s\n")
    with book_server(token("first-token")) as issuer, book_server(GOOD) as vendor:
        oauth2 = {
            "client_id": "me@x",
            "client_secret_file": "secret",
            "token_url": f"{issuer.url}/token?tenant=1",
            "scopes": ["read", "write"],
            "endpoint_params": {"audience": "stats"},
        }
        with service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth2}) as service:
            for _ in range(2):
                assert not service.poll().faults
            assert samples(service) == {"count": 1.0}
    (request,) = issuer.seen
    assert (request.method, request.target) == ("POST", "/token?tenant=1")
    assert request.headers["Authorization"] == "Basic bWUlNDB4OnMlM0FlJTJGcw=="  # me%40x:s%3Ae%2Fs
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["read write"],
        "audience": ["stats"],
    }
    assert authorizations(vendor) == ["Bearer first-token"] * 2
    assert redact("first-token") == "***"


def test_tokens_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    tokens = [token(f"short-lived-{number}", expires_in=1) for number in range(KEPT_PASSING + 1)]
    with (
        book_server(*tokens) as issuer,
        book_server(GOOD) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth(issuer)}) as service,
    ):
        for _ in tokens:
            assert not service.poll().faults
    assert redact("short-lived-0") == "short-lived-0"
    assert redact(f"short-lived-{KEPT_PASSING}") == "***"


def test_a_vendor_that_wants_the_credentials_in_the_body_gets_them_there(tmp_path: Path) -> None:
    unknown = Answer(401, b'{"error": "invalid_client"}')
    with (
        book_server(unknown, token("one", expires_in=1), token("two")) as issuer,
        book_server(GOOD) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth(issuer)}) as service,
    ):
        for _ in range(2):
            assert not service.poll().faults
    assert ["Authorization" in request.headers for request in issuer.seen] == [True, False, False]
    in_body = parse_qs(issuer.seen[2].body.decode())
    assert (in_body["client_id"], in_body["client_secret"]) == (["me"], ["sesame"])
    assert authorizations(vendor) == ["Bearer one", "Bearer two"]


def test_a_token_that_is_refused_is_fetched_again_once(tmp_path: Path) -> None:
    with (
        book_server(token("one"), token("two"), token("three")) as issuer,
        book_server(GOOD, REFUSED, GOOD, REFUSED, REFUSED, REFUSED) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth(issuer)}) as service,
    ):
        assert not service.poll().faults
        assert not service.poll().faults
        assert faults(service.poll()) == [(FaultKind.STATUS, f"HTTP 401 from {vendor.url}/: token has expired")]
        assert len(issuer.seen) == 3
    assert [text[7:] for text in authorizations(vendor)] == ["one", "one", "two", "two", "three"]


def test_a_fresh_token_that_is_refused_is_not_fetched_again_in_the_same_poll(tmp_path: Path) -> None:
    with (
        book_server(token("one")) as issuer,
        book_server(REFUSED) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth(issuer)}) as service,
    ):
        assert service.poll().faults
        assert (len(issuer.seen), len(vendor.seen)) == (1, 1)
        assert service.poll().faults
        assert (len(issuer.seen), len(vendor.seen)) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (
            Answer(403, b"sesame is wrong"),
            FaultKind.STATUS,
            "oauth2: HTTP 403 from {url}/token" + FORBIDDEN + ": *** is wrong",
        ),
        (Answer(400, b"bad"), FaultKind.STATUS, "oauth2: HTTP 400 from {url}/token: bad"),
        (Answer(200, b"{}"), FaultKind.ANSWER, "oauth2: the answer from {url}/token has no access_token"),
        (Answer(200, b"[]"), FaultKind.ANSWER, "oauth2: the answer from {url}/token has no access_token"),
    ],
)
def test_a_token_that_does_not_come_fails_the_poll(
    tmp_path: Path, answer: Answer, kind: FaultKind, reason: str
) -> None:
    with (
        book_server(answer) as issuer,
        book_server(GOOD) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth(issuer)}) as service,
    ):
        assert faults(service.poll()) == [(kind, reason.format(url=issuer.url))]
    assert vendor.seen == []


def test_a_status_that_is_not_about_the_token_does_not_fetch_another(tmp_path: Path) -> None:
    with (
        book_server(token("one")) as issuer,
        book_server(Answer(403, b"no"), GOOD) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth(issuer)}) as service,
    ):
        assert faults(service.poll()) == [(FaultKind.STATUS, f"HTTP 403 from {vendor.url}/{FORBIDDEN}: no")]
        assert not service.poll().faults
    assert len(issuer.seen) == 1


def test_a_token_that_cannot_be_sent_fails_the_poll(tmp_path: Path) -> None:
    with (
        book_server(token("a\nb")) as issuer,
        book_server(GOOD) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "oauth2": oauth(issuer)}) as service,
    ):
        ((_, reason),) = faults(service.poll())
    assert reason.endswith(": header Authorization holds characters that HTTP does not allow")
    assert vendor.seen == []


@contextmanager
def tokens(clock: FakeClock, *given: Answer) -> Iterator[Tokens]:
    with book_server(*given) as issuer:
        kept = Tokens(ClientCredentials("me", Secret("sesame"), "/token"), Caller(HttpClient(issuer.url)), clock=clock)
        yield kept
        kept.close()


@pytest.mark.parametrize("seconds", [3600, 3600.5, "3600"])
def test_a_token_is_kept_until_shortly_before_its_end(seconds: object) -> None:
    clock = FakeClock()
    with tokens(clock, token("one", expires_in=seconds), token("two")) as kept:
        assert kept.get(Tries(Event())) == (Secret("one"), False)
        clock.now += 3569
        assert kept.get(Tries(Event())) == (Secret("one"), True)
        clock.now += 2
        assert kept.get(Tries(Event())) == (Secret("two"), False)


@pytest.mark.parametrize("more", [{}, {"expires_in": None}, {"expires_in": True}, {"expires_in": "soon"}])
def test_a_token_without_end_is_kept(more: dict[str, object]) -> None:
    clock = FakeClock()
    with tokens(clock, token("one", **more), token("two")) as kept:
        kept.get(Tries(Event()))
        clock.now += 1e9
        assert kept.get(Tries(Event())) == (Secret("one"), True)
        kept.forget()
        assert kept.get(Tries(Event())) == (Secret("two"), False)
