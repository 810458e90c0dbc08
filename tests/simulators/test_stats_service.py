"""The simulated stats service answers as the real one does."""

import json
from collections.abc import Iterator

import pytest
import requests

from importer.simulators.stats_service import TOKEN, StatsServiceSimulator

TIMEOUT_SECONDS = 10
GOOD = {"AUTHORIZATION": f"Token {TOKEN}"}
EVENT = {"event": "pnc.test", "uid": "oisin"}
POINT = {"measurement": "ping", "tags": {"from": "oisin"}, "fields": {"value": 1}}


@pytest.fixture
def service() -> Iterator[StatsServiceSimulator]:
    with StatsServiceSimulator() as simulator:
        yield simulator


def post(service: StatsServiceSimulator, content: object, *, headers: dict[str, str] = GOOD) -> requests.Response:
    body = content if isinstance(content, str) else json.dumps(content)
    return requests.post(f"{service.url}/log/event/", data=body, headers=headers, timeout=TIMEOUT_SECONDS)


def get(service: StatsServiceSimulator, path: str, *, headers: dict[str, str] = GOOD) -> requests.Response:
    return requests.get(service.url + path, headers=headers, timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize("path", ["/", "/ping", "/ping/"])
def test_a_ping_needs_no_token(service: StatsServiceSimulator, path: str) -> None:
    assert get(service, path, headers={}).json() == {"status": "ok", "name": "stats-service", "version": "1.0.0"}


def test_an_event_that_was_posted_is_found_by_its_id(service: StatsServiceSimulator) -> None:
    event_id = post(service, EVENT).json()
    assert event_id.startswith("entry_")
    assert get(service, f"/log/event/{event_id}").json() == {**EVENT, "event_id": event_id}
    assert service.events == {event_id: {**EVENT, "event_id": event_id}}


def test_points_are_taken_together(service: StatsServiceSimulator) -> None:
    assert post(service, [POINT, POINT]).json() == "OK"
    assert service.points == [POINT, POINT]


@pytest.mark.parametrize("headers", [{}, {"AUTHORIZATION": "Token wrong"}, {"AUTHORIZATION": f"Bearer {TOKEN}"}])
def test_without_a_good_token_nothing_is_told_or_taken(service: StatsServiceSimulator, headers: dict[str, str]) -> None:
    refused = [post(service, EVENT, headers=headers), get(service, "/log/event/x", headers=headers)]
    assert [(response.status_code, response.json()["title"]) for response in refused] == [(403, "Forbidden")] * 2
    assert service.events == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the body is not JSON"),
        ([3], "item 0 of the list is not a point"),
        (3, "the body is neither an event nor a list of points"),
        ({"event": "x"}, "uid is missing"),
        ({"uid": "x"}, "event is missing"),
        ([POINT, {"measurement": "x", "fields": {}}], "item 1 of the list is not a point"),
    ],
)
def test_what_is_no_event_is_refused(service: StatsServiceSimulator, content: object, message: str) -> None:
    response = post(service, content)
    assert (response.status_code, response.json()["message"]) == (400, message)
    assert (service.events, service.points) == ({}, [])


@pytest.mark.parametrize(("path", "message"), [("/log/event/entry_nope", "entry_nope"), ("/nope", "/nope")])
def test_what_is_not_there_is_named(service: StatsServiceSimulator, path: str, message: str) -> None:
    response = get(service, path)
    assert response.status_code == 404
    assert response.json() == {"success": False, "data": None, "message": message}


def test_the_service_may_live_below_a_path() -> None:
    with StatsServiceSimulator(base_path="/base") as service:
        assert get(service, "/base/ping/").ok
        assert get(service, "/ping/").status_code == 404
