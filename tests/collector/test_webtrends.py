"""webtrends asks for key metrics or for a report, and pushes a record for each row."""

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
from performanceplatform.collector import webtrends
from performanceplatform.collector.webtrends import keymetrics, reports

from importer.collector import webtrends_entrypoint
from importer.collector import webtrends_key_metrics_entrypoint as key_metrics_entrypoint
from importer.collector import webtrends_reports_entrypoint as reports_entrypoint
from importer.collector.dates import BadDates, first_and_last_day
from importer.errors import BadAnswer, ConfigError, SourceRefused, SourceUnavailable
from importer.simulators.base import Answer
from importer.simulators.webtrends import PASSWORD, REPORT, USER, WebtrendsSimulator
from tests.collector.vendor_world import Kept, collect, golden, moment

KEY_METRICS_OPTIONS = golden("query-webtrends-keymetrics")["options"]
REPORT_FILE = golden("query-webtrends-reports")
ROWS = {"a": {"measures": {"Visits": 1}}}


@pytest.fixture
def simulator() -> Iterator[WebtrendsSimulator]:
    with WebtrendsSimulator() as simulator:
        simulator.key_metrics = golden("webtrends-keymetrics-v2")
        simulator.reports[REPORT] = golden("webtrends-reports-v2")
        yield simulator


def credentials(simulator: WebtrendsSimulator, **more: str) -> dict[str, str]:
    addresses = {"reports_url": simulator.reports_url, "keymetrics_url": simulator.keymetrics_url}
    return {"user": USER, "password": PASSWORD, **addresses, **more}


def run_key_metrics(simulator: WebtrendsSimulator, *dates: datetime | None, **more: str) -> Kept:
    main = key_metrics_entrypoint.main
    return collect(main, credentials(simulator, **more), {}, KEY_METRICS_OPTIONS, *dates)


def run_report(simulator: WebtrendsSimulator, *dates: datetime | None, **more: str) -> Kept:
    main = reports_entrypoint.main
    return collect(main, credentials(simulator, **more), REPORT_FILE["query"], REPORT_FILE["options"], *dates)


def periods(simulator: WebtrendsSimulator) -> list[tuple[str, str]]:
    return [(request.query["start_period"], request.query["end_period"]) for request in simulator.requests]


# Requests


def test_key_metrics_are_those_of_the_last_hour(simulator: WebtrendsSimulator) -> None:
    run_key_metrics(simulator)
    (request,) = simulator.requests
    assert request.query == {
        "start_period": "current_hour-1",
        "end_period": "current_hour-1",
        "format": "json",
        "userealtime": "True",
    }


def test_key_metrics_of_many_days_are_one_request(simulator: WebtrendsSimulator) -> None:
    run_key_metrics(simulator, moment("2014-08-03"), moment("2014-08-05T10:00"))
    assert periods(simulator) == [("2014m08d03", "2014m08d05")]


def test_a_report_is_that_of_yesterday(simulator: WebtrendsSimulator) -> None:
    run_report(simulator)
    (request,) = simulator.requests
    assert request.path.endswith(f"/reports/{REPORT}")
    assert request.query == {"start_period": "current_day-1", "end_period": "current_day-1", "format": "json"}


def test_each_day_of_a_report_is_a_request(simulator: WebtrendsSimulator) -> None:
    run_report(simulator, moment("2014-07-31"), moment("2014-08-02"))
    assert periods(simulator) == [(day, day) for day in ("2014m07d31", "2014m08d01", "2014m08d02")]


def test_a_start_alone_runs_to_yesterday() -> None:
    days = first_and_last_day(moment("2014-08-03"), None, yesterday=lambda: date(2014, 8, 9))
    assert days == (date(2014, 8, 3), date(2014, 8, 9))


@pytest.mark.parametrize("run", [run_key_metrics, run_report])
def test_an_end_alone_is_that_day(simulator: WebtrendsSimulator, run: Callable[..., Kept]) -> None:
    run(simulator, None, moment("2014-08-03"))
    assert periods(simulator) == [("2014m08d03", "2014m08d03")]


@pytest.mark.parametrize("run", [run_key_metrics, run_report])
def test_dates_in_the_wrong_order_are_refused(simulator: WebtrendsSimulator, run: Callable[..., Kept]) -> None:
    with pytest.raises(BadDates):
        run(simulator, moment("2014-08-04"), moment("2014-08-03"))
    assert simulator.request_count == 0


# Records


def test_key_metrics_of_v2_are_records_by_hour_without_hours_that_have_none(simulator: WebtrendsSimulator) -> None:
    first, second = run_key_metrics(simulator).records
    assert first["_timestamp"] == datetime(2014, 10, 30, 12, tzinfo=UTC)
    assert (first["page_views"], first["sessions"], first["page_views_per_session"]) == (19.0, 2.0, 9.5)
    assert first["humanId"] == "t2014-10-30 12:00:00+00:00"
    assert "timeSpan" not in first
    assert second["_timestamp"] == datetime(2014, 10, 30, 13, tzinfo=UTC)


def test_key_metrics_of_v3_are_records_by_profile(simulator: WebtrendsSimulator) -> None:
    simulator.key_metrics = golden("webtrends-keymetrics-v3")
    (record,) = run_key_metrics(simulator, api_version="v3").records
    assert record["_timestamp"] == datetime(2015, 3, 26, tzinfo=UTC)
    assert (record["PageViews"], record["sessions"]) == (96971613, 44331856)


def test_a_report_of_v2_is_records_by_name(simulator: WebtrendsSimulator) -> None:
    records = run_report(simulator).records
    assert [(record["device"], record["sessions"]) for record in records] == [("Mozilla", 1.0), ("Google Chrome", 18.0)]
    assert records[0]["_timestamp"] == datetime(2014, 10, 14, tzinfo=UTC)
    assert records[0]["timeSpan"] == "week"


def test_a_report_of_v3_is_records_by_name_of_every_element(simulator: WebtrendsSimulator) -> None:
    answer = golden("webtrends-reports-v3")
    answer["data"][0]["SubRows"].append({"Lynx": {"measures": {"Visits": 1, "Hits": 2}, "SubRows": None}})
    simulator.reports[REPORT] = answer
    records = run_report(simulator, api_version="v3").records
    found = {record["device"]: (record["sessions"], record["Hits"]) for record in records}
    assert (found["Android Browser"], found["Lynx"]) == ((3862240, 9983638), (1, 2))
    assert len(records) == sum(map(len, answer["data"][0]["SubRows"]))
    assert {record["_timestamp"] for record in records} == {datetime(2015, 3, 1, tzinfo=UTC)}


@pytest.mark.parametrize("sub_rows", [None, {}, {"10/30/2014 12": None}])
def test_no_rows_are_nothing_to_push(simulator: WebtrendsSimulator, sub_rows: object) -> None:
    simulator.key_metrics = {"data": {"10/30/2014 12-10/30/2014 12": {"SubRows": sub_rows}}}
    assert run_key_metrics(simulator).writes == []


def test_the_query_of_the_caller_is_left_as_it_was(simulator: WebtrendsSimulator) -> None:
    before = copy.deepcopy(REPORT_FILE)
    run_report(simulator)
    assert before == REPORT_FILE


# Faults


@pytest.mark.parametrize("run", [run_key_metrics, run_report])
def test_a_refused_login_is_told_once_without_the_password(
    simulator: WebtrendsSimulator, run: Callable[..., Kept]
) -> None:
    with pytest.raises(SourceRefused) as caught:
        run(simulator, password="wrong-password")
    assert str(caught.value).endswith("HTTP 401: Authorization has been denied for this request.")
    assert simulator.request_count == 1


@pytest.mark.parametrize("run", [run_key_metrics, run_report])
def test_webtrends_that_is_down_is_asked_five_times(simulator: WebtrendsSimulator, run: Callable[..., Kept]) -> None:
    simulator.fail(Answer.json({}, status=503), times=None)
    with pytest.raises(SourceUnavailable, match="Max retries exceeded for"):
        run(simulator)
    assert simulator.request_count == 5


def test_a_day_that_fails_leaves_nothing_written(simulator: WebtrendsSimulator) -> None:
    simulator.fail(Answer.json({"Message": "no such day"}, status=400), when=lambda request: "m08d02" in request.target)
    with pytest.raises(BadAnswer, match="HTTP 400: no such day"):
        run_report(simulator, moment("2014-08-01"), moment("2014-08-03"))


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(
    "data",
    [
        7,
        "",
        {"x": 1},
        [1],
        {"x": {"SubRows": 7}},
        [{"start_date": 7, "SubRows": ROWS}],
        [{"start_date": "x", "SubRows": ROWS}],
    ],
)
def test_an_answer_of_another_kind_is_a_bad_one(simulator: WebtrendsSimulator, data: object, version: str) -> None:
    simulator.key_metrics = simulator.reports[REPORT] = {"data": data}
    with pytest.raises(BadAnswer):
        run_key_metrics(simulator, api_version=version)
    with pytest.raises(BadAnswer):
        run_report(simulator, api_version=version)


def test_an_answer_without_data_is_a_bad_one(simulator: WebtrendsSimulator) -> None:
    simulator.key_metrics = {"definition": {}}
    with pytest.raises(BadAnswer, match='holds no "data"'):
        run_key_metrics(simulator)


def test_the_name_of_a_row_s_field_is_needed_before_anything_is_asked(simulator: WebtrendsSimulator) -> None:
    with pytest.raises(ConfigError, match=r"^options: row_type_name: is missing"):
        collect(reports_entrypoint.main, credentials(simulator), REPORT_FILE["query"], {})
    assert simulator.request_count == 0


def test_a_mistake_in_the_options_is_told_before_webtrends_is_asked(simulator: WebtrendsSimulator) -> None:
    for options in ({"mappings": []}, {"chunk-size": "many"}):
        with pytest.raises(ConfigError):
            collect(key_metrics_entrypoint.main, credentials(simulator), {}, options)
    assert simulator.request_count == 0


def test_an_address_that_is_none_is_named(simulator: WebtrendsSimulator) -> None:
    with pytest.raises(ConfigError, match=r"^credentials: keymetrics_url: "):
        run_key_metrics(simulator, keymetrics_url="some service specific url")


# The choice, and old import paths


def test_a_query_with_a_report_asks_for_that(simulator: WebtrendsSimulator) -> None:
    main = webtrends_entrypoint.main
    assert collect(main, credentials(simulator), REPORT_FILE["query"], REPORT_FILE["options"]).records[0]["device"]
    assert "/reports/" in simulator.requests[0].path


def test_a_query_without_a_report_asks_for_key_metrics(simulator: WebtrendsSimulator) -> None:
    collect(webtrends_entrypoint.main, credentials(simulator), {}, KEY_METRICS_OPTIONS)
    assert "/Keymetrics/" in simulator.requests[0].path


def test_the_old_import_paths_are_the_same_entrypoints() -> None:
    assert webtrends.main is webtrends_entrypoint.main
    assert (keymetrics.main, reports.main) == (key_metrics_entrypoint.main, reports_entrypoint.main)


def test_the_old_collectors_and_parsers_work_apart(simulator: WebtrendsSimulator) -> None:
    data = keymetrics.Collector(credentials(simulator), {}, None, None).collect()
    assert data == [golden("webtrends-keymetrics-v2")["data"]]
    assert len(keymetrics.V2Parser(KEY_METRICS_OPTIONS, "t").parse(data)) == 2
    report = [golden("webtrends-reports-v3")["data"]]
    assert reports.V3Parser(REPORT_FILE["options"], "t").parse(report)[0]["device"] == "Android Browser"
