"""The simulated Webtrends wants a login, periods as the vendor writes them, and JSON."""

from collections.abc import Iterator

import pytest
import requests

from importer.simulators.webtrends import PASSWORD, REPORT, USER, WebtrendsSimulator
from tests.simulators.http_clients import TIMEOUT_SECONDS

DAY = {"start_period": "2014m08d03", "end_period": "2014m08d03", "format": "json"}
HOUR = {"start_period": "current_hour-1", "end_period": "current_hour-1", "format": "json", "userealtime": "True"}


@pytest.fixture
def simulator() -> Iterator[WebtrendsSimulator]:
    with WebtrendsSimulator() as simulator:
        yield simulator


def status(url: str, parameters: dict[str, str], password: str = PASSWORD) -> int:
    return requests.get(url, params=parameters, auth=(USER, password), timeout=TIMEOUT_SECONDS).status_code


def test_right_requests_are_answered(simulator: WebtrendsSimulator) -> None:
    assert status(f"{simulator.reports_url}{REPORT}", DAY) == 200
    assert status(simulator.keymetrics_url, HOUR) == 200


@pytest.mark.parametrize("change", [{"format": "xml"}, {"start_period": "2014-08-03"}, {"end_period": "2014m13d01"}])
def test_wrong_parameters_are_refused(simulator: WebtrendsSimulator, change: dict[str, str]) -> None:
    assert status(f"{simulator.reports_url}{REPORT}", {**DAY, **change}) == 400
    assert status(simulator.keymetrics_url, {**HOUR, **change}) == 400


def test_key_metrics_want_to_be_of_real_time(simulator: WebtrendsSimulator) -> None:
    assert status(simulator.keymetrics_url, {**HOUR, "userealtime": "true"}) == 400


def test_a_wrong_password_and_an_unknown_report_are_refused(simulator: WebtrendsSimulator) -> None:
    assert status(simulator.keymetrics_url, HOUR, "wrong") == 401
    assert status(f"{simulator.reports_url}other", DAY) == 404
