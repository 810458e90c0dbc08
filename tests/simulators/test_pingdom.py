"""The simulated Pingdom is as strict as the vendor, and its figures can be worked out beforehand."""

from collections.abc import Iterator

import pytest
import requests

from importer.simulators.pingdom import APP_KEY, LIMITS, PASSWORD, TOKEN, USER, PingdomSimulator, hour_of
from tests.collector.vendor_world import golden
from tests.simulators.http_clients import TIMEOUT_SECONDS

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PARAMETERS = {"includeuptime": "true", "from": "1371333600", "to": "1371340800", "resolution": "hour"}


@pytest.fixture
def simulator() -> Iterator[PingdomSimulator]:
    with PingdomSimulator() as simulator:
        yield simulator


def summary(simulator: PingdomSimulator, check: int = 101, **parameters: str) -> requests.Response:
    url = f"{simulator.url_3_1}summary.performance/{check}"
    return requests.get(url, params={**PARAMETERS, **parameters}, headers=BEARER, timeout=TIMEOUT_SECONDS)


def test_checks_have_the_shape_of_the_recorded_ones(simulator: PingdomSimulator) -> None:
    answer = requests.get(f"{simulator.url_3_1}checks", headers=BEARER, timeout=TIMEOUT_SECONDS)
    recorded = golden("pingdom-checks")
    given = answer.json()
    assert given["counts"] == recorded["counts"]
    assert [check["id"] for check in given["checks"]] == [check["id"] for check in recorded["checks"]]
    assert answer.headers.items() >= LIMITS.items()


def test_a_summary_has_the_hours_that_begin_in_the_window(simulator: PingdomSimulator) -> None:
    hours = summary(simulator).json()["summary"]["hours"]
    assert hours == [hour_of(101, 1371333600), hour_of(101, 1371337200)]
    recorded = golden("pingdom-summary-performance")["summary"]["hours"]
    assert hours[0].keys() == recorded[0].keys()


@pytest.mark.parametrize("parameters", [{"from": "1371333600.0"}, {"resolution": "minute"}, {"includeuptime": "1"}])
def test_parameters_of_another_kind_are_refused(simulator: PingdomSimulator, parameters: dict[str, str]) -> None:
    assert summary(simulator, **parameters).status_code == 400


def test_a_check_of_somebody_else_is_refused(simulator: PingdomSimulator) -> None:
    assert summary(simulator, 7).status_code == 403


@pytest.mark.parametrize(
    ("version", "login", "key", "status"),
    [
        ("2.0", (USER, PASSWORD), APP_KEY, 200),
        ("2.0", (USER, "wrong"), APP_KEY, 401),
        ("2.0", (USER, PASSWORD), "wrong", 401),
        ("3.1", (TOKEN, ""), "", 200),
        ("3.1", (USER, PASSWORD), APP_KEY, 401),
    ],
)
def test_who_has_no_right_login_is_refused(
    simulator: PingdomSimulator, version: str, login: tuple[str, str], key: str, status: int
) -> None:
    answer = requests.get(
        f"{simulator.url}/api/{version}/checks", auth=login, headers={"App-Key": key}, timeout=TIMEOUT_SECONDS
    )
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"].keys() == golden("pingdom-error-401")["error"].keys()
