"""The simulated Log Search is as strict as the vendor says that it is, and its figures can be worked out beforehand."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from importer.simulators.http_wire import Answer
from importer.simulators.log_search import API_KEY, LOG, MAX_KEPT_QUERIES, LogSearchSimulator, Question, final_answer
from tests.leexport.answers import answer
from tests.simulators.http_clients import TIMEOUT_SECONDS

COUNT = "where(status>=200) calculate(count)"
START_MS, END_MS = 1549383600000, 1549384200000
OTHER_LOG = "f9c6e2c1-ac7a-4a29-8faa-a8d70f96df70"
HEADERS = {"x-api-key": API_KEY}


@pytest.fixture
def simulator() -> Iterator[LogSearchSimulator]:
    with LogSearchSimulator(clock=lambda: END_MS / 1000) as simulator:
        yield simulator


def body(statement: str = COUNT, *, logs: object = (LOG,), during: object = None) -> dict[str, Any]:
    window = {"from": START_MS, "to": END_MS} if during is None else during
    return {"logs": logs, "leql": {"during": window, "statement": statement}}


def post(simulator: LogSearchSimulator, content: object, *, key: str = API_KEY) -> requests.Response:
    return requests.post(simulator.query_url, json=content, headers={"x-api-key": key}, timeout=TIMEOUT_SECONDS)


def get(url: str, *, key: str = API_KEY) -> requests.Response:
    return requests.get(url, headers={"x-api-key": key}, timeout=TIMEOUT_SECONDS)


def statistics_of(simulator: LogSearchSimulator, statement: str) -> dict[str, Any]:
    found: dict[str, Any] = post(simulator, body(statement)).json()["statistics"]
    return found


# Figures


def test_an_answer_has_the_shape_of_the_recorded_ones(simulator: LogSearchSimulator) -> None:
    given = post(simulator, body()).json()
    recorded = answer("timeseries")
    assert given.keys() == recorded.keys()
    assert given["statistics"].keys() == recorded["statistics"].keys()
    assert (given["logs"], given["leql"]) == (recorded["logs"], recorded["leql"])


def test_the_same_question_has_the_same_figures_everywhere(simulator: LogSearchSimulator) -> None:
    first, second = (post(simulator, body()).json() for _ in range(2))
    assert first == second == final_answer(Question((LOG,), COUNT, START_MS, END_MS))


def test_a_count_over_time_adds_up(simulator: LogSearchSimulator) -> None:
    statistics = statistics_of(simulator, COUNT)
    values = [point["count"] for point in statistics["timeseries"]["global_timeseries"]]
    assert len(set(values)) > 3
    assert all(value > 0 for value in values)
    assert statistics["count"] == statistics["stats"]["global_timeseries"]["count"] == sum(values)


def test_another_calculation_has_values_of_its_name_alone(simulator: LogSearchSimulator) -> None:
    statistics = statistics_of(simulator, "where(status) calculate(average:duration)")
    assert statistics["type"] == "average"
    assert {name for point in statistics["timeseries"]["global_timeseries"] for name in point} == {"average"}


def test_groups_have_eight_values_each_that_are_the_same(simulator: LogSearchSimulator) -> None:
    statistics = statistics_of(simulator, "where(status) groupby(status) calculate(count)")
    recorded = answer("groups")["statistics"]["groups"]
    assert [list(group) for group in statistics["groups"]] == [["200"], ["301"], ["404"], ["500"]]
    assert statistics["groups"][0]["200"].keys() == recorded[0]["200"].keys()
    assert len(set(statistics["groups"][0]["200"].values())) == 1
    assert (statistics["timeseries"], statistics["stats"]) == ({}, {})


def test_several_fields_give_groups_inside_of_groups(simulator: LogSearchSimulator) -> None:
    statistics = statistics_of(simulator, "where(status>=500) groupby(host, path)")
    inner = statistics["groups"][0]["web-1"]["groups"]
    assert [list(group) for group in inner] == [["/"], ["/basket"], ["/München"]]


def test_a_statement_that_calculates_nothing_gives_a_page_of_events(simulator: LogSearchSimulator) -> None:
    given = post(simulator, body("where(/GET/)")).json()
    assert given.keys() == answer("events_next").keys()
    assert given["events"][0].keys() <= answer("events_next")["events"][0].keys()
    assert [link["rel"] for link in given["links"]] == ["Next"]


def test_what_is_to_be_answered_can_be_fixed(simulator: LogSearchSimulator) -> None:
    simulator.answers = {COUNT: answer("timeseries"), "where(b)": Answer.json({"message": "no"}, status=400)}
    assert post(simulator, body()).json() == answer("timeseries")
    assert post(simulator, body("where(b)")).status_code == 400


@pytest.mark.parametrize(
    ("words", "seconds"), [("Last 24 Hours", 86_400), ("last 1 day", 86_400), ("Last 10 minutes", 600)]
)
def test_a_range_in_words_ends_now(simulator: LogSearchSimulator, words: str, seconds: int) -> None:
    given = post(simulator, body(during={"time_range": words})).json()
    assert given["leql"]["during"] == {"from": END_MS - seconds * 1000, "to": END_MS}


# Polls


@pytest.mark.parametrize("status", [200, 202])
def test_a_query_can_take_some_polls(simulator: LogSearchSimulator, status: int) -> None:
    simulator.polls, simulator.running_status = 2, status
    first = post(simulator, body())
    href = first.json()["links"][0]["href"]
    second, third, again = get(href), get(href), get(href)
    assert [response.status_code for response in (first, second, third, again)] == [status, status, 200, 200]
    assert [response.json().get("progress") for response in (first, second, third)] == [0, 50, None]
    assert third.json() == again.json() == final_answer(Question((LOG,), COUNT, START_MS, END_MS))


def test_a_query_under_way_has_the_shape_of_the_recorded_ones(simulator: LogSearchSimulator) -> None:
    simulator.polls = 1
    given, recorded = post(simulator, body()).json(), answer("running_202")
    assert given.keys() == recorded.keys()
    assert given["partial"].keys() == recorded["partial"].keys()
    assert given["links"][0]["rel"] == "Self"
    assert given["links"][0]["href"] == f"{simulator.url}/query/{given['id']}?log_keys={LOG}"


def test_an_unknown_query_is_not_found(simulator: LogSearchSimulator) -> None:
    response = get(f"{simulator.url}/query/{LOG}:1:43e3")
    assert (response.status_code, response.json()) == (404, {"message": "HTTP 404 Not Found"})


def test_old_queries_expire(simulator: LogSearchSimulator) -> None:
    simulator.polls = 1
    with requests.Session() as session:
        hrefs = [
            session.post(simulator.query_url, json=body(), headers=HEADERS, timeout=TIMEOUT_SECONDS).json()["links"][0]
            for _ in range(MAX_KEPT_QUERIES + 1)
        ]
    assert [get(hrefs[index]["href"]).status_code for index in (0, 1)] == [404, 200]


# What is refused


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {**body(), "per_page": 50},
        {"logs": [LOG], "leql": {**body()["leql"], "more": 1}},
        body(logs=[]),
        body(logs=LOG),
        body(logs=[LOG, 1]),
        body(during={"from": START_MS, "to": str(END_MS)}),
        body(during={"from": START_MS, "to": END_MS / 7}),
        body(during={"from": END_MS, "to": END_MS}),
        body(during={"from": False, "to": True}),
        body(during={"from": START_MS, "to": END_MS, "time_range": "Last 24 Hours"}),
        body(during={"time_range": "yesterday"}),
        body(during={}),
    ],
)
def test_a_body_with_other_members_is_refused(simulator: LogSearchSimulator, content: object) -> None:
    response = post(simulator, content)
    assert response.status_code == 400
    assert response.json()["message"]


@pytest.mark.parametrize("statement", ["", "status", "where(a calculate(count)", "where(a))"])
def test_a_statement_that_is_no_leql_is_refused(simulator: LogSearchSimulator, statement: str) -> None:
    response = post(simulator, body(statement))
    expected = {"errorCode": "301003", "message": "Invalid LEQL statement"}
    assert (response.status_code, response.json()) == (400, expected)


@pytest.mark.parametrize("statement", ['where(a=")")', "where(/\\)/) calculate(count)", "where(a) groupby(b)"])
def test_parentheses_in_quotes_need_no_partner(simulator: LogSearchSimulator, statement: str) -> None:
    assert post(simulator, body(statement)).status_code == 200


def test_a_body_that_is_no_json_or_does_not_say_so_is_refused(simulator: LogSearchSimulator) -> None:
    for headers, status in (({"Content-Type": "application/json"}, 400), ({}, 415)):
        response = requests.post(simulator.query_url, data=b"{", headers=HEADERS | headers, timeout=TIMEOUT_SECONDS)
        assert response.status_code == status


@pytest.mark.parametrize("path", ["/validate", "/query/logs/" + LOG, "/query/1"])
def test_a_wrong_key_is_refused_everywhere(simulator: LogSearchSimulator, path: str) -> None:
    response = get(simulator.url + path, key="another")
    assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})
    assert post(simulator, body(), key="another").status_code == 401


@pytest.mark.parametrize("log", ["not-a-uuid", "00000000-0000-0000-0000-000000000000", f"{LOG}:{LOG}"])
def test_an_unknown_log_is_not_found(simulator: LogSearchSimulator, log: str) -> None:
    assert post(simulator, body(logs=[LOG, log])).status_code == 404


def test_which_logs_there_are_can_be_set(simulator: LogSearchSimulator) -> None:
    simulator.logs = [LOG]
    assert post(simulator, body(logs=[LOG])).status_code == 200
    assert post(simulator, body(logs=[LOG, OTHER_LOG])).status_code == 404
    assert get(f"{simulator.query_url}{OTHER_LOG}").status_code == 404


def test_a_query_can_be_asked_by_its_address_alone(simulator: LogSearchSimulator) -> None:
    parameters = f"query=where(a)%20calculate(count)&from={START_MS}&to={END_MS}"
    response = get(f"{simulator.query_url}{LOG}:{OTHER_LOG}?{parameters}")
    assert response.json() == final_answer(Question((LOG, OTHER_LOG), "where(a) calculate(count)", START_MS, END_MS))
    assert get(f"{simulator.query_url}{LOG}?query=where(a)").status_code == 400


def test_the_platform_has_another_path_and_checks_keys() -> None:
    with LogSearchSimulator(base_path="/log_search") as simulator:
        assert simulator.query_url == f"{simulator.url}/log_search/query/logs/"
        assert post(simulator, body()).status_code == 200
        assert get(f"{simulator.url}/validate").json() == {"message": "Authorized"}


def test_as_a_process_it_tells_its_url() -> None:
    command = [sys.executable, "-m", "importer.simulators.log_search", "--port", "0", "--polls", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        response = requests.post(f"{url}/query/logs/", json=body(), headers=HEADERS, timeout=TIMEOUT_SECONDS)
        process.terminate()
        assert response.status_code == 202
        assert process.wait(TIMEOUT_SECONDS) == 0
