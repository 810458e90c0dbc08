"""piwik.core asks a method of the Reporting API for periods, by POST, and pushes what the mappings name."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from performanceplatform.collector import piwik
from performanceplatform.collector.piwik import core

from importer.collector.dates import BadDates
from importer.collector.periods import a_day_ago
from importer.collector.piwik_entrypoint import Fetcher, Parser, main
from importer.errors import BadAnswer, ConfigError, ImporterError, SourceError, SourceRefused, SourceUnavailable
from importer.simulators.base import BROKEN_JSON, Answer, reset
from importer.simulators.piwik import TOKEN, PiwikSimulator
from tests.collector.vendor_world import AT_ONCE, Kept, collect, golden, moment

QUERY = {"site_id": "7", "api_method": "DevicesDetection.getBrowsers"}
OPTIONS = {
    "mappings": {"nb_visits": "sessions", "label": "browser"},
    "idMapping": ["dataType", "_timestamp", "timeSpan", "browser"],
}
DAILY, WEEKLY, MONTHLY = (f"piwik_browser_count_{name}" for name in ("daily", "weekly", "monthly"))


@pytest.fixture
def simulator() -> Iterator[PiwikSimulator]:
    with PiwikSimulator() as simulator:
        simulator.answers[QUERY["api_method"]] = golden(WEEKLY)
        yield simulator


def credentials(simulator: PiwikSimulator) -> dict[str, str]:
    return {"token_auth": TOKEN, "url": simulator.index_url}


def run(
    simulator: PiwikSimulator,
    *dates: datetime | None,
    query: dict[str, object] | None = None,
    options: dict[str, object] | None = None,
) -> Kept:
    return collect(main, credentials(simulator), {**QUERY, **(query or {})}, options or OPTIONS, *dates)


def form_of(simulator: PiwikSimulator) -> dict[str, str]:
    return simulator.requests[-1].form


def parsed(
    name: str, *, query: dict[str, object] | None = None, options: dict[str, object] | None = None
) -> list[dict[str, Any]]:
    return Parser(query or {}, OPTIONS if options is None else options, "t").parse(golden(name))


# Requests


def test_the_token_and_all_parameters_are_posted_and_none_is_in_the_address(simulator: PiwikSimulator) -> None:
    run(simulator)
    (request,) = simulator.requests
    assert (request.method, request.target) == ("POST", "/index.php")
    assert request.form == {
        "module": "API",
        "method": "DevicesDetection.getBrowsers",
        "idSite": "7",
        "format": "json",
        "token_auth": TOKEN,
        "period": "week",
        "date": "previous1",
    }


@pytest.mark.parametrize(("frequency", "period"), [("daily", "day"), ("weekly", "week"), ("monthly", "month")])
def test_the_frequency_is_piwik_s_period(simulator: PiwikSimulator, frequency: str, period: str) -> None:
    run(simulator, query={"frequency": frequency})
    assert form_of(simulator)["period"] == period


def test_both_dates_are_asked_for_in_one_request(simulator: PiwikSimulator) -> None:
    run(simulator, moment("2015-01-21"), moment("2015-02-22T13:00"))
    assert form_of(simulator)["date"] == "2015-01-21,2015-02-22"
    assert simulator.request_count == 1


def test_a_start_alone_runs_to_yesterday(simulator: PiwikSimulator) -> None:
    run(simulator, moment("2015-01-21"), None)
    assert form_of(simulator)["date"] == f"2015-01-21,{a_day_ago()}"


def test_an_end_alone_is_the_period_of_that_day(simulator: PiwikSimulator) -> None:
    run(simulator, None, moment("2015-01-21"))
    assert form_of(simulator)["date"] == "2015-01-21,2015-01-21"


def test_dates_in_the_wrong_order_are_refused_before_anything_is_asked(simulator: PiwikSimulator) -> None:
    with pytest.raises(BadDates):
        run(simulator, moment("2015-01-22"), moment("2015-01-21"))
    assert simulator.request_count == 0


def test_arguments_of_the_method_win(simulator: PiwikSimulator) -> None:
    arguments = {"idGoal": 3, "date": "today", "flat": True, "columns": ["nb_visits", "label"]}
    run(simulator, query={"api_method_arguments": arguments})
    expected = {"idGoal": "3", "date": "today", "flat": "1", "columns": "nb_visits,label"}
    assert form_of(simulator).items() >= expected.items()


# Records


def test_a_row_becomes_a_record_of_what_the_mappings_name(simulator: PiwikSimulator) -> None:
    records = run(simulator).records
    assert len(records) == 4
    assert records[0].keys() == {"_id", "_timestamp", "browser", "dataType", "humanId", "sessions", "timeSpan"}
    assert records[0]["humanId"] == "t2015-02-02 00:00:00+00:00weekChrome"
    assert (records[0]["sessions"], records[2]["_timestamp"]) == (5634, datetime(2015, 2, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        (DAILY, datetime(2015, 2, 13, tzinfo=UTC)),
        (WEEKLY, datetime(2015, 2, 2, tzinfo=UTC)),
        (MONTHLY, datetime(2015, 2, 1, tzinfo=UTC)),
    ],
)
def test_the_time_is_the_first_date_of_the_key(name: str, start: datetime) -> None:
    assert parsed(name)[0]["_timestamp"] == start


@pytest.mark.parametrize(("query", "span"), [({}, "week"), ({"frequency": "daily"}, "day")])
def test_the_time_span_is_that_of_the_frequency(query: dict[str, object], span: str) -> None:
    assert parsed(DAILY, query=query)[0]["timeSpan"] == span


def test_the_recorded_query_for_goals_gives_records(simulator: PiwikSimulator) -> None:
    file = golden("query-piwik-goals")
    simulator.answers["Goals.get"] = golden("piwik_goal_completion_weekly")
    records = collect(main, credentials(simulator), file["query"], file["options"]).records
    assert [(record["bookingconverted"], record["count"]) for record in records] == [(735, 735), (730, 730)]
    assert records[0]["event_type"] == "stage"
    assert form_of(simulator)["idGoal"] == "3"


def test_a_field_that_a_row_lacks_is_left_out(simulator: PiwikSimulator) -> None:
    simulator.answers[QUERY["api_method"]] = {"2015-02-13": [{"label": "Chrome"}, {"label": "Lynx", "nb_visits": 1}]}
    first, second = run(simulator).records
    assert "sessions" not in first
    assert second["sessions"] == 1


def test_without_mappings_all_fields_that_a_record_can_hold_are_taken(simulator: PiwikSimulator) -> None:
    row = {"label": "Chrome", "nb_visits": 3, "subtable": [{"label": "41"}]}
    simulator.answers[QUERY["api_method"]] = {"2015-02-13": [row]}
    (record,) = run(simulator, options={"idMapping": ["label"]}).records
    assert (record["label"], record["nb_visits"], "subtable" in record) == ("Chrome", 3, False)


def test_mappings_are_one_step() -> None:
    (record,) = Parser({}, {"mappings": {"a": "b", "b": "c"}}, "t").parse({"2015-02-13": {"a": 1, "b": 2}})
    assert (record["b"], record["c"]) == (1, 2)


@pytest.mark.parametrize("answer", [golden("piwik-day-without-data"), [], {}])
def test_a_day_without_data_is_nothing_to_push(simulator: PiwikSimulator, answer: object) -> None:
    simulator.answers[QUERY["api_method"]] = answer
    assert run(simulator).writes == []


# Faults


def test_an_error_told_with_status_200_is_one_with_piwik_s_text(simulator: PiwikSimulator) -> None:
    simulator.fail(Answer.json(golden("piwik-error")))
    with pytest.raises(BadAnswer) as caught:
        run(simulator)
    assert str(caught.value) == f"piwik: {golden('piwik-error')['message']}"


@pytest.mark.parametrize(
    "answer", [Answer.json({"message": "no"}, status=403), Answer.json({}, status=404), BROKEN_JSON, Answer.json("x")]
)
def test_no_failure_shows_the_token_and_none_of_these_is_asked_again(simulator: PiwikSimulator, answer: Answer) -> None:
    simulator.fail(answer, times=None)
    with pytest.raises(SourceError) as caught:
        run(simulator)
    assert TOKEN not in str(caught.value)
    assert simulator.request_count == 1


def test_a_text_of_piwik_that_repeats_the_token_is_shown_without_it(simulator: PiwikSimulator) -> None:
    simulator.fail(Answer.json({"result": "error", "message": f"token {TOKEN} is unknown"}))
    with pytest.raises(BadAnswer, match=r"token \*\*\* is unknown"):
        run(simulator)


@pytest.mark.parametrize("fault", [reset, Answer.json({}, status=502)])
def test_piwik_that_is_down_is_asked_five_times(simulator: PiwikSimulator, fault: Answer) -> None:
    simulator.fail(fault, times=None)
    with pytest.raises(SourceUnavailable, match="Max retries exceeded for") as caught:
        run(simulator)
    assert TOKEN not in str(caught.value)
    assert simulator.request_count == 5


def test_a_refusal_is_one() -> None:
    with PiwikSimulator() as simulator:
        simulator.fail(Answer.json({}, status=401))
        with pytest.raises(SourceRefused, match="HTTP 401: Unauthorized"):
            Fetcher(credentials(simulator), QUERY, None, None, retries=AT_ONCE).fetch()


@pytest.mark.parametrize("answer", [[{"a": 1}], {"total": {"a": 1}}, {"2015-02": 7}, {"2015-13": {"a": 1}}])
def test_an_answer_of_another_kind_is_a_bad_one(simulator: PiwikSimulator, answer: object) -> None:
    simulator.answers[QUERY["api_method"]] = answer
    with pytest.raises(BadAnswer):
        run(simulator)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"site_id": None}, "query: site_id: is empty"),
        ({"api_method": None}, "query: api_method: is empty"),
        ({"frequency": "hourly"}, 'query: frequency: "hourly" is not one of daily, weekly, monthly'),
        ({"api_method_arguments": "idGoal=3"}, "query: api_method_arguments: is not an object"),
    ],
)
def test_a_mistake_in_the_query_is_named(query: dict[str, object], message: str) -> None:
    with PiwikSimulator() as simulator:
        with pytest.raises(ConfigError) as caught:
            run(simulator, query=query)
        assert str(caught.value).startswith(message)
        assert simulator.request_count == 0


@pytest.mark.parametrize("options", [{"mappings": []}, {"idMapping": 7}, {"plugins": ["rm()"]}, {"chunk-size": -1}])
def test_a_mistake_in_the_options_is_told_before_piwik_is_asked(
    simulator: PiwikSimulator, options: dict[str, object]
) -> None:
    with pytest.raises(ImporterError):
        run(simulator, options=options)
    assert simulator.request_count == 0


def test_a_token_may_be_in_a_file(simulator: PiwikSimulator, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    file = {"url": simulator.index_url, "token_auth_file": "token", "path_to_json_file": str(tmp_path / "piwik.json")}
    assert collect(main, file, QUERY, OPTIONS).records


def test_the_site_may_be_a_number(simulator: PiwikSimulator) -> None:
    assert run(simulator, query={"site_id": 7}).records


# Old import paths


def test_the_old_import_paths_are_the_same_entrypoint() -> None:
    assert piwik.main is core.main is main


def test_the_old_fetcher_gives_piwik_s_answer(simulator: PiwikSimulator) -> None:
    assert core.Fetcher(credentials(simulator), QUERY, None, None).fetch() == golden(WEEKLY)


def test_the_old_parser_finds_the_first_day_of_a_key() -> None:
    assert core.Parser.to_datetime("From 2015-02-09 to 2015-02-15") == datetime(2015, 2, 9, tzinfo=UTC)
