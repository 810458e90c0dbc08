"""The stats client sends what it was given, as its users have always been promised, and breaks no program."""

import copy
import importlib
import json
import logging
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError

from importer.credentials import Secret
from importer.events.client.analytics import Analytics
from importer.simulators.base import BROKEN_JSON, HTML_PAGE, Answer, Fault, cut_off, never, reset
from importer.simulators.stats_service import TOKEN, StatsServiceSimulator
from tests.apteligent import unused_port
from tests.commands import ROOT

EVENT = {"event": "shop.view", "uid": "user-5", "datetime": "2016-04-25T12:29:48.844949"}
POINTS = [{"measurement": "voting", "tags": {"uid": "user-5", "ids": {"a": 1}}, "fields": {"value": 1, "score": 4.25}}]


@pytest.fixture(autouse=True)
def _no_shared_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Analytics, "_shared", None)


@pytest.fixture
def service() -> Iterator[StatsServiceSimulator]:
    with StatsServiceSimulator() as simulator:
        yield simulator


def client_of(service: StatsServiceSimulator, **config: object) -> Analytics:
    """Return a client that posts at once."""
    return Analytics({"url": service.url, "access_token": TOKEN, "defer": False, **config})


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return level and message of what the client logged."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name.startswith("importer.events.client.analytics")
    ]


# What it is


def test_the_defaults_are_those_that_are_promised() -> None:
    client = Analytics({"access_token": TOKEN})
    assert (client.base_uri, client.defer, client.disabled, client.tags) == ("http://localhost:20080", True, False, {})
    assert client.app_node == socket.gethostname()
    assert client.auth is client.get_auth() is not None
    assert client.auth.access_token == TOKEN
    assert Analytics.JSON_CT == {"Accept": "application/json", "Content-Type": "application/json"}
    assert (Analytics.ANALYTICS, Analytics.EVENT) == ("/log/event/", "/log/event/{}/")


@pytest.mark.parametrize("config", [None, {}, {"access_token": ""}, {"access_token": None}, {"access_token": " \n"}])
def test_a_token_is_needed(config: dict[str, object] | None) -> None:
    with pytest.raises(ValueError, match="access_token is missing"):
        Analytics(config)


@pytest.mark.parametrize("token", [f"{TOKEN}\n", Secret(TOKEN)])
def test_a_token_may_come_with_a_line_end_or_as_a_secret(token: object) -> None:
    auth = Analytics({"access_token": token}).auth
    assert auth is not None
    assert auth.access_token == TOKEN


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("access_token", "two\nlines"),
        ("access_token", "töken"),
        ("startup", "neither"),
        ("tags", ["x"]),
        ("tags", 5),
        ("connect_timeout_seconds", 0),
        ("read_timeout_seconds", "soon"),
        ("read_timeout_seconds", None),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{key} |timeout"):
        Analytics({"access_token": TOKEN, key: value})


def test_the_time_is_utc_without_a_zone() -> None:
    before = datetime.now(UTC)
    now = Analytics.now()
    assert now.tzinfo is None
    assert before <= now.replace(tzinfo=UTC) <= datetime.now(UTC)


# The shared instance


def test_there_is_no_shared_instance_before_init() -> None:
    with pytest.raises(AssertionError, match="init"):
        Analytics.stats()


def test_init_makes_the_shared_instance_anew_each_time() -> None:
    config = {"url": "http://localhost:1", "access_token": TOKEN}
    first = Analytics.init(config)
    assert Analytics.stats() is first
    assert Analytics.init(config) is Analytics.stats() is not first


def test_a_subclass_has_an_instance_of_its_own_kind() -> None:
    class Shop(Analytics):
        """As users build their in-house clients."""

    class Bank(Analytics):
        """Another one."""

    config = {"url": "http://localhost:1", "access_token": TOKEN}
    shop, bank = Shop.init(config), Bank.init(config)
    assert (type(shop), type(bank)) == (Shop, Bank)
    assert (Shop.stats(), Bank.stats(), Analytics.stats()) == (shop, bank, bank)


# Disabled


@pytest.mark.parametrize("config", [None, {}, {"url": ""}, {"url": None, "access_token": TOKEN}])
def test_init_without_a_url_disables_with_one_warning(
    config: dict[str, object] | None, caplog: pytest.LogCaptureFixture
) -> None:
    client = Analytics.init(config)
    assert client.disabled
    assert [client.log(EVENT), client.log(points=POINTS), client.system_startup()] == [None, None, None]
    assert lines(caplog) == [("WARNING", "stats client is disabled, events go nowhere reason=no url is configured")]
    with pytest.raises(NoConnection, match="no url"):
        client.ping()


def test_a_disabled_client_sends_nothing_and_warns_once(
    service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    client = Analytics({"url": service.url, "disabled": True})
    assert client.get_auth() is None
    assert [client.log(EVENT), client.log({"no": "event"})] == [None, None]
    assert lines(caplog) == [("WARNING", "stats client is disabled, events go nowhere reason=it is switched off")]
    assert service.requests == ()


# Events


def test_an_event_is_posted_flat_with_token_and_tags(service: StatsServiceSimulator) -> None:
    client = client_of(service, tags={"site": "north", "rack": {"row": 4}})
    event_id = client.log({**EVENT, "ua": {"os": {"name": "iOS"}, "langs": ["nl"]}})
    (request,) = service.requests
    assert (request.method, request.path) == ("POST", "/log/event/")
    assert request.headers["authorization"] == f"Token {TOKEN}"
    assert request.headers["accept"] == request.headers["content-type"] == "application/json"
    assert request.json() == {
        **EVENT,
        "ua_os_name": "iOS",
        "ua_langs": ["nl"],
        "tags_site": "north",
        "tags_rack_row": 4,
    }
    assert list(service.events) == [event_id]


@pytest.mark.parametrize("base_path", ["", "/base", "/deep/base"])
@pytest.mark.parametrize("end", ["", "/"])
def test_the_path_of_the_url_is_kept_in_every_request(base_path: str, end: str) -> None:
    with StatsServiceSimulator(base_path=base_path) as service:
        client = client_of(service, url=service.url + base_path + end)
        assert client.ping()["status"] == "ok"
        event_id = client.log(EVENT)
        assert client.get(event_id or "")["uid"] == "user-5"
        paths = [request.path.removeprefix(base_path) for request in service.requests]
    assert paths == ["/ping/", "/log/event/", f"/log/event/{event_id}/"]


def test_an_event_without_a_time_gets_the_clients(service: StatsServiceSimulator) -> None:
    class Frozen(Analytics):
        @staticmethod
        def now() -> datetime:
            return datetime(2016, 4, 25, 12, 29, 48, 844949)  # noqa: DTZ001 - as the client's own

    client = Frozen({"url": service.url, "access_token": TOKEN, "defer": False})
    client.log({"event": "shop.view", "uid": "user-5"})
    client.log({"event": "shop.view", "uid": "user-5", "datetime": "long ago"})
    assert [event["datetime"] for event in service.events.values()] == ["2016-04-25T12:29:48.844949", "long ago"]


def test_the_callers_dict_is_not_changed(service: StatsServiceSimulator) -> None:
    event = {"event": "x", "uid": "", "a": {"b": {"c": [1]}}, "tags": {"own": 1}}
    tags = {"site": {"name": "north"}}
    before = copy.deepcopy((event, tags))
    client_of(service, tags=tags).log(event)
    assert (event, tags) == before


def test_an_events_own_tags_win(service: StatsServiceSimulator) -> None:
    client_of(service, tags={"site": "north", "row": 4}).log({**EVENT, "tags": {"site": "south"}})
    (event,) = service.events.values()
    assert (event["tags_site"], event["tags_row"]) == ("south", 4)


@pytest.mark.parametrize("missing", ["uid", "event"])
@pytest.mark.parametrize("defer", [True, False])
def test_an_event_needs_its_uid_and_its_kind(service: StatsServiceSimulator, missing: str, defer: bool) -> None:
    event = {key: value for key, value in EVENT.items() if key != missing}
    with pytest.raises(AssertionError, match=missing):
        client_of(service, defer=defer).log(event)


def test_a_uid_may_be_empty(service: StatsServiceSimulator) -> None:
    assert client_of(service).log({"event": "page.hit", "uid": ""}) in service.events


def test_what_json_does_not_know_is_sent_as_text(service: StatsServiceSimulator) -> None:
    odd = {"at": datetime(2016, 4, 25, 12, tzinfo=UTC), "day": date(2016, 4, 25), "price": Decimal("4.20")}
    client_of(service).log({**EVENT, **odd})
    (event,) = service.events.values()
    assert [event[key] for key in odd] == ["2016-04-25T12:00:00+00:00", "2016-04-25", "4.20"]


def endless() -> dict[str, object]:
    inner: dict[str, object] = {}
    inner["inner"] = inner
    return inner


def test_a_number_that_is_none_is_left_out_and_told(
    service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    nan, infinity = float("nan"), float("inf")
    client = client_of(service)
    assert client.log({**EVENT, "price": nan, "basket": {"sums": [1.5, -infinity, [nan]]}, "qty": 3})
    assert client.log(points=[{"measurement": "m", "fields": {"value": 1, "score": infinity}}]) == "OK"
    first, second = (json.loads(request.body) for request in service.requests)
    assert first == {**EVENT, "price": None, "basket_sums": [1.5, None, [None]], "qty": 3}
    assert second == [{"measurement": "m", "fields": {"value": 1, "score": None}}]
    assert lines(caplog) == [
        ("WARNING", f"value is left out, it is no finite number key={key}")
        for key in ("price, basket_sums.1, basket_sums.2.0", "0.fields.score")
    ]


@pytest.mark.parametrize(
    "odd", [endless(), [endless()], [{("a", "b"): 1}], [{float("nan"): 1}]], ids=["object", "list", "key", "nan"]
)
@pytest.mark.parametrize(("defer", "result"), [(True, None), (False, "")])
def test_what_json_cannot_hold_is_logged_and_not_raised(
    service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture, odd: object, defer: bool, result: str | None
) -> None:
    assert client_of(service, defer=defer).log({**EVENT, "odd": odd}) == result
    ((level, message),) = lines(caplog)
    assert level == "ERROR"
    assert message.startswith("event is lost, it cannot be sent as JSON reason=")
    assert service.requests == ()


# Points


@pytest.mark.parametrize(
    "post",
    [
        lambda client: client.log(POINTS),
        lambda client: client.log(data=POINTS),
        lambda client: client.log(points=POINTS),
        lambda client: client.log(tuple(POINTS)),
    ],
)
def test_points_are_sent_as_they_are(service: StatsServiceSimulator, post: Callable[[Analytics], str]) -> None:
    assert post(client_of(service, tags={"site": "north"})) == "OK"
    assert service.points == POINTS
    assert service.requests[0].headers["authorization"] == f"Token {TOKEN}"


@pytest.mark.parametrize(("data", "points"), [(None, None), ("text", None), (3, None), (EVENT, POINTS)])
def test_what_is_neither_an_event_nor_points_is_refused(
    service: StatsServiceSimulator, data: object, points: object
) -> None:
    with pytest.raises(TypeError, match="a dict or a list of points"):
        client_of(service).log(data, points=points)  # type: ignore[arg-type]


# Trouble


def refused(status: int) -> Answer:
    return Answer.json({"message": "no, thanks"}, status=status)


@pytest.mark.parametrize("status", [400, 403, 404, 413, 429, 500, 503])
def test_a_status_that_refuses_is_logged_as_an_error(
    service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    service.fail(refused(status))
    assert client_of(service).log(EVENT) == ""
    ((level, message),) = lines(caplog)
    assert level == "ERROR"
    assert f"127.0.0.1:{service.port}: status {status}" in message
    assert "no, thanks" in message


@pytest.mark.parametrize(
    ("fault", "level", "reason"),
    [
        (never, "WARNING", "no answer within 0.2 s"),
        (reset, "WARNING", "connection closed without an answer"),
        (cut_off(), "WARNING", "answer cut off"),
        (HTML_PAGE, "ERROR", "the answer is not JSON"),
        (BROKEN_JSON, "ERROR", "the answer is not JSON"),
        (Answer.json({"status": "ok"}), "ERROR", "something else listens there"),
    ],
    ids=["never", "reset", "cut off", "page", "broken", "other"],
)
def test_an_answer_that_is_none_is_logged_and_not_raised(
    service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture, fault: Answer | Fault, level: str, reason: str
) -> None:
    service.fail(fault)
    client = client_of(service, read_timeout_seconds=0.2)
    assert client.log(EVENT) == ""
    ((logged_level, message),) = lines(caplog)
    assert logged_level == level
    assert reason in message
    assert client.log(EVENT) in service.events


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://127.0.0.1:{unused_port()}", "connection refused"),
        ("http://nowhere.invalid", "name not known"),
        ("localhost:20080", "cannot be used"),
        ("http://[::1", "cannot be used"),
        ("http://name:open-sesame@127.0.0.1:1", "127.0.0.1:1: connection refused"),
    ],
    ids=["nobody listens", "unknown name", "no scheme", "no address", "with a password"],
)
def test_no_connection_is_logged_as_a_warning_and_not_raised(
    caplog: pytest.LogCaptureFixture, url: str, reason: str
) -> None:
    assert Analytics({"url": url, "access_token": TOKEN, "defer": False}).log(EVENT) == ""
    ((level, message),) = lines(caplog)
    assert level == "WARNING"
    assert reason in message
    assert "open-sesame" not in message


def test_the_token_is_in_no_log_line(service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        service.fail(refused(500))
        service.fail(reset)
        client = client_of(service)
        assert [client.log(EVENT), client.log(EVENT)] == ["", ""]
    assert lines(caplog)
    assert TOKEN not in caplog.text


# ping and get


def test_a_ping_tells_what_the_service_is_and_carries_no_token(service: StatsServiceSimulator, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password open-sesame\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert client_of(service).ping() == {"status": "ok", "name": "stats-service", "version": "1.0.0"}
    (request,) = service.requests
    assert (request.method, request.path, "authorization" in request.headers) == ("GET", "/ping/", False)
    assert request.headers["accept"] == request.headers["content-type"] == "application/json"


def test_an_event_is_shown_by_its_id_with_the_token(service: StatsServiceSimulator) -> None:
    client = client_of(service)
    event_id = client.log(EVENT)
    assert client.get(event_id or "") == {**EVENT, "event_id": event_id}
    assert service.requests[-1].headers["authorization"] == f"Token {TOKEN}"


def test_an_id_stays_within_the_path(service: StatsServiceSimulator) -> None:
    with pytest.raises(HTTPError):
        client_of(service).get("a/b?c d")
    assert service.requests[0].target == "/log/event/a%2Fb%3Fc%20d/"


def test_refusals_of_ping_and_get_are_raised_as_errors_of_requests(service: StatsServiceSimulator) -> None:
    client = client_of(service, access_token="wrong")
    with pytest.raises(HTTPError) as caught:
        client.get("entry_x")
    assert caught.value.response.status_code == 403
    service.fail(refused(500))
    with pytest.raises(HTTPError):
        client.ping()


def test_an_unknown_event_is_an_error_of_requests(service: StatsServiceSimulator) -> None:
    with pytest.raises(HTTPError) as caught:
        client_of(service).get("entry_nope")
    assert caught.value.response.status_code == 404


def test_without_a_connection_ping_and_get_raise_the_error_of_requests() -> None:
    client = Analytics({"url": f"http://127.0.0.1:{unused_port()}", "access_token": TOKEN})
    with pytest.raises(NoConnection):
        client.ping()
    with pytest.raises(NoConnection):
        client.get("entry_x")


@pytest.mark.parametrize("answer", [HTML_PAGE, BROKEN_JSON, Answer.json("text")])
def test_an_answer_that_is_no_object_is_an_error_of_requests(service: StatsServiceSimulator, answer: Answer) -> None:
    service.fail(answer)
    with pytest.raises(requests.exceptions.InvalidJSONError):
        client_of(service).ping()


def test_a_service_that_hangs_does_not_hang_ping(service: StatsServiceSimulator) -> None:
    service.fail(never)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client_of(service, read_timeout_seconds="0.1").ping()


# The start of a machine


def test_the_start_of_a_machine_is_an_event(service: StatsServiceSimulator) -> None:
    client = client_of(service, tags={"site": "north"})
    client.app_node = "localhost"
    event_id = client.system_startup()
    event = dict(service.events[event_id or ""])
    assert datetime.fromisoformat(str(event.pop("datetime"))).tzinfo is None
    assert event == {
        "event": "server.start",
        "uid": "system-localhost",
        "ip": "127.0.0.1",
        "app_node": "localhost",
        "tags_site": "north",
        "event_id": event_id,
    }


def test_the_start_of_a_machine_may_be_a_point(service: StatsServiceSimulator) -> None:
    client = client_of(service, startup="points", tags={"row": 4})
    client.app_node = "localhost"
    assert client.system_startup() == "OK"
    tags = {"uid": "system-localhost", "ip": "127.0.0.1", "hostname": "localhost", "row": "4"}
    assert service.points == [{"measurement": "server_startup", "tags": tags, "fields": {"value": 1}}]


def test_a_host_without_an_address_starts_without_ip(
    service: StatsServiceSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_found(host: str) -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname", not_found)
    client = client_of(service)
    event = service.events[client.system_startup() or ""]
    assert (event["uid"], "ip" in event) == (f"system-{client.app_node}", False)


def test_a_host_whose_name_is_none_starts_without_ip(service: StatsServiceSimulator) -> None:
    client = client_of(service)
    client.app_node = "x" * 64  # longer than a part of a name may be
    event = service.events[client.system_startup() or ""]
    assert (event["uid"], "ip" in event) == (f"system-{client.app_node}", False)


# In the background


def test_a_deferred_event_is_posted_as_it_was_at_the_call(service: StatsServiceSimulator) -> None:
    client = client_of(service, defer=True)
    event = {**EVENT, "basket": {"items": 3}}
    assert client.log(event) is None
    event["basket"]["items"] = 4  # type: ignore[index]
    assert client.log(points=POINTS) is None
    assert client.flush()
    assert [json.loads(request.body) for request in service.requests] == [{**EVENT, "basket_items": 3}, POINTS]
    assert service.requests[0].headers["authorization"] == f"Token {TOKEN}"


def test_flush_tells_that_the_service_did_not_answer(service: StatsServiceSimulator) -> None:
    rule = service.fail(Answer.json({}, status=503), times=None)
    client = client_of(service, defer=True)
    client.log(EVENT)
    service.wait_for(1)
    assert not client.flush(0.1)
    assert rule.hits
    service.heal()
    assert client.flush()
    assert len(service.events) == 1


# Old import paths


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("stats_client", []),
        ("stats_client.client", []),
        ("stats_client.client.analytics", ["Analytics"]),
        ("stats_client.client.dflatten", ["flatten"]),
        ("stats_client.client.detail", ["agent", "AGENT_FIELDS", "ua_string_dict"]),
    ],
)
def test_old_import_paths_go_on_working(module: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "compat")
    imported = importlib.import_module(module)
    assert all(getattr(imported, name) for name in names)
