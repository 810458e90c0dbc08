"""The old package's functions for requests, against the simulated vendor."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from importer import __version__
from importer.errors import ConfigError
from importer.leexport import request_helper
from importer.leexport.request_helper import (
    do_get_le_url,
    do_post_json_to_le,
    generate_headers,
    get_continuity_final_response,
    get_le_api_key,
    post_le_search,
)
from importer.simulators.base import Answer, HttpSimulator, reset
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator
from tests.commands import ROOT
from tests.leexport.answers import answer

STATEMENT = "where(status>=200) calculate(count)"
QUERY = {"logs": LOG, "statement": STATEMENT, "query_range": "600", "query_period": "60"}


@pytest.fixture
def vendor() -> Iterator[LogSearchSimulator]:
    with LogSearchSimulator() as simulator:
        simulator.answers[STATEMENT] = answer("timeseries")
        yield simulator


@pytest.fixture
def pauses() -> list[float]:
    """What a function slept, given `pauses.append` to sleep with."""
    return []


def auth(vendor: LogSearchSimulator) -> dict[str, Any]:
    return {"rw_api_key": API_KEY, "url": vendor.url}


def test_the_address_is_the_old_one() -> None:
    assert request_helper.QUERY_URL == "https://rest.logentries.com/query/logs/"


def test_headers_hold_the_key_and_our_name() -> None:
    assert generate_headers("secret-key") == {"x-api-key": "secret-key", "User-Agent": f"leexportpy {__version__}"}
    assert generate_headers(None) == {"User-Agent": f"leexportpy {__version__}"}


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"ro_api_key": "ro-key"}, "ro-key"),
        ({"ro_api_key": "ro-key", "rw_api_key": "rw-key"}, "rw-key"),
        ({"ro_api_key": "ro-key", "rw_api_key": ""}, "ro-key"),
        ({"x_api_key": "x-key"}, "x-key"),
        ({}, None),
    ],
)
def test_the_first_key_that_is_set_is_used(section: dict[str, str], key: str | None) -> None:
    assert get_le_api_key(section) == key


def test_a_key_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key-in-a-file\n")
    assert get_le_api_key({"rw_api_key_file": str(tmp_path / "key")}) == "key-in-a-file"
    with pytest.raises(ConfigError, match="rw_api_key_file"):
        get_le_api_key({"rw_api_key_file": str(tmp_path / "none")})


def test_a_get_returns_the_answer_whatever_its_status(vendor: LogSearchSimulator) -> None:
    response = do_get_le_url(f"{vendor.url}/validate", API_KEY, {"a": "b"})
    assert (response.status_code, response.json()) == (200, {"message": "Authorized"})
    assert vendor.requests[0].query == {"a": "b"}
    assert do_get_le_url(f"{vendor.url}/validate", "another").status_code == 401


def test_a_post_returns_the_answer_whatever_its_status(vendor: LogSearchSimulator) -> None:
    response = do_post_json_to_le(vendor.query_url, {"logs": []}, API_KEY)
    assert (response.status_code, vendor.requests[0].json()) == (400, {"logs": []})


def test_a_redirect_does_not_carry_the_key_elsewhere(vendor: LogSearchSimulator) -> None:
    with HttpSimulator() as other:
        vendor.fail(Answer(302, {"Location": f"{other.url}/validate"}), times=2)
        assert do_get_le_url(f"{vendor.url}/validate", API_KEY).status_code == 302
        assert do_post_json_to_le(vendor.query_url, {}, API_KEY).status_code == 302
        assert other.requests == ()


def test_a_search_is_posted_to_where_the_section_says(vendor: LogSearchSimulator) -> None:
    response = post_le_search({**QUERY, "logs": f"{LOG}:{LOG}"}, auth(vendor))
    assert response.json() == answer("timeseries")
    body: Any = vendor.requests[0].json()
    assert (body["logs"], body["leql"]["statement"]) == ([LOG, LOG], STATEMENT)
    assert body["leql"]["during"]["to"] - body["leql"]["during"]["from"] == 600_000
    assert vendor.requests[0].headers["x-api-key"] == API_KEY


def test_a_search_that_says_no_query_is_a_config_error(vendor: LogSearchSimulator) -> None:
    with pytest.raises(ConfigError, match=r"logs: names no log.*region"):
        post_le_search({**QUERY, "logs": ""}, {**auth(vendor), "region": "mars"})
    assert vendor.requests == ()


@pytest.mark.parametrize("status", [200, 202])
def test_a_query_under_way_is_polled_until_it_is_final(
    vendor: LogSearchSimulator, pauses: list[float], status: int
) -> None:
    vendor.polls, vendor.running_status = 3, status
    first = post_le_search(QUERY, auth(vendor))
    final = get_continuity_final_response(first, auth(vendor), sleep=pauses.append)
    assert (final.status_code, final.json()) == (200, answer("timeseries"))
    assert pauses == [1.0, 1.0]


def test_the_key_itself_does_in_place_of_the_section(vendor: LogSearchSimulator, pauses: list[float]) -> None:
    vendor.polls = 1
    final = get_continuity_final_response(post_le_search(QUERY, auth(vendor)), API_KEY, sleep=pauses.append)
    assert final.json() == answer("timeseries")


def test_an_answer_that_is_final_is_returned_and_the_next_page_not_fetched(vendor: LogSearchSimulator) -> None:
    vendor.answers[STATEMENT] = answer("events_next")
    first = post_le_search(QUERY, auth(vendor))
    assert get_continuity_final_response(first, auth(vendor)) is first
    assert vendor.request_count == 1


@pytest.mark.parametrize("fault", [Answer(503), reset])
def test_a_poll_that_fails_is_repeated(vendor: LogSearchSimulator, pauses: list[float], fault: Answer) -> None:
    vendor.polls = 1
    first = post_le_search(QUERY, auth(vendor))
    vendor.fail(fault, times=3)
    assert get_continuity_final_response(first, auth(vendor), sleep=pauses.append).json() == answer("timeseries")
    assert pauses == [0.5, 1.0, 2.0]


def test_a_limit_is_waited_for(vendor: LogSearchSimulator, pauses: list[float]) -> None:
    vendor.fail(Answer(429, {"X-RateLimit-Reset": "12"}), times=2)
    assert post_le_search(QUERY, auth(vendor), sleep=pauses.append).status_code == 200
    assert pauses == [12.0, 12.0]


def test_what_does_not_heal_is_returned_or_raised_after_four_tries(
    vendor: LogSearchSimulator, pauses: list[float]
) -> None:
    vendor.fail(Answer(500), times=4)
    assert post_le_search(QUERY, auth(vendor), sleep=pauses.append).status_code == 500
    vendor.fail(reset, times=4)
    with pytest.raises(requests.ConnectionError):
        post_le_search(QUERY, auth(vendor), sleep=pauses.append)
    assert (pauses, vendor.request_count) == ([0.5, 1.0, 2.0] * 2, 8)


def test_a_poll_that_is_refused_gives_none(vendor: LogSearchSimulator) -> None:
    vendor.polls = 2
    first = post_le_search(QUERY, auth(vendor))
    vendor.fail(Answer.json({"message": "HTTP 404 Not Found"}, status=404))
    assert get_continuity_final_response(first, auth(vendor)) is None


def test_a_query_without_end_gives_none(
    vendor: LogSearchSimulator, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_helper, "MAX_POLLS", 3)
    vendor.polls = 100
    first = post_le_search(QUERY, auth(vendor))
    assert get_continuity_final_response(first, auth(vendor), sleep=pauses.append) is None
    assert len(vendor.requests_to("/query/*:*")) == 3


def test_another_host_is_polled_without_the_key(vendor: LogSearchSimulator) -> None:
    with HttpSimulator() as other:
        other.route("GET", "/later", lambda _request: Answer.json(answer("timeseries")))
        links = [{"rel": "Self", "href": f"http://localhost:{other.port}/later"}]
        vendor.fail(Answer.json({"links": links}, status=202))
        first = post_le_search(QUERY, auth(vendor))
        assert get_continuity_final_response(first, auth(vendor)).json() == answer("timeseries")
        assert "x-api-key" not in other.requests[0].headers


def test_the_key_of_a_section_goes_to_where_the_section_says_alone(vendor: LogSearchSimulator) -> None:
    with LogSearchSimulator(api_key="another") as other:
        vendor.polls = 1
        first = post_le_search(QUERY, auth(vendor))
        assert get_continuity_final_response(first, auth(other) | {"rw_api_key": API_KEY}) is None
    assert "x-api-key" not in vendor.requests[-1].headers


def test_old_import_paths_lead_to_the_same_things_and_importing_does_nothing() -> None:
    code = """
import sys
sys.argv = ["leexportpy", "--nonsense"]
import importer, leexportpy, leexportpy.lerestresponse, leexportpy.queryresponse, leexportpy.request_helper
from importer.leexport import request_helper, response, rest_response
assert leexportpy.__version__ == importer.__version__
for old, new in (
    (leexportpy.queryresponse, response),
    (leexportpy.lerestresponse, rest_response),
    (leexportpy.request_helper, request_helper),
):
    assert all(getattr(old, name) is getattr(new, name) for name in old.__all__)
"""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'compat'}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
