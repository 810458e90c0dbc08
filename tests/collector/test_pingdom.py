"""pingdom asks for the hours of a check, in UTC and whole seconds, and pushes them with what the options say."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from performanceplatform.collector import pingdom
from performanceplatform.collector.pingdom.core import Pingdom

from importer.collector.content import query_file
from importer.collector.dates import BadDates
from importer.collector.pingdom_entrypoint import EARLIEST, main, parse_time_range
from importer.errors import BadAnswer, ConfigError, SourceRefused, SourceUnavailable
from importer.simulators.base import Answer
from importer.simulators.pingdom import APP_KEY, PASSWORD, TOKEN, USER, PingdomSimulator, hour_of, over_limit
from tests.collector.vendor_world import AT_ONCE, DATA_SET, Kept, collect, golden, kept_writes, moment

START, END = moment("2013-06-15T22:00"), moment("2013-06-16T00:00")  # 1371333600 to 1371340800
SUMMARY = "*/summary.performance/*"


@pytest.fixture
def simulator() -> Iterator[PingdomSimulator]:
    with PingdomSimulator() as simulator:
        simulator.answers[102] = golden("pingdom-summary-performance")
        yield simulator


def with_password(simulator: PingdomSimulator) -> dict[str, str]:
    """Return the credentials as the sample of old had them, without account_email."""
    return {"user": USER, "password": PASSWORD, "app_key": APP_KEY, "url": simulator.url_2_0}


def with_token(simulator: PingdomSimulator) -> dict[str, str]:
    return {"token": TOKEN, "url": simulator.url_3_1}


def run(
    simulator: PingdomSimulator, *dates: datetime | None, name: str = "name with spaces", options: object = None
) -> Kept:
    return collect(main, with_token(simulator), {"name": name}, options or {}, *(dates or (START, END)))


def failing(simulator: PingdomSimulator, kind: type[Exception], name: str = "govuk") -> str:
    with pytest.raises(kind) as caught:
        run(simulator, name=name)
    return str(caught.value)


# Requests


def test_hours_are_asked_for_in_whole_seconds_utc(
    simulator: PingdomSimulator, set_time_zone: Callable[[str], None]
) -> None:
    set_time_zone("America/New_York")
    run(simulator)
    (request,) = simulator.requests_to(SUMMARY)
    assert request.path == "/api/3.1/summary.performance/102"
    assert request.query == {"includeuptime": "true", "from": "1371333600", "to": "1371340800", "resolution": "hour"}


@pytest.mark.parametrize("zone", [UTC, None])
def test_a_time_without_a_zone_is_utc(simulator: PingdomSimulator, zone: None) -> None:
    run(simulator, START.replace(tzinfo=zone), END.replace(tzinfo=zone))
    assert simulator.requests_to(SUMMARY)[0].query["from"] == "1371333600"


def test_api_2_0_needs_no_account_email(simulator: PingdomSimulator) -> None:
    kept = collect(main, with_password(simulator), {"name": "name with spaces"}, {}, START, END)
    assert len(kept.records) == 2
    assert {"account-email", "app-key"} & simulator.requests[0].headers.keys() == {"app-key"}


def test_an_account_email_is_sent_where_there_is_one(simulator: PingdomSimulator) -> None:
    simulator.account_email = "boss@example.org"
    credentials = {**with_password(simulator), "account_email": "boss@example.org"}
    assert collect(main, credentials, {"name": "name with spaces"}, {}, START, END).records


def test_the_address_may_lack_its_last_slash(simulator: PingdomSimulator) -> None:
    credentials = {"token": TOKEN, "url": simulator.url_3_1.rstrip("/")}
    assert collect(main, credentials, {"name": "name with spaces"}, {}, START, END).records


# Ranges

NOW = datetime(2026, 7, 1, 10, 20, 30, tzinfo=UTC)
THIS_HOUR = datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_without_dates_the_last_24_hours_are_asked_for() -> None:
    assert parse_time_range(None, None, now=NOW) == (THIS_HOUR - timedelta(days=1), THIS_HOUR)


def test_a_start_alone_runs_until_now() -> None:
    assert parse_time_range(moment("2026-06-01T03:59"), None, now=NOW) == (
        datetime(2026, 6, 1, 3, tzinfo=UTC),
        THIS_HOUR,
    )


def test_an_end_alone_runs_from_2005() -> None:
    assert parse_time_range(None, START, now=NOW) == (EARLIEST, START.replace(tzinfo=UTC))


def test_a_start_after_the_end_is_refused_before_anything_is_asked(simulator: PingdomSimulator) -> None:
    with pytest.raises(BadDates, match=r"Bad dates: .*2013-06-16 .*2013-06-15 "):
        run(simulator, END, START)
    assert simulator.request_count == 0


# Records


def test_the_recorded_answer_becomes_records(simulator: PingdomSimulator) -> None:
    first, second = run(simulator).records
    assert first == {
        "_id": "name_with_spaces.2013-06-15T22:00:00+00:00",
        "_timestamp": "2013-06-15T22:00:00+00:00",
        "avgresponse": 721,
        "uptime": 3065,
        "downtime": 523,
        "unmonitored": 12,
        "check": "name with spaces",
    }
    assert second["_id"] == "name_with_spaces.2013-06-15T23:00:00+00:00"


def test_what_pingdom_leaves_out_is_left_out(simulator: PingdomSimulator) -> None:
    simulator.answers[102] = {"summary": {"hours": [{"starttime": 1371333600, "avgresponse": 7}]}}
    (record,) = run(simulator).records
    assert record.keys() == {"_id", "_timestamp", "avgresponse", "check"}


def test_additional_fields_and_then_mappings_are_applied(simulator: PingdomSimulator) -> None:
    options = {
        "additionalFields": {"service": "tax-disc", "check": "not this"},
        "mappings": {"service": "slug", "avgresponse": "response_time"},
    }
    record = run(simulator, options=options).records[0]
    assert (record["slug"], record["response_time"], record["check"]) == ("tax-disc", 721, "name with spaces")
    assert {"service", "avgresponse"} & record.keys() == set()


def test_a_back_fill_is_posted_in_chunks(simulator: PingdomSimulator) -> None:
    kept = run(simulator, moment("2012-01-01"), moment("2012-01-11"), name="govuk")
    assert [len(write.content) for write in kept.writes] == [100, 100, 40]
    assert {write.method for write in kept.writes} == {"POST"}
    assert kept.records[0]["avgresponse"] == hour_of(101, 1325376000)["avgresponse"]


def test_the_size_of_chunks_is_an_option(simulator: PingdomSimulator) -> None:
    kept = run(simulator, moment("2012-01-01"), moment("2012-01-02"), name="govuk", options={"chunk-size": 10})
    assert [len(write.content) for write in kept.writes] == [10, 10, 4]


def test_no_hours_are_nothing_to_push(simulator: PingdomSimulator) -> None:
    simulator.answers[102] = {"summary": {"hours": []}}
    assert run(simulator).writes == []


# Faults


def test_a_check_that_there_is_not_is_named(simulator: PingdomSimulator) -> None:
    message = failing(simulator, BadAnswer, name="misspelt")
    assert 'no check is called "misspelt"' in message
    assert simulator.requests_to(SUMMARY) == ()


@pytest.mark.parametrize("credentials", [with_token, with_password])
def test_a_refused_login_is_told_in_pingdom_s_words_at_once(
    simulator: PingdomSimulator, credentials: Callable[[PingdomSimulator], dict[str, str]]
) -> None:
    simulator.fail(Answer.json(golden("pingdom-error-401"), status=401), times=None)
    with pytest.raises(SourceRefused) as caught:
        collect(main, credentials(simulator), {"name": "govuk"}, {})
    assert "HTTP 401: Invalid email and/or password" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (PASSWORD, TOKEN, APP_KEY))
    assert simulator.request_count == 1


def test_403_is_not_asked_again(simulator: PingdomSimulator) -> None:
    simulator.fail(Answer.json(golden("pingdom-error-401"), status=403), times=None)
    failing(simulator, SourceRefused)
    assert simulator.request_count == 1


def test_a_summary_that_fails_is_one_message_and_nothing_is_written(simulator: PingdomSimulator) -> None:
    simulator.fail(Answer.json({"error": {"errormessage": "Oops"}}, status=500), times=None, when=SUMMARY)
    message = failing(simulator, SourceUnavailable)
    assert message.startswith("pingdom: Max retries exceeded for ")
    assert message.endswith("/api/3.1/summary.performance/101: HTTP 500: Oops")
    assert len(simulator.requests_to(SUMMARY)) == 5


def test_a_limit_is_waited_for_and_then_asked_again(simulator: PingdomSimulator) -> None:
    simulator.fail(over_limit(), times=2)
    assert run(simulator).records
    assert simulator.request_count == 4


def test_a_limit_of_an_hour_is_not_waited_for(simulator: PingdomSimulator) -> None:
    simulator.fail(over_limit(reset_seconds=3589), times=None)
    message = failing(simulator, SourceUnavailable)
    assert "HTTP 429: Request limit exceeded, try again later; it asks us to wait until 20" in message
    assert simulator.request_count == 1


@pytest.mark.parametrize("answer", [[], {}, {"summary": []}, {"summary": {"hours": [{"avgresponse": 1}]}}])
def test_an_answer_of_another_kind_is_a_bad_one(simulator: PingdomSimulator, answer: object) -> None:
    simulator.answers[101] = answer
    failing(simulator, BadAnswer)


@pytest.mark.parametrize("missing", ["user", "password", "app_key"])
def test_a_missing_key_is_named_with_its_file(simulator: PingdomSimulator, missing: str) -> None:
    credentials = {**with_password(simulator), "path_to_json_file": "creds/pingdom.json"}
    del credentials[missing]
    with pytest.raises(ConfigError, match=rf"^creds/pingdom.json: {missing}: is missing"):
        collect(main, credentials, {"name": "govuk"}, {})


@pytest.mark.parametrize("options", [{"additionalFields": []}, {"mappings": []}, {"chunk-size": "many"}])
def test_a_mistake_in_the_options_is_told_before_pingdom_is_asked(
    simulator: PingdomSimulator, options: dict[str, object]
) -> None:
    (key,) = options
    with query_file("query.json"), pytest.raises(ConfigError, match=rf"^query\.json: options\.{key}: "):
        run(simulator, options=options)
    assert simulator.request_count == 0


def test_a_missing_name_of_the_check_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^query: name: is missing"):
        collect(main, {"token": TOKEN}, {}, {})


# The old client


def test_the_old_client_gives_hours_with_a_datetime(simulator: PingdomSimulator) -> None:
    stats = Pingdom(with_password(simulator)).stats("name with spaces", START, END)
    assert stats[0] == {
        "starttime": datetime(2013, 6, 15, 22, tzinfo=UTC),
        "avgresponse": 721,
        "uptime": 3065,
        "downtime": 523,
        "unmonitored": 12,
    }
    assert pingdom.convert_from_pingdom_to_performanceplatform(stats[0], "a b")["_id"].startswith("a_b.2013")


def test_the_old_function_pushes_hours_without_options(simulator: PingdomSimulator) -> None:
    stats = Pingdom(with_token(simulator)).stats("name with spaces", START, END)
    with kept_writes() as kept:
        pingdom.push_stats_to_data_set(stats, "name with spaces", DATA_SET)
    assert [record["avgresponse"] for record in kept.records] == [721, 698]


def test_the_old_client_raises_what_it_once_logged(simulator: PingdomSimulator) -> None:
    simulator.fail(Answer.json({}, status=500), times=None, when=SUMMARY)
    with pytest.raises(SourceUnavailable):
        Pingdom(with_token(simulator), retries=AT_ONCE).stats("govuk", START, END)


def test_the_old_import_path_is_the_same_entrypoint() -> None:
    assert pingdom.main is main
