"""What the simulated Backdrop takes and refuses."""

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.backdrop_records import MAX_BODY_BYTES
from importer.simulators.base import Answer

TIMEOUT_SECONDS = 10
TOKEN = "a-token"


@pytest.fixture
def simulator() -> Iterator[BackdropSimulator]:
    with BackdropSimulator() as simulator:
        simulator.add_data_set("g-1", "t", token=TOKEN)
        yield simulator


def send(
    simulator: BackdropSimulator,
    body: object,
    *,
    method: str = "POST",
    token: str | None = TOKEN,
    path: str = "g-1/t",
    **headers: str,
) -> requests.Response:
    authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
    return requests.request(
        method,
        f"{simulator.data_url}/{path}",
        data=body if isinstance(body, bytes) else json.dumps(body),
        headers={"Content-Type": "application/json", **authorization, **headers},
        timeout=TIMEOUT_SECONDS,
    )


def records(simulator: BackdropSimulator) -> list[dict[str, Any]]:
    return simulator.data_sets["g-1", "t"].records


def test_a_record_replaces_the_one_with_its_id(simulator: BackdropSimulator) -> None:
    for value in (1, 2):
        answer = send(simulator, [{"_id": "one", "count": value}, {"_id": f"other{value}"}])
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert records(simulator) == [{"_id": "one", "count": 2}, {"_id": "other1"}, {"_id": "other2"}]


def test_of_two_in_one_request_the_later_stays_and_records_without_an_id_all_do(simulator: BackdropSimulator) -> None:
    send(simulator, [{"_id": "one", "count": 1}, {"_id": "one", "count": 2}, {"count": 3}, {"count": 3}])
    assert records(simulator) == [{"_id": "one", "count": 2}, {"count": 3}, {"count": 3}]


def test_one_object_is_a_record_and_all_can_be_read(simulator: BackdropSimulator) -> None:
    send(simulator, {"_id": "one"})
    answer = requests.get(simulator.data_set_url("g-1", "t"), timeout=TIMEOUT_SECONDS)
    assert answer.json() == {"data": [{"_id": "one"}]}


def test_a_data_set_is_emptied_by_an_empty_list_alone(simulator: BackdropSimulator) -> None:
    send(simulator, {"_id": "one"})
    assert send(simulator, [{"_id": "two"}], method="PUT").status_code == 400
    assert records(simulator) == [{"_id": "one"}]
    assert send(simulator, [], method="PUT").json() == {"status": "ok", "message": "g_1_t now contains 0 records"}
    assert (records(simulator), simulator.data_sets["g-1", "t"].emptied) == ([], 1)


@pytest.mark.parametrize("token", [None, "another", ""])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_writing_needs_the_token(simulator: BackdropSimulator, method: str, token: str | None) -> None:
    answer = send(simulator, [], method=method, token=token)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "bearer")
    assert answer.json()["message"] == f"Unauthorized: Invalid bearer token '{token or ''}' for 'g_1_t'"


def test_a_data_set_that_is_not_there(simulator: BackdropSimulator) -> None:
    expected = {"status": "error", "message": "Could not find data_set_config"}
    for method in ("GET", "POST", "PUT"):
        answer = send(simulator, [], method=method, path="g-1/other")
        assert (answer.status_code, answer.json()) == (404, expected)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"Page Views": 1}, "Page Views is not a valid key"),
        ({"a": 1}, "a is not a valid key"),
        ({"9a": 1}, "9a is not a valid key"),
        ({"a\n": 1}, "a\n is not a valid key"),
        ({"_other": 1}, "_other is not a recognised internal field"),
        ({"visits": [1]}, "visits has an invalid value"),
        ({"visits": {}}, "visits has an invalid value"),
        ({"_timestamp": "yesterday"}, "_timestamp is not a valid timestamp, it must be ISO8601"),
        ({"_start_at": 7}, "_start_at is not a valid timestamp, it must be ISO8601"),
        ({"_id": "a b"}, '_id "a b" is not a valid id'),
        ({"_id": ""}, '_id "" is not a valid id'),
        ([1], "[1] is not a record"),
    ],
)
def test_one_bad_record_refuses_all(simulator: BackdropSimulator, record: object, message: str) -> None:
    answer = send(simulator, [{"_id": "good"}, record])
    assert (answer.status_code, answer.json()) == (400, {"messages": [message]})
    assert records(simulator) == []


def test_a_good_record_has_any_of_these(simulator: BackdropSimulator) -> None:
    good = {"_id": "a", "_timestamp": "2013-06-15T22:00:00+00:00", "Name_1": None, "_end_at": "2013-06-15T22:00:00Z"}
    assert send(simulator, [good, {"is_on": True, "text": "é", "share": 0.5}]).status_code == 200


def test_a_compressed_body_is_unpacked(simulator: BackdropSimulator) -> None:
    packed = {"Content-Encoding": "gzip"}
    assert send(simulator, gzip.compress(b'{"_id": "one"}'), **packed).status_code == 200
    assert records(simulator) == [{"_id": "one"}]
    assert send(simulator, b"not gzip", **packed).status_code == 400
    assert send(simulator, gzip.compress(b" " * (MAX_BODY_BYTES + 1)), **packed).status_code == 413


def test_what_is_no_json_is_refused(simulator: BackdropSimulator) -> None:
    answer = send(simulator, b"{")
    assert (answer.status_code, answer.json()["message"]) == (400, 'Error parsing JSON: "{"')
    assert send(simulator, [], **{"Content-Type": "text/plain"}).status_code == 400


def test_it_fails_when_it_is_told_to(simulator: BackdropSimulator) -> None:
    simulator.fail(Answer(503), when="/data/g-1/*")
    assert [send(simulator, []).status_code for _ in range(2)] == [503, 200]


def test_as_a_process_it_tells_its_url_and_stops_at_sigterm() -> None:
    command = [sys.executable, "-m", "importer.simulators.backdrop", "--port", "0", "--data-set", "g/t=a-token"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(f"{url}/g/t", timeout=TIMEOUT_SECONDS).json() == {"data": []}
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0
