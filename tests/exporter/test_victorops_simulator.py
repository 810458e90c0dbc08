"""The simulated Splunk On-Call is as strict as the vendor says that it is."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from importer.simulators.victorops import HEADERS, VictorOpsSimulator, incident
from tests.exporter.user_class.test_data_store import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> Iterator[VictorOpsSimulator]:
    later = datetime(2026, 2, 1, tzinfo=UTC)
    incidents = [
        *[incident(number) for number in range(1, 31)],
        incident(31, phase="triggered", host="web-2", begin=later),
        incident(32, phase="acknowledged", routing_key="night"),
    ]
    with VictorOpsSimulator(incidents, clock=clock) as simulator:
        yield simulator


def get(url: str, headers: dict[str, str] | None = None, **query: object) -> requests.Response:
    params: Any = query
    return requests.get(url, params=params, headers=HEADERS if headers is None else headers, timeout=10)


def numbers(response: requests.Response) -> list[int]:
    return [int(each["incidentNumber"]) for each in response.json()["incidents"]]


def test_without_a_query_the_first_twenty_resolved_ones_are_told_and_the_number_of_all(
    simulator: VictorOpsSimulator,
) -> None:
    response = get(simulator.reporting_url)
    assert numbers(response) == list(range(1, 21))
    content = response.json()
    assert (content["offset"], content["limit"], content["total"]) == (0, 20, 30)
    assert [each["name"] for each in content["incidents"][0]["transitions"]] == [
        "triggered",
        "acknowledged",
        "resolved",
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"offset": 20}, list(range(21, 31))),
        ({"offset": 5, "limit": 2}, [6, 7]),
        ({"limit": 100}, list(range(1, 31))),
        ({"currentPhase": "triggered"}, [31]),
        ({"currentPhase": "triggered,acknowledged"}, [31, 32]),
        ({"incidentNumber": "4,28:40"}, [4, 28, 29, 30]),
        ({"currentPhase": "triggered,acknowledged", "host": "web-2"}, [31]),
        ({"currentPhase": "triggered,acknowledged", "routingKey": "night"}, [32]),
        ({"currentPhase": "triggered,acknowledged", "startedAfter": "2026-01-10T00:00:00Z"}, [31]),
        ({"currentPhase": "triggered,acknowledged", "startedBefore": "2026-01-10"}, [32]),
    ],
)
def test_a_query_picks_incidents(simulator: VictorOpsSimulator, query: dict[str, object], found: list[int]) -> None:
    assert numbers(get(simulator.reporting_url, **query)) == found


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 101},
        {"limit": 0},
        {"offset": -1},
        {"currentPhase": "open"},
        {"incidentNumber": "x"},
        {"startedAfter": "yesterday"},
        {"colour": "red"},
    ],
)
def test_arguments_that_make_no_sense_are_400(simulator: VictorOpsSimulator, query: dict[str, object]) -> None:
    response = get(simulator.reporting_url, **query)
    assert response.status_code == 400
    assert response.json()["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"X-VO-Api-Id": HEADERS["X-VO-Api-Id"]}, 401), ({**HEADERS, "X-VO-Api-Key": "other"}, 403)],
)
def test_who_has_no_key_is_401_and_who_has_a_wrong_one_403(
    simulator: VictorOpsSimulator, headers: dict[str, str], status: int
) -> None:
    for url in (simulator.reporting_url, simulator.public_url):
        assert get(url, headers).status_code == status


def test_current_incidents_are_told_in_all_phases_and_without_a_limit(simulator: VictorOpsSimulator) -> None:
    simulator.is_once_a_minute = True
    for _ in range(2):
        response = get(simulator.public_url)
        assert response.json().keys() == {"incidents"}
        assert numbers(response) == list(range(1, 33))


def test_reports_are_given_once_a_minute(simulator: VictorOpsSimulator, clock: Clock) -> None:
    simulator.is_once_a_minute = True
    statuses = [get(simulator.reporting_url).status_code for _ in range(2)]
    clock.seconds += 50.5
    simulator.limit_status = 429
    late = get(simulator.reporting_url)
    clock.seconds += 9.5
    assert [*statuses, late.status_code, get(simulator.reporting_url).status_code] == [200, 403, 429, 200]
    assert late.headers["Retry-After"] == "10"


def test_it_runs_as_a_process() -> None:
    command = [sys.executable, "-m", "importer.simulators.victorops", "--port", "0", "--once-a-minute"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        responses = [get(f"{url}/api-reporting/v2/incidents") for _ in range(2)]
        process.terminate()
    assert [response.status_code for response in responses] == [200, 403]
    assert responses[0].json()["total"] == 57
    assert process.returncode == 0
