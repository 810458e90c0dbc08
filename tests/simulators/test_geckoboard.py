"""The simulated Geckoboard is as strict as the vendor says that it is."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from importer.simulators.geckoboard import API_KEY, MAX_BODY_BYTES, GeckoboardSimulator
from importer.simulators.geckoboard_datasets import MAX_RECORDS
from tests.doubles import FakeClock
from tests.simulators.http_clients import TIMEOUT_SECONDS

WIDGET = "168760-44cd73a4"
NUMBER = {"item": [{"value": 12.5, "text": "today"}]}
FIELDS = {"timestamp": {"type": "datetime", "name": "Time"}, "value": {"type": "number", "name": "Requests"}}
SCHEMA = {"fields": FIELDS, "unique_by": ["timestamp"]}


@pytest.fixture
def simulator() -> Iterator[GeckoboardSimulator]:
    with GeckoboardSimulator() as simulator:
        yield simulator


def push(simulator: GeckoboardSimulator, body: object) -> requests.Response:
    return requests.post(simulator.push_url(WIDGET), json=body, timeout=TIMEOUT_SECONDS)


def call(
    simulator: GeckoboardSimulator, method: str, path: str, body: object = None, *, key: str = API_KEY
) -> requests.Response:
    return requests.request(method, simulator.url + path, json=body, auth=(key, ""), timeout=TIMEOUT_SECONDS)


def make_dataset(simulator: GeckoboardSimulator, **schema: Any) -> requests.Response:
    return call(simulator, "PUT", "/datasets/web.requests", SCHEMA | schema)


def rows(start: int, stop: int) -> list[dict[str, object]]:
    times = (
        f"2023-11-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z" for number in range(start, stop)
    )
    return [{"timestamp": time, "value": number} for number, time in enumerate(times, start)]


def message(response: requests.Response) -> str:
    return str(response.json()["error"]["message"])


def test_states_of_a_widget_are_kept_in_their_order(simulator: GeckoboardSimulator) -> None:
    for number in (1, 2):
        response = push(simulator, {"api_key": API_KEY, "data": {"item": number}})
        assert (response.status_code, response.json()) == (200, {"success": True})
    assert simulator.wait_for_widget(WIDGET, 2) == [{"item": 1}, {"item": 2}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"api_key": "another", "data": NUMBER}, 401),
        ({"data": NUMBER}, 400),
        ({"api_key": API_KEY}, 400),
        ({"api_key": API_KEY, "data": NUMBER, "more": 1}, 400),
        ([], 400),
        ({"api_key": API_KEY, "data": "x" * MAX_BODY_BYTES}, 413),
    ],
)
def test_a_push_that_is_wrong_is_refused_and_not_kept(
    simulator: GeckoboardSimulator, body: object, status: int
) -> None:
    response = push(simulator, body)
    assert response.status_code == status
    assert response.json()["message"]
    assert simulator.widgets == {}


def test_a_push_that_is_no_json_is_refused(simulator: GeckoboardSimulator) -> None:
    response = requests.post(simulator.push_url(WIDGET), data=b"{", timeout=TIMEOUT_SECONDS)
    assert response.status_code == 400


def test_a_widget_that_gets_no_state_is_not_waited_for_without_end(simulator: GeckoboardSimulator) -> None:
    with pytest.raises(TimeoutError):
        simulator.wait_for_widget(WIDGET, timeout_seconds=0.01)


def test_the_key_of_the_datasets_api_can_be_tried(simulator: GeckoboardSimulator) -> None:
    assert call(simulator, "GET", "/").json() == {}
    response = call(simulator, "GET", "/", key="another")
    assert (response.status_code, message(response)) == (401, "Your API key is invalid")


def test_a_dataset_is_created_once_and_found_again(simulator: GeckoboardSimulator) -> None:
    first, second = make_dataset(simulator), make_dataset(simulator)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == {"id": "web.requests", **SCHEMA}


def test_a_dataset_does_not_change_its_schema(simulator: GeckoboardSimulator) -> None:
    make_dataset(simulator)
    assert make_dataset(simulator, unique_by=[]).status_code == 409


def test_a_dataset_can_be_deleted(simulator: GeckoboardSimulator) -> None:
    make_dataset(simulator)
    assert call(simulator, "DELETE", "/datasets/web.requests").status_code == 200
    assert call(simulator, "DELETE", "/datasets/web.requests").status_code == 404
    assert call(simulator, "PUT", "/datasets/web.requests/data", {"data": []}).status_code == 404


def test_records_are_replaced_by_put_and_added_by_post(simulator: GeckoboardSimulator) -> None:
    make_dataset(simulator)
    for method, data in (("PUT", rows(0, 3)), ("PUT", rows(3, 5)), ("POST", rows(5, 6))):
        assert call(simulator, method, "/datasets/web.requests/data", {"data": data}).json() == {}
    assert simulator.datasets["web.requests"].records == rows(3, 6)


@pytest.mark.parametrize(("unique_by", "kept"), [(["timestamp"], [2]), ([], [1, 2])])
def test_a_record_replaces_the_one_that_it_is_not_unique_from(
    simulator: GeckoboardSimulator, unique_by: list[str], kept: list[int]
) -> None:
    make_dataset(simulator, unique_by=unique_by)
    for value in (1, 2):
        record = {"timestamp": "2023-11-14T22:14:00Z", "value": value}
        call(simulator, "POST", "/datasets/web.requests/data", {"data": [record]})
    assert [record["value"] for record in simulator.datasets["web.requests"].records] == kept


def test_the_oldest_records_go_when_there_are_too_many(simulator: GeckoboardSimulator) -> None:
    make_dataset(simulator)
    for start in range(0, MAX_RECORDS + 500, 500):
        call(simulator, "POST", "/datasets/web.requests/data", {"data": rows(start, start + 500)})
    assert simulator.datasets["web.requests"].records == rows(500, MAX_RECORDS + 500)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (rows(0, 501), "more than 500"),
        ([{"timestamp": "2023-11-14T22:14:00Z"}], "value: None is no number"),
        ([{"timestamp": "yesterday", "value": 1}], "timestamp: 'yesterday' is no datetime"),
        ([{"timestamp": "2023-11-14", "value": 1}], "is no datetime"),
        ([{"timestamp": "2023-11-14T22:14:00Z", "value": True}], "is no number"),
        ([{"timestamp": "2023-11-14T22:14:00Z", "value": "1"}], "is no number"),
        ([{"timestamp": "2023-11-14T22:14:00Z", "value": 1, "more": 1}], "no such field: more"),
        ([1], "list of objects"),
        (None, "list of objects"),
    ],
)
def test_records_that_do_not_fit_are_refused_as_a_whole(
    simulator: GeckoboardSimulator, data: object, complaint: str
) -> None:
    make_dataset(simulator)
    response = call(simulator, "PUT", "/datasets/web.requests/data", {"data": data})
    assert response.status_code == 400
    assert complaint in message(response)
    assert simulator.datasets["web.requests"].records == []


@pytest.mark.parametrize(
    ("kind", "more", "good", "bad"),
    [
        ("string", {}, "x" * 100, "x" * 101),
        ("date", {}, "2023-11-14", "2023-11-31"),
        ("datetime", {}, "2023-11-14T22:14:00+01:00", "2023-11-14T25:14:00Z"),
        ("percentage", {}, 0.5, "50%"),
        ("money", {"currency_code": "EUR"}, 100, "1 EUR"),
        ("duration", {"time_unit": "seconds", "optional": True}, None, "1 s"),
    ],
)
def test_each_type_of_field_has_its_values(
    simulator: GeckoboardSimulator, kind: str, more: dict[str, object], good: object, bad: object
) -> None:
    make_dataset(simulator, fields={"it": {"type": kind, "name": "It", **more}}, unique_by=[])
    statuses = [
        call(simulator, "PUT", "/datasets/web.requests/data", {"data": [{"it": value}]}).status_code
        for value in (good, bad)
    ]
    assert statuses == [200, 400]


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"fields": {}}, "1 to 10 fields"),
        ({"fields": {f"f{number}": FIELDS["value"] for number in range(11)}}, "1 to 10 fields"),
        ({"fields": {"Value": FIELDS["value"]}}, "not the id of a field"),
        ({"fields": {"value": {"type": "text", "name": "X"}}}, "type that is one of"),
        ({"fields": {"value": {"type": "number"}}}, "type that is one of"),
        ({"fields": {"value": {"type": "number", "name": "X", "colour": "red"}}}, "no such member: colour"),
        ({"fields": {"value": {"type": "money", "name": "X"}}}, "needs currency_code"),
        ({"fields": {"value": {"type": "string", "name": "X", "optional": True}}}, "never optional"),
        ({"unique_by": ["other"]}, "unique_by names fields alone"),
        ({"fields": None}, "described by fields"),
        ({"more": 1}, "described by fields"),
    ],
)
def test_a_schema_that_is_wrong_is_refused(
    simulator: GeckoboardSimulator, schema: dict[str, object], complaint: str
) -> None:
    whole = {"fields": FIELDS, "unique_by": [], **schema}
    response = call(simulator, "PUT", "/datasets/web.requests", whole)
    assert response.status_code == 400
    assert complaint in message(response)
    assert simulator.datasets == {}


def test_an_id_that_is_none_is_refused(simulator: GeckoboardSimulator) -> None:
    assert call(simulator, "PUT", "/datasets/Web%20requests", SCHEMA).status_code == 400


def test_a_request_that_is_too_large_or_no_json_is_refused(simulator: GeckoboardSimulator) -> None:
    url = f"{simulator.url}/datasets/web.requests"
    statuses = [
        requests.put(url, data=body, auth=(API_KEY, ""), timeout=TIMEOUT_SECONDS).status_code
        for body in (b"{", b"x" * (MAX_BODY_BYTES + 1))
    ]
    assert statuses == [400, 413]


def test_so_many_calls_a_minute_are_answered_and_no_more() -> None:
    clock = FakeClock()
    with GeckoboardSimulator(requests_a_minute=2, clock=clock) as simulator:
        assert [call(simulator, "GET", "/").status_code for _ in range(3)] == [200, 200, 429]
        clock.now += 60
        assert call(simulator, "GET", "/").status_code == 200


def test_as_a_process_it_tells_its_url_and_stops_at_sigterm() -> None:
    command = [sys.executable, "-m", "importer.simulators.geckoboard", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(url, auth=(API_KEY, ""), timeout=TIMEOUT_SECONDS).json() == {}
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0
