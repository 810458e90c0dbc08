"""`requests` with the patience that vendors need."""

import io
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from importer.collector import backoff
from importer.collector.backoff import PatientRequests
from importer.collector.http_with_backoff import HttpWithBackoff
from importer.simulators.base import Answer, HttpSimulator, cut_off, never, reset


@pytest.fixture
def vendor() -> Iterator[HttpSimulator]:
    simulator = HttpSimulator()
    simulator.route("GET", "/api", lambda request: Answer.json({"query": request.query}))
    simulator.route("POST", "/api", lambda request: Answer.json({"body": request.body.decode("latin-1")}))
    with simulator:
        yield simulator


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def patient(pauses: list[float]) -> PatientRequests:
    return PatientRequests(pauses.append)


def test_get_and_post_take_what_those_of_requests_take(vendor: HttpSimulator) -> None:
    url = f"{vendor.url}/api"
    assert backoff.get(url, {"a": "b"}, headers={"X-Test": "1"}).json() == {"query": {"a": "b"}}
    assert backoff.post(url, {"a": "b"}).json() == {"body": "a=b"}
    assert backoff.post(url, None, {"a": 1}).json() == {"body": '{"a": 1}'}
    assert backoff.post(url=url, data="text", auth=("user", "password")).json() == {"body": "text"}
    assert vendor.requests[0].headers["x-test"] == "1"
    assert vendor.requests[-1].headers["authorization"].startswith("Basic ")


def test_all_other_names_are_those_of_requests() -> None:
    missing = {name for name in dir(requests) if name not in dir(backoff)}
    assert missing == set()
    assert backoff.HTTPError is requests.HTTPError
    assert backoff.Session is requests.Session
    assert backoff.codes.ok == 200
    assert backoff.get is not requests.get
    with pytest.raises(AttributeError):
        _ = backoff.no_such_name


def test_a_star_import_gives_the_same_names() -> None:
    names: dict[str, Any] = {}
    exec("from importer.collector.backoff import *", names)
    assert names["get"] is backoff.get
    assert names["HTTPError"] is requests.HTTPError


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_heal_is_tried_five_times(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float], status: int
) -> None:
    vendor.fail(Answer(status), times=4)
    assert patient.get(f"{vendor.url}/api").status_code == 200
    assert pauses == [10.0, 20.0, 40.0, 80.0]


def test_after_the_last_try_there_is_no_pause_and_no_secret(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float]
) -> None:
    vendor.fail(Answer.json({"error": {"errormessage": "too busy"}}, status=503), times=None)
    with pytest.raises(requests.HTTPError) as caught:
        patient.get(f"{vendor.url}/api", params={"token_auth": "very-secret"})
    assert str(caught.value) == f"Max retries exceeded for {vendor.url}/api: HTTP 503: too busy"
    assert caught.value.response.status_code == 503
    assert caught.value.request.url.endswith("?token_auth=very-secret")
    assert (len(pauses), vendor.request_count) == (4, 5)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 501])
def test_what_will_not_heal_fails_at_once(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float], status: int
) -> None:
    vendor.fail(Answer(status, {}, b"wrong key"))
    with pytest.raises(requests.HTTPError) as caught:
        patient.post(f"{vendor.url}/api?key=secret", data={})
    assert str(caught.value) == f"{vendor.url}/api: HTTP {status}: wrong key"
    assert (pauses, vendor.request_count) == ([], 1)


@pytest.mark.parametrize("fault", [reset, cut_off(after_bytes=3)])
def test_broken_connections_are_tried_again(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float], fault: Any
) -> None:
    vendor.fail(fault)
    assert patient.post(f"{vendor.url}/api", "x").json() == {"body": "x"}
    assert pauses == [10.0]


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float]
) -> None:
    vendor.fail(never, times=None)
    with pytest.raises(requests.Timeout) as caught:
        patient.get(f"{vendor.url}/api?key=secret", timeout=(5, 0.05))
    assert str(caught.value) == f"Max retries exceeded for {vendor.url}/api: no answer within 0.05 s"
    assert len(pauses) == 4


def test_a_vendor_that_is_down_is_told_without_secrets(patient: PatientRequests, pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(requests.ConnectionError) as caught:
        patient.get(f"http://127.0.0.1:{port}/api?token_auth=secret")
    assert str(caught.value) == f"Max retries exceeded for http://127.0.0.1:{port}/api: connection refused"
    assert len(pauses) == 4


def test_a_limit_without_end_is_told_too(vendor: HttpSimulator, patient: PatientRequests, pauses: list[float]) -> None:
    vendor.fail(Answer(429, {"Req-Limit-Long": f"Remaining: 0 Time until reset: {'9' * 30}"}))
    with pytest.raises(requests.HTTPError, match=r"it asks us to wait until 1e\+30 s from now$"):
        patient.get(f"{vendor.url}/api")
    assert pauses == []


def test_an_address_that_is_none_is_not_tried_again(patient: PatientRequests, pauses: list[float]) -> None:
    with pytest.raises(requests.exceptions.MissingSchema):
        patient.get("matomo.example")
    assert pauses == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Req-Limit-Short": "Remaining: 0 Time until reset: 33"}, 33.0),
        ({"Req-Limit-Short": "Remaining: 3 Time until reset: 33"}, 10.0),
    ],
)
def test_a_limit_is_waited_for_as_long_as_it_says(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float], headers: dict[str, str], seconds: float
) -> None:
    vendor.fail(Answer(429, headers))
    patient.get(f"{vendor.url}/api")
    assert pauses == [seconds]


def test_a_limit_over_five_minutes_is_not_waited_for(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float]
) -> None:
    vendor.fail(Answer(429, {"Req-Limit-Long": "Remaining: 0 Time until reset: 3589"}))
    with pytest.raises(requests.HTTPError, match=r"HTTP 429: .*; it asks us to wait until \d{4}-\d\d-\d\dT"):
        patient.get(f"{vendor.url}/api")
    assert (pauses, vendor.request_count) == ([], 1)


def test_a_file_is_sent_whole_each_time(vendor: HttpSimulator, patient: PatientRequests) -> None:
    vendor.fail(Answer(503))
    content = io.BytesIO(b"--whole")
    content.seek(2)
    assert patient.post(f"{vendor.url}/api", data=content).json() == {"body": "whole"}
    assert [request.body for request in vendor.requests] == [b"whole", b"whole"]


def test_a_form_with_a_file_is_sent_once(vendor: HttpSimulator, patient: PatientRequests, pauses: list[float]) -> None:
    vendor.fail(Answer(503))
    with pytest.raises(requests.HTTPError, match=r"^http://\S+/api: HTTP 503"):
        patient.post(f"{vendor.url}/api", files={"file": io.BytesIO(b"content")})
    assert (pauses, vendor.request_count) == ([], 1)


class Once:
    """Three bytes that can be read once."""

    def __init__(self) -> None:
        self._parts = iter([b"abc"])

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)


def test_a_body_that_can_be_read_once_is_sent_once(
    vendor: HttpSimulator, patient: PatientRequests, pauses: list[float]
) -> None:
    vendor.fail(Answer(503))
    with pytest.raises(requests.HTTPError, match="HTTP 503"):
        patient.post(f"{vendor.url}/api", data=Once())
    assert (pauses, [request.body for request in vendor.requests]) == ([], [b"abc"])


def test_the_old_http_object_is_patient_as_well(vendor: HttpSimulator, pauses: list[float]) -> None:
    vendor.fail(Answer(502))
    answer, content = HttpWithBackoff(sleep=pauses.append).request(f"{vendor.url}/api", "POST", "x", {"X-Test": "1"})
    assert (answer.status, answer["status"], answer["content-type"]) == (200, "200", "application/json")
    assert (content, pauses) == (b'{"body": "x"}', [10.0])
    assert vendor.requests[-1].headers["x-test"] == "1"
