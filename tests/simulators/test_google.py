"""The simulated Google wants tokens, and knows its own ids, names and limits."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from importer.simulators.google import GoogleSimulator
from importer.simulators.google_tokens import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from tests.collector.vendor_world import golden
from tests.simulators.http_clients import TIMEOUT_SECONDS

TOKEN = "ya29.example"
CORE = {"ids": "ga:123", "start-date": "2015-06-01", "end-date": "2015-06-07", "metrics": "ga:sessions"}
REPORT: dict[str, Any] = {
    "dateRanges": [{"startDate": "2015-06-01", "endDate": "2015-06-07"}],
    "metrics": [{"name": "sessions"}],
    "limit": "10",
    "offset": "0",
}
REFRESH = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}


@pytest.fixture
def simulator() -> Iterator[GoogleSimulator]:
    with GoogleSimulator(access_token=TOKEN) as simulator:
        simulator.reports[""] = [{"sessions": "300"}, {"sessions": "100"}]
        yield simulator


def core(simulator: GoogleSimulator, query: dict[str, str], token: str = TOKEN) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{simulator.v3_url}data/ga", params=query, headers=headers, timeout=TIMEOUT_SECONDS)


def report(simulator: GoogleSimulator, body: object, call: str = "123:runReport") -> requests.Response:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{simulator.url}/v1beta/properties/{call}"
    return requests.post(url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)


def refresh(simulator: GoogleSimulator, form: dict[str, str]) -> requests.Response:
    return requests.post(simulator.token_uri, data=form, timeout=TIMEOUT_SECONDS)


def test_right_questions_are_answered(simulator: GoogleSimulator) -> None:
    assert core(simulator, CORE).json()["rows"] == [["300"], ["100"]]
    assert report(simulator, REPORT).json()["rowCount"] == 2


def test_a_link_leads_to_the_next_page_as_long_as_there_is_one(simulator: GoogleSimulator) -> None:
    simulator.page_rows = 1
    assert "start-index=2" in core(simulator, CORE).json()["nextLink"]
    assert "nextLink" not in core(simulator, CORE | {"start-index": "2"}).json()


@pytest.mark.parametrize(
    ("change", "status"),
    [({"ids": "ga:7"}, 403), ({"ids": "123"}, 403), ({"metrics": "sessions"}, 400), ({"metrics": "ga:x"}, 400)],
)
def test_a_wrong_question_to_v3_is_an_error(simulator: GoogleSimulator, change: dict[str, str], status: int) -> None:
    answer = core(simulator, CORE | change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert answer.json()["error"].keys() == golden("ga-v3-error-403-rate")["error"].keys()


@pytest.mark.parametrize(
    "change", [{"limit": "250001"}, {"limit": "0"}, {"dateRanges": []}, {"metrics": [{"name": "x"}]}]
)
def test_a_wrong_question_to_ga4_is_an_error(simulator: GoogleSimulator, change: dict[str, Any]) -> None:
    assert report(simulator, REPORT | change).status_code == 400


@pytest.mark.parametrize(("call", "status"), [("7:runReport", 403), ("123:runPivotReport", 404)])
def test_other_properties_and_methods_are_not_known(simulator: GoogleSimulator, call: str, status: int) -> None:
    answer = report(simulator, REPORT, call)
    assert answer.status_code == status
    assert answer.json()["error"].keys() == golden("ga4-error-403")["error"].keys()


def test_another_token_is_refused(simulator: GoogleSimulator) -> None:
    assert core(simulator, CORE, token="another").status_code == 401


def test_a_new_token_takes_the_place_of_the_old_one(simulator: GoogleSimulator) -> None:
    answer = refresh(simulator, {"grant_type": "refresh_token", **REFRESH}).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)
    assert core(simulator, CORE, token=answer["access_token"]).status_code == 200
    assert core(simulator, CORE).status_code == 401


@pytest.mark.parametrize(
    "change",
    [{"grant_type": "password"}, {"client_secret": "wrong"}, {"refresh_token": "old"}],
)
def test_a_wrong_grant_is_refused(simulator: GoogleSimulator, change: dict[str, str]) -> None:
    answer = refresh(simulator, {"grant_type": "refresh_token", **REFRESH, **change})
    assert answer.status_code == 400
    assert answer.json().keys() == golden("google-token-error").keys()
