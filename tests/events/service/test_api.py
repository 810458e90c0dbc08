"""The HTTP API of stats-service, row by row of its specification (2.1 to 2.5), over real connections."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from importer import __version__
from importer.credentials import Secret
from importer.events.service.pages import page_file
from importer.events.tokens.token import TokenPair, generate_pair, generate_secret, generate_token
from tests.events.service.service_site import EVENT, PAIR, TOKEN, USER, WAIT_SECONDS, Reply, Service, Site
from tests.servers.process import wait_until

PING = {"status": "ok", "name": "stats-service", "version": __version__}
FORBIDDEN = {
    "message": "Access was denied to this resource.\n\n\n\n\n",
    "code": "403 Forbidden",
    "title": "Forbidden",
}

# Recorded for the old API 1.0 and 1.1.
EVENTS = [
    {"event": "pnc.test", "uid": "oisin", "now": "Mon 25 Apr 2016 13:29:48 BST"},
    {"event": "pnc.user.view", "uid": "user-86522", "app_node": "super-node-04", "http_x_real_ip": "86.25.91.110"},
    {"event": "status.update", "uid": "user-32790", "competition_id": 1814, "score": 4.5, "paid": True, "note": None},
    {"event": "page.hit", "uid": "", "ua": {"os": {"family": "iOS", "version": "8.1"}, "is_mobile": True}},
    {"event": "server.start", "uid": "system-devbox", "ip": "10.0.0.5", "datetime": "2016-04-25T12:29:48.844949"},
]
POINTS = [
    {"measurement": "ping", "tags": {"from": "oisin"}, "fields": {"value": 1}},
    {"measurement": "voting", "tags": {"uid": "user-86522", "competition_id": 1814}, "fields": {"value": 1}},
    {"measurement": "server_startup", "tags": {"uid": "system-devbox", "ip": "10.0.0.5"}, "fields": {"value": 1}},
]
PYTHON_2_PAIR = TokenPair(
    Secret(
        "eyJleHBpcmVzIjogMTAsICJzYWx0IjogImJjODIxOCIsICJpZGVudGl0eSI6ICJzdGF0c2JvYiJ9NyjnVy3QkN9pa2H_DVe4OZLi5dydu1mB3"
        "clN2HezjI8y331ZflOHSOtgvw8JjnjlC4UFF8q1LCp0kHdj96ipDw=="
    ),
    Secret(
        "b710164f16543eacc1a81fc889667b52403c8a300dd8c50c69f55d3e0061b22b"
        "a7e9789b61a2fd932def15c74d6fcf387ce3270c6b96579a4dcfb4a7a722354e"
    ),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    site = Site.at(tmp_path_factory.mktemp("api"))
    secret = generate_secret()
    nobody = generate_pair("nobody")
    expired = TokenPair(generate_token(USER, secret, expires=1_000_000_000), secret)
    site.write_users(PAIR, PYTHON_2_PAIR, nobody, expired, TokenPair(generate_token(USER, secret), generate_secret()))
    with site.running() as service:
        yield service
        assert "Traceback" not in service.log.text
        assert "answered with 500" not in service.log.text
        assert PAIR.secret.reveal() not in service.log.text
        assert TOKEN not in service.log.text


def error_of(reply: Reply) -> str:
    content = reply.json()
    assert isinstance(content, dict)
    assert (content["success"], content["data"]) == (False, None)
    return str(content["message"])


def one(service: Service, event_id: str) -> dict[str, object]:
    reply = service.get(f"/log/event/{event_id}")
    assert reply.status == 200
    found = reply.json()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("path", ["/", "/ping", "/ping/"])
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/plain"])
def test_the_ping_needs_no_token(service: Service, path: str, accept: str | None) -> None:
    with service.connected() as connection:
        connection.request("GET", path, headers={} if accept is None else {"Accept": accept})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (200, PING)


@pytest.mark.parametrize("path", ["/", "/ping", "/ping/"])
def test_head_gives_the_headers_of_get(service: Service, path: str) -> None:
    head, get = service.request("HEAD", path), service.get(path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


def test_people_get_a_page_from_files_of_ours(service: Service) -> None:
    reply = service.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.body == page_file("/").body


@pytest.mark.parametrize("path", ["/log/event", "/log/event/"])
@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_answered_with_its_id_and_found_by_it(
    service: Service, path: str, event: dict[str, object]
) -> None:
    reply = service.request("POST", path, event)
    assert reply.status == 200
    event_id = reply.json()
    assert isinstance(event_id, str)
    assert re.fullmatch("entry_[0-9a-f]{32}", event_id)
    found = one(service, event_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", str(found["time"]))
    kept = {name: value for name, value in event.items() if name not in ("note", "ua")}
    assert {**found, **kept} == found
    assert "note" not in found


def test_what_is_missing_is_added_and_what_is_nested_made_flat(service: Service) -> None:
    found = one(service, service.posted({"event": "e", "uid": "u", "ua": {"os": {"n": "x"}}, "l": [1, 2]}))
    assert found["ua_os_n"] == "x"
    assert found["l"] == "[1, 2]"
    now = found["now"]
    assert isinstance(now, float)
    assert abs(datetime.fromtimestamp(now, UTC) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("points", [POINTS, POINTS[:1], [{**POINTS[0], "tags": None}], []])
def test_points_are_answered_with_ok(service: Service, points: list[object]) -> None:
    reply = service.post(points)
    assert (reply.status, reply.body) == (200, b'"OK"')


def test_points_are_kept_as_they_were_sent_each_of_them(service: Service) -> None:
    point = {
        "measurement": "thrice",
        "tags": {"uid": "u", "id": 25944, "empty": ""},
        "fields": {"value": 1, "no": None},
    }
    assert service.post([point] * 3).status == 200
    listed = service.events("event=thrice")
    assert len({event["time"] for event in listed}) == 3
    expected = {"measurement": "thrice", "tags": {"uid": "u", "id": "25944"}, "fields": {"value": 1}}
    assert [{name: value for name, value in event.items() if name != "time"} for event in listed] == [expected] * 3


@pytest.mark.parametrize(
    "time", ["2016-04-25T12:29:48Z", 1461587388, 1461587388000, 1461587388000000, 1461587388000000000]
)
def test_a_point_brings_its_own_time_along(service: Service, time: object) -> None:
    name = f"timed.{time}"
    assert service.post([{"measurement": name, "fields": {"value": 1}, "time": time}]).status == 200
    assert service.events(f"event={name}")[0]["time"] == "2016-04-25T12:29:48.000000000Z"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"event": "e", "uid": "u"} x', "not JSON"),
        (b'{"event": "e", "uid": NaN}', "not JSON"),
        (b"null", "neither an event"),
        (b"5", "neither an event"),
        (b'"text"', "neither an event"),
        (b"true", "neither an event"),
        (b"{}", "uid"),
        (b'{"uid": "u"}', "no event"),
        (b'{"event": "e"}', "no uid"),
        (b'{"event": "e", "uid": null}', "no uid"),
        (b'{"event": "e", "uid": "u", "": 1}', "a name is empty"),
        (b'{"event": "e", "uid": "u", "deep": ' + b"[" * 1000 + b"]" * 1000 + b"}", "a list is nested too deep"),
        (b'{"event": "e", "uid": "u", "deep": ' + b'{"a":' * 500 + b"1" + b"}" * 501, "nested deeper than 100"),
        (b"[1]", "point 1 (index 0) is not an object"),
        (b'[{"measurement": "m", "fields": {"v": 1}}, {"fields": {"v": 1}}]', "point 2 (index 1) has no measurement"),
        (b'[{"measurement": "m", "tags": {}}]', "point 1 (index 0) has no fields"),
        (b'[{"measurement": "m", "fields": {}}]', "point 1 (index 0) has no fields"),
        (b'[{"measurement": "m", "fields": 1}]', "the fields of point 1 (index 0) are not an object"),
        (b'[{"measurement": "m", "fields": {"v": 1}, "tags": 7}]', "the tags of point 1 (index 0) are not an object"),
        (b'[{"measurement": "m", "fields": {"v": 1}, "time": "noon"}]', "the time of point 1 (index 0)"),
    ],
)
def test_what_is_neither_event_nor_points_is_refused_with_the_reason(
    service: Service, body: bytes, message: str
) -> None:
    reply = service.post(body)
    assert reply.status == 400
    assert message in error_of(reply)


def test_of_a_list_with_a_wrong_point_nothing_is_kept(service: Service) -> None:
    assert service.post([{"measurement": "half", "fields": {"value": 1}}, {"measurement": "half"}]).status == 400
    assert service.events("event=half") == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
        "",
    ],
)
def test_the_content_type_of_a_request_does_not_matter(service: Service, content_type: str) -> None:
    assert service.post(EVENT, headers={"Content-Type": content_type}).status == 200


@pytest.mark.parametrize("header", ["Token {}", "Token{}", "Token    {}", "{}", "  Token {}  "])
def test_a_token_is_taken_in_every_form_of_old(service: Service, header: str) -> None:
    assert service.post(EVENT, headers={"Authorization": header.format(TOKEN)}).status == 200


def test_a_token_made_by_python_2_is_taken(service: Service) -> None:
    assert service.post(EVENT, token=PYTHON_2_PAIR.token.reveal()).status == 200


@pytest.mark.parametrize("header", ["token {}", "Basic {}", "Token", "", "Token {}x", "Token x{}", "TokenToken {}"])
@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/plain"])
def test_another_authorization_is_forbidden(service: Service, header: str, accept: str) -> None:
    headers = {"Authorization": header.format(TOKEN), "Accept": accept}
    reply = service.post(EVENT, headers=headers)
    assert (reply.status, reply.json()) == (403, FORBIDDEN)


def test_without_a_header_a_request_is_forbidden(service: Service) -> None:
    with service.connected() as connection:
        connection.request("POST", "/log/event/", json.dumps(EVENT))
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (403, FORBIDDEN)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/log/event"),
        ("POST", "/log/event/"),
        ("GET", "/log/event/entry_1"),
        ("GET", "/log/event/entry_1/"),
        ("GET", "/log/events"),
        ("GET", "/log/counts"),
    ],
)
def test_events_take_a_token_before_anything_else_is_looked_at(service: Service, method: str, path: str) -> None:
    assert service.request(method, path, b"no JSON" if method == "POST" else None, token="x").status == 403


@pytest.mark.parametrize(
    "path", ["/nope", "/verb/test/1", "/log", "/log/", "/log/event/a/b", "//ping", "/PING", "/ping//"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_an_unknown_path_is_told_with_the_path(service: Service, method: str, path: str) -> None:
    reply = service.request(method, path, token="x")
    assert reply.status == 404
    assert error_of(reply) == path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/log/event", "POST"),
        ("GET", "/log/event/", "POST"),
        ("PUT", "/log/event/", "POST"),
        ("POST", "/ping", "GET, HEAD"),
        ("DELETE", "/log/event/entry_1", "GET, HEAD"),
        ("POST", "/log/events", "GET, HEAD"),
        ("OPTIONS", "/health", "GET, HEAD"),
        ("TRACE", "/", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_which_are_right(service: Service, method: str, path: str, allowed: str) -> None:
    reply = service.request(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert error_of(reply)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "delete"])
def test_the_override_header_changes_the_method_of_a_post(service: Service, method: str) -> None:
    reply = service.post(EVENT, headers={"X-HTTP-Method-Override": method})
    assert reply.status in (404, 405)


@pytest.mark.parametrize("method", ["GET", "POST", "nonsense"])
def test_no_other_override_counts(service: Service, method: str) -> None:
    assert service.post(EVENT, headers={"X-HTTP-Method-Override": method}).status == 200
    assert service.get("/ping", headers={"X-HTTP-Method-Override": "DELETE"}).status == 200


@pytest.mark.parametrize("asked", ["Own-ID_7", "own-id_7", "OWN-ID_7/", "%20own-id_7%20"])
def test_an_id_is_found_in_any_case(service: Service, asked: str) -> None:
    event = {"event": "own", "uid": "u", "event_id": "Own-ID_7", "now": 1}
    assert service.posted(event) == "Own-ID_7"
    assert {**one(service, asked), **event} == one(service, asked)


@pytest.mark.parametrize("event_id", ["a/b", "ü", "a b", "x'y", 'x"y', "50%", "a?b", "a#b", "..", "\u0000"])
def test_an_id_of_any_letters_is_found(service: Service, event_id: str) -> None:
    assert service.posted({"event": "own", "uid": "u", "event_id": event_id}) == event_id.strip()
    encoded = "".join(f"%{byte:02X}" for byte in event_id.encode())
    assert one(service, encoded)["event_id"] == event_id


@pytest.mark.parametrize(
    "asked",
    ["entry_nope", "x'%20or%20uid='s%201", "x'", "%00x", "%FF%FE", "%", "*", "%25", "'%3B%20DROP%20TABLE%20events"],
)
def test_no_other_event_is_found_than_that_of_the_id(service: Service, asked: str) -> None:
    service.posted()
    reply = service.get(f"/log/event/{asked}")
    assert reply.status == 404
    assert service.get("/log/event/entry_nope/").json() == {"success": False, "data": None, "message": "entry_nope"}


def test_the_same_event_again_changes_nothing_and_another_takes_its_place(service: Service) -> None:
    event = {"event": "again", "uid": "u", "event_id": "again-1", "qty": 1}
    service.posted(event)
    first = one(service, "again-1")
    service.posted(event)
    assert one(service, "again-1") == first
    service.posted({**event, "qty": 2})
    assert one(service, "again-1")["qty"] == 2
    assert one(service, "again-1")["time"] == first["time"]
    assert len(service.events("event=again")) == 1


def test_types_come_back_as_they_were_sent(service: Service) -> None:
    values = {
        "i": 2**53 + 1,
        "f": 1.5,
        "t": True,
        "s": 'a\\"b\nc\x00ü',
        "time_": "kept",
        "a b": 1,
        "a=b": 2,
        "a,b": 3,
        "end\\": "end\\",
        "long": "x" * 100_000,
    }
    found = one(service, service.posted({"event": "types", "uid": "u", **values}))
    assert {name: found[name] for name in values} == values
    assert (found["t"], found["i"]) == (True, 2**53 + 1)


def test_a_value_of_another_type_than_before_is_kept(service: Service) -> None:
    for now in ("Mon 25 Apr 2016 13:29:48 BST", 1.5, 1, True):
        assert one(service, service.posted({"event": "typed", "uid": "u", "now": now}))["now"] == now


def test_an_integer_of_more_than_64_bits_is_not_lost(service: Service) -> None:
    found = one(service, service.posted({"event": "big", "uid": "u", "n": 10**30, "m": 2**64 - 1}))
    assert (found["n"], found["m"]) == (1e30, 2**64 - 1)


def test_events_are_listed_by_what_is_asked_for(service: Service) -> None:
    for number in range(5):
        service.posted({"event": "listed", "uid": f"u{number % 2}", "n": number, "time": 1461587388 + number})
    asked = {
        "event=listed": [4, 3, 2, 1, 0],
        "event=listed&uid=u1": [3, 1],
        "event=listed&limit=2": [4, 3],
        "event=listed&from=2016-04-25T12:29:49Z": [4, 3, 2, 1],
        "event=listed&from=1461587389&to=1461587391": [2, 1],
        "event=listed&from=1461587389000000000&to=1461587391000": [2, 1],
        "event=LISTED": [],
        "event=listed&uid=u1'%20or%20'1'='1": [],
        "event=listed&other=ignored": [4, 3, 2, 1, 0],
    }
    assert {query: [event["n"] for event in service.events(query)] for query in asked} == asked


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/log/events?limit=0", "limit"),
        ("/log/events?limit=1001", "limit"),
        ("/log/events?limit=x", "limit"),
        ("/log/events?limit=%D9%A1", "limit"),
        ("/log/events?from=noon", "from"),
        ("/log/events?to=99999999999999999999", "to"),
        ("/log/events?from=0001-01-01T00:00:00%2B23:59", "from"),
        ("/log/counts?hours=0", "hours"),
        ("/log/counts?hours=x", "hours"),
    ],
)
def test_a_wrong_parameter_is_told_by_its_name(service: Service, path: str, key: str) -> None:
    reply = service.get(path)
    assert reply.status == 400
    assert error_of(reply).startswith(f"{key}: ")


def test_events_are_counted_by_name(service: Service) -> None:
    for _ in range(3):
        service.posted({"event": "counted", "uid": "u"})
    service.post([{"measurement": "counted.points", "fields": {"value": 1}}] * 2)

    def totals() -> dict[str, int]:
        content = service.get("/log/counts?hours=1").json()
        assert isinstance(content, dict)
        assert content["step_seconds"] == 60
        return {name: sum(step["events"] for step in steps) for name, steps in content["counts"].items()}

    def are_counted() -> bool:
        return totals().items() >= {"counted": 3, "counted.points": 2}.items()

    wait_until(are_counted, lambda: str(totals()), deadline_seconds=WAIT_SECONDS)


def test_a_character_that_need_not_be_encoded_is_the_same_one(service: Service) -> None:
    assert service.get("/%70ing").json() == service.get("/p%69ng/").json() == PING
    event_id = service.posted({**EVENT, "event_id": "Own-%41"})
    assert service.get("/%6cog%2devent").status == 404
    assert service.get("/%6Cog/%65vent/own-%2541").status == 200
    assert service.get("/p%61ge.js").body == service.get("/page.js").body
    assert service.get("/log%2Fevents").status == 404
    assert event_id == "Own-%41"


def test_health_says_that_events_can_be_accepted(service: Service) -> None:
    reply = service.get("/health", token="x")
    assert (reply.status, reply.json()) == (200, {"status": "ok", "reasons": [], "destinations": []})


def samples(service: Service) -> dict[tuple[str, str], float]:
    """Return the values of /metrics by name and the value of their first label."""
    reply = service.get("/metrics", token="x")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(reply.body.decode())
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_count_what_was_accepted_and_refused(service: Service) -> None:
    service.post(b"no JSON")
    service.get("/nope")
    before = samples(service)
    service.posted()
    service.post(POINTS)
    service.post(b"no JSON")
    service.post(EVENT, token="x")
    service.get("/nope")
    after = samples(service)
    rejected = "stats_service_rejected_total"
    assert after["stats_service_accepted_total", ""] - before["stats_service_accepted_total", ""] == 4
    assert after["stats_service_commit_seconds_count", ""] - before["stats_service_commit_seconds_count", ""] == 2
    for reason, more in {"invalid": 1, "forbidden": 1, "404": 1}.items():
        assert after[rejected, reason] - before.get((rejected, reason), 0) == more


def test_metrics_sum_over_workers(tmp_path: Path) -> None:
    with Site.at(tmp_path, workers=3).running() as service:
        for _ in range(30):
            service.posted()
        for _ in range(6):  # whichever worker answers
            assert samples(service)["stats_service_accepted_total", ""] == 30


def test_the_table_of_events_may_be_empty_text(tmp_path: Path) -> None:
    site = Site.at(tmp_path)
    site.environment["TABLE_NAME"] = ""
    with site.running() as service:
        assert one(service, service.posted())["uid"] == "s 1"


def test_the_pair_in_the_environment_takes_the_place_of_the_file(tmp_path: Path) -> None:
    site = Site.at(tmp_path)
    site.users.unlink()
    pair = generate_pair("whoever")
    site.environment |= {"STATS_ACCESS_TOKEN": pair.token.reveal(), "STATS_ACCESS_SECRET": pair.secret.reveal()}
    with site.running() as service:
        assert service.post(EVENT, token=pair.token.reveal()).status == 200
        assert service.post(EVENT).status == 403


def test_an_answer_to_head_or_an_error_leaves_the_connection_usable(service: Service) -> None:
    with service.connected() as connection:
        for method, path in [("HEAD", "/ping"), ("GET", "/nope"), ("POST", "/log/event/"), ("HEAD", "/log/event/x")]:
            connection.request(method, path, b"x" * 1000 if method == "POST" else None)
            connection.getresponse().read()
        assert isinstance(connection, HTTPConnection)
        connection.request("GET", "/ping")
        assert json.loads(connection.getresponse().read()) == PING
