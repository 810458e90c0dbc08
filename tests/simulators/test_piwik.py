"""The simulated Piwik tells errors with status 200, and takes its token in a POST alone."""

from collections.abc import Iterator

import pytest
import requests

from importer.simulators.piwik import TOKEN, PiwikSimulator
from tests.collector.vendor_world import golden
from tests.simulators.http_clients import TIMEOUT_SECONDS

FORM = {"module": "API", "format": "json", "token_auth": TOKEN, "idSite": "9"}
GOALS = {**FORM, "method": "Goals.get", "period": "week", "date": "2015-05-25,2015-05-31"}
COUNTERS = {**FORM, "method": "Live.getCounters", "lastMinutes": "2"}


@pytest.fixture
def simulator() -> Iterator[PiwikSimulator]:
    with PiwikSimulator() as simulator:
        yield simulator


def post(simulator: PiwikSimulator, form: dict[str, str], query: str = "") -> requests.Response:
    return requests.post(simulator.index_url + query, data=form, timeout=TIMEOUT_SECONDS)


def test_a_right_request_is_answered(simulator: PiwikSimulator) -> None:
    assert post(simulator, GOALS).json()["From 2015-05-25 to 2015-05-31"]["nb_conversions"] == 791
    assert post(simulator, COUNTERS).json() == golden("piwik_realtime")


@pytest.mark.parametrize(
    ("form", "query"),
    [
        ({**GOALS, "token_auth": "wrong"}, ""),
        ({**GOALS, "idSite": "1"}, ""),
        ({**GOALS, "module": "CoreHome"}, ""),
        ({**GOALS, "method": "Goals.give"}, ""),
        ({**GOALS, "period": "weekly"}, ""),
        ({**GOALS, "date": "25/05/2015"}, ""),
        ({**COUNTERS, "lastMinutes": "two"}, ""),
        (GOALS, f"?token_auth={TOKEN}"),
    ],
)
def test_a_wrong_one_is_an_error_with_status_200(simulator: PiwikSimulator, form: dict[str, str], query: str) -> None:
    answer = post(simulator, form, query)
    assert answer.status_code == 200
    assert answer.json().keys() == golden("piwik-error").keys()
