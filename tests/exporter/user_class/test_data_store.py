"""What a class is answered: kept for a while by its store's name, asked for with care, and told without secrets."""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from importer.credentials import redact
from importer.errors import Stopped
from importer.exporter.base import FaultKind
from importer.exporter.exchange import Tries
from importer.exporter.user_class.api import CollectingtonApi
from importer.exporter.user_class.fetch import Fetcher, FetchError
from importer.exporter.user_class.state import state_of
from importer.exporter.user_class.store_ages import StoreAges
from importer.logs import clean
from tests.exporter.class_services import answer, api_with, made, samples, stop_of
from tests.http_servers import Answer, BookServer, ScriptServer, book_server, drips, says, says_then_hangs

THREE = {"gauge": ["one", "two", "three"]}


class Clock:
    """Shows what a test says."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def vendor() -> Iterator[BookServer]:
    with book_server(answer({"one": 1, "two": 2, "three": 3})) as server:
        yield server


@pytest.fixture
def api(vendor: BookServer) -> Iterator[CollectingtonApi]:
    instance = CollectingtonApi()
    instance.api_url = vendor.url
    with closing(state_of(instance).fetcher):
        yield instance


def set_clock(api: CollectingtonApi) -> Clock:
    """Let the ages of an instance's stores go by a clock of the test's."""
    clock = Clock()
    state_of(api).ages = StoreAges(clock=clock)
    return clock


def reading(vendor: BookServer, mapping: Mapping[str, list[str]] = THREE) -> type[Any]:
    """Return a class, each of whose metrics is a key of one answer."""

    class Reading(api_with(mapping, url=vendor.url)):  # type: ignore[misc]
        def get_metric(self, metric: str) -> Any:
            return self.get_data_from_store("all")[metric]

    return Reading


@pytest.mark.parametrize("content", [{"a": 1}, [], {}, 0, False])
def test_an_answer_is_kept_whatever_it_is(api: CollectingtonApi, vendor: BookServer, content: object) -> None:
    vendor.answers[:] = [answer(content)]
    assert [api.get_data_from_store("all") for _ in range(3)] == [content] * 3
    assert len(vendor.seen) == 1
    assert api.data_store["all"] == content
    assert isinstance(api.data_store["data_read_at"], datetime)


def test_null_is_no_answer(api: CollectingtonApi, vendor: BookServer) -> None:
    vendor.answers[:] = [answer(None), answer({"a": 1})]
    assert [api.get_data_from_store("all") for _ in range(2)] == [None, {"a": 1}]


def test_null_is_asked_for_once_in_a_poll(vendor: BookServer) -> None:
    vendor.answers[:] = [answer(None), answer({"one": 1, "two": 2, "three": 3})]
    with made(reading(vendor), THREE) as service:
        assert service.poll().faults
        assert len(vendor.seen) == 1
        assert not service.poll().faults
        assert len(vendor.seen) == 2


def test_what_is_too_old_is_read_anew_each_store_by_its_own_time(api: CollectingtonApi, vendor: BookServer) -> None:
    vendor.answers[:] = [answer(number) for number in range(9)]
    clock = set_clock(api)
    assert api.get_data_from_store("left") == 0
    clock.seconds += 40
    assert api.get_data_from_store("right") == 1
    clock.seconds += 20
    assert api.get_data_from_store("left") == 2  # reading the other one did not renew it
    assert api.get_data_from_store("right") == 1
    clock.seconds += 40
    assert api.get_data_from_store("right") == 3


def test_the_address_and_the_parameters_are_no_part_of_the_name(api: CollectingtonApi, vendor: BookServer) -> None:
    first = api.get_data_from_store("all")
    api.params = {"other": "yes"}
    assert api.get_data_from_store("all") is first
    assert [seen.target for seen in vendor.seen] == ["/"]


def test_expiry_is_asked_of_the_store_that_counts(api: CollectingtonApi) -> None:
    clock = set_clock(api)
    api.name_of_datastore = "all"
    assert api.is_data_store_expired()
    api.get_data_from_store("all")
    assert not api.is_data_store_expired()
    clock.seconds += 60
    assert api.is_data_store_expired()


def test_a_store_that_a_class_fills_by_itself_is_as_old_as_it_says(api: CollectingtonApi, vendor: BookServer) -> None:
    api.data_store = {"all": 7, "data_read_at": datetime.now() - timedelta(seconds=59)}  # noqa: DTZ005
    assert api.get_data_from_store("all") == 7
    api.data_store["data_read_at"] = datetime.now() - timedelta(seconds=61)  # noqa: DTZ005
    assert api.get_data_from_store("all") == {"one": 1, "two": 2, "three": 3}
    api.data_store["data_read_at"] -= timedelta(seconds=61)
    api.get_data_from_store("all")
    assert len(vendor.seen) == 2


def test_an_own_way_to_read_is_called_and_may_set_the_time_by_any_clock() -> None:
    class Own(CollectingtonApi):
        reads = 0

        def read_data(self, url: str, params: Any, headers: Any) -> Any:
            self.reads += 1
            self.data_store["data_read_at"] = datetime(2001, 1, 1)  # noqa: DTZ001
            return [url, params, headers]

    own = Own()
    own.api_url, own.params, own.headers = "here", {"a": 1}, {"b": "2"}
    assert own.get_data_from_store("all") == ["here", {"a": 1}, {"b": "2"}]
    assert own.get_data_from_store("all") == ["here", {"a": 1}, {"b": "2"}]
    assert own.reads == 1


def test_an_overridden_expiry_decides(api: CollectingtonApi, vendor: BookServer) -> None:
    class Never(CollectingtonApi):
        def is_data_store_expired(self) -> bool:
            return True

    never = Never()
    never.api_url = vendor.url
    with closing(state_of(never).fetcher):
        never.get_data_from_store("all")
        never.get_data_from_store("all")
    assert len(vendor.seen) == 2


def test_a_request_has_what_requests_takes_and_follows_redirects(api: CollectingtonApi, vendor: BookServer) -> None:
    vendor.answers[:] = [Answer(302, b"", {"Location": "/there", "Set-Cookie": "a=b"}), answer({"a": 1})]
    headers = {"X-Key": b"key", "X-None": None}
    assert api.read_data(f"{vendor.url}/here", [("a", 1), ("a", None), ("b", ["x", "y"])], headers) == {"a": 1}
    assert [seen.target for seen in vendor.seen] == ["/here?a=1&b=x&b=y", "/there"]
    assert vendor.seen[0].headers["X-Key"] == "key"
    assert "X-None" not in vendor.seen[0].headers
    api.read_data(vendor.url, {}, {})
    assert "Cookie" not in vendor.seen[-1].headers


@pytest.mark.parametrize(
    ("status", "hint"), [(400, ""), (401, ""), (403, " (bad key, or the rate limit)"), (404, ""), (418, "")]
)
def test_a_status_that_is_none_of_success_is_told_and_nothing_is_kept(
    vendor: BookServer, status: int, hint: str
) -> None:
    body = {"message": "no", "one": 1, "two": 2, "three": 3}
    vendor.answers[:] = [answer(body, status)]
    with made(reading(vendor), THREE) as service:
        faults = service.poll().faults
        assert samples(service) == {}
        assert service.instance.data_store == {}
    assert [(fault.kind, fault.reason) for fault in faults] == [
        (FaultKind.STATUS, f"one, two, three: HTTP {status} from {vendor.url}{hint}: {json.dumps(body)}")
    ]
    assert len(vendor.seen) == 1


def test_a_long_body_is_cut(api: CollectingtonApi, vendor: BookServer) -> None:
    vendor.answers[:] = [Answer(404, b"x" * 1000)]
    with pytest.raises(FetchError) as caught:
        api.read_data(vendor.url, {}, {})
    assert len(str(caught.value)) < 280


def test_errors_of_the_server_are_tried_three_times_in_a_poll_for_all_stores_together(vendor: BookServer) -> None:
    vendor.answers[:] = [Answer(500, b"<html>no</html>")]

    class Stores(api_with(THREE, url=vendor.url)):  # type: ignore[misc]
        def get_metric(self, metric: str) -> Any:
            self.get_data_from_store({"three": "two"}.get(metric, metric))

    with made(Stores, THREE) as service:
        faults = service.poll().faults
        assert [fault.metric for fault in faults] == ["one", "two"]
        assert faults[1].reason.startswith("two, three: HTTP 500")
        assert len(vendor.seen) == 4  # three of the first store, and one of the second
        service.poll()
        assert len(vendor.seen) == 8


def test_a_server_that_comes_back_at_once_is_no_failure(vendor: BookServer) -> None:
    vendor.answers[:] = [Answer(502), Answer(502), answer({"one": 1, "two": 2, "three": 3})]
    with made(reading(vendor), THREE) as service:
        assert not service.poll().faults
        assert samples(service) == {"one": 1, "two": 2, "three": 3}


@pytest.mark.parametrize(("status", "asked", "pause"), [(429, "120", 120.0), (503, "7", 7.0), (503, "99999", 3600.0)])
def test_the_pause_that_a_vendor_asks_for_is_handed_on(
    vendor: BookServer, status: int, asked: str, pause: float
) -> None:
    vendor.answers[:] = [Answer(status, b"", {"Retry-After": asked})]
    with made(reading(vendor), THREE) as service:
        assert service.poll().retry_after_seconds == pause
    assert len(vendor.seen) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b'{"one": '])
def test_what_is_not_json_is_told(vendor: BookServer, body: bytes) -> None:
    vendor.answers[:] = [Answer(200, body)]
    with made(reading(vendor), THREE) as service:
        (fault,) = service.poll().faults
    assert fault.kind == FaultKind.ANSWER
    assert fault.reason.startswith(f"one, two, three: {vendor.url}: the answer is not")


def test_json_that_only_python_takes_is_taken(api: CollectingtonApi, vendor: BookServer) -> None:
    vendor.answers[:] = [Answer(200, '{"é": Infinity}'.encode("utf-16"))]
    assert api.read_data(vendor.url, {}, {}) == {"é": float("inf")}


def fetched(server: ScriptServer, *, timeout_seconds: float = 20.0, stop: threading.Event | None = None) -> FetchError:
    """Return what a fetch from a server raises."""
    fetcher = Fetcher(timeout_seconds=timeout_seconds, stop=stop, max_response_bytes=1000)
    with closing(fetcher), pytest.raises(FetchError) as caught:
        fetcher.get(f"{server.url}/v1?key=secret", {"token": "secret"}, {}, Tries(threading.Event()))
    assert "secret" not in str(caught.value)
    return caught.value


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"


@pytest.mark.parametrize("script", [says_then_hangs(), says_then_hangs(HEAD, b"[1"), drips(HEAD, b"1")])
def test_a_vendor_that_hangs_or_drips_is_left_after_the_timeout_and_not_asked_again(script: Any) -> None:
    with ScriptServer(script) as server:
        error = fetched(server, timeout_seconds=0.3)
        assert server.accepted == 1
    assert isinstance(error, requests.Timeout)


def test_a_connection_that_is_cut_is_tried_again() -> None:
    with ScriptServer(says(b"")) as server:
        error = fetched(server)
        assert server.accepted == 3
    assert isinstance(error, requests.ConnectionError)


def test_an_answer_that_is_too_large_is_left() -> None:
    with ScriptServer(says(HEAD, b" " * 10000)) as server:
        error = fetched(server)
        assert server.accepted == 1
    assert "larger than 1000 bytes" in str(error)


def test_a_poll_that_is_to_stop_ends_in_the_middle_of_a_request(vendor: BookServer) -> None:
    with ScriptServer(says_then_hangs()) as server, made(reading(vendor), THREE) as service:
        service.instance.api_url = server.url
        raised: list[BaseException] = []

        def poll() -> None:
            try:
                service.poll()
            except Stopped as error:
                raised.append(error)

        thread = threading.Thread(target=poll)
        thread.start()
        stop_of(service).set()
        thread.join(10)
        assert [type(error) for error in raised] == [Stopped]


@pytest.mark.parametrize("url", ["", "shop.example/v1?key=secret", "ftp://shop.example/?key=secret", "http://[?secret"])
def test_an_address_that_is_none_is_told_without_its_query(api: CollectingtonApi, url: str) -> None:
    with pytest.raises(FetchError) as caught:
        api.read_data(url, {"token": "secret"}, {})
    assert "secret" not in str(caught.value)


def test_what_a_class_asks_by_itself_is_told_without_the_query_and_in_words() -> None:
    class Own(api_with({"gauge": ["one"]})):  # type: ignore[misc]
        def get_metric(self, metric: str) -> Any:
            return requests.get("http://127.0.0.1:9/v1", params={"key": "secret"}, timeout=5).json()

    with made(Own, {"gauge": ["one"]}) as service:
        (fault,) = service.poll().faults
    assert fault.kind == FaultKind.CONNECTION
    assert fault.reason == "one: http://127.0.0.1:9/v1: no connection, or one that was cut off"


def test_a_query_that_the_vendor_says_again_is_not_told(vendor: BookServer) -> None:
    vendor.answers[:] = [Answer(404, b"Cannot GET /v1/stats?window=1h&key=sesame")]
    with made(reading(vendor), THREE) as service:
        (fault,) = service.poll().faults
    assert fault.reason.endswith("Cannot GET /v1/stats")


def test_a_key_that_changes_with_each_request_is_masked(api: CollectingtonApi, vendor: BookServer) -> None:
    for number in range(150):
        api.read_data(vendor.url, {}, {"X-Api-Key": f"passing-key-{number}"})
    assert redact("passing-key-149") == "***"


def test_nothing_that_is_logged_holds_the_query_or_a_key(
    api: CollectingtonApi, vendor: BookServer, caplog: pytest.LogCaptureFixture
) -> None:
    word = ["open", "sesame"][1]  # a traceback shows the lines of the source
    vendor.answers[:] = [answer({"message": "key hunter-2 is no good"}, 403)]

    class Own(api_with({"gauge": ["one"]})):  # type: ignore[misc]
        def get_metric(self, metric: str) -> Any:
            try:
                self.read_data(f"{vendor.url}/v1?a={word}", {"b": word}, {"X-VO-Api-Key": "hunter-2"})
            except FetchError as error:
                raise RuntimeError(f"{vendor.url}/v1?a={word} {error}") from error

    with caplog.at_level(logging.DEBUG), made(Own, {"gauge": ["one"]}) as service:
        told = [fault.reason for fault in service.poll().faults]
    text = clean("\n".join([*told, *caplog.messages]), multiline=True)
    assert "RuntimeError" in text
    assert "Traceback" in text
    assert "sesame" not in text
    assert "hunter-2" not in text  # masked as the log masks it
