"""piwik.realtime pushes how many visitors a site has now."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from performanceplatform.collector.piwik import realtime

from importer.collector.piwik_realtime_entrypoint import Parser, main
from importer.errors import BadAnswer, ImporterError
from importer.simulators.piwik import TOKEN, PiwikSimulator
from tests.collector.vendor_world import collect, golden, moment

QUERY = golden("query-piwik-realtime")["query"]


@pytest.fixture
def simulator() -> Iterator[PiwikSimulator]:
    with PiwikSimulator() as simulator:
        yield simulator


def credentials(simulator: PiwikSimulator) -> dict[str, str]:
    return {"token_auth": TOKEN, "url": simulator.index_url}


def test_the_counters_of_the_last_minutes_are_asked_for(simulator: PiwikSimulator) -> None:
    collect(main, credentials(simulator), QUERY, {})
    (request,) = simulator.requests
    assert request.form["lastMinutes"] == "1"
    assert {"period", "date"} & request.form.keys() == set()


@pytest.mark.parametrize(("minutes", "asked"), [(5, "5"), (None, "2")])
def test_the_minutes_may_be_a_number_and_are_two_by_default(
    simulator: PiwikSimulator, minutes: int | None, asked: str
) -> None:
    collect(main, credentials(simulator), {**QUERY, "minutes": minutes}, {})
    assert simulator.requests[0].form["lastMinutes"] == asked


def test_one_record_is_pushed_as_a_list(simulator: PiwikSimulator) -> None:
    kept = collect(main, credentials(simulator), QUERY, {})
    (write,) = kept.writes
    (record,) = kept.records
    assert (write.method, record["unique_visitors"], record["for_url"]) == ("POST", 53, "")
    assert record["_id"] == record["_timestamp"]


def test_the_record_is_of_now_to_the_second() -> None:
    parser = Parser(clock=lambda: datetime(2014, 1, 7, 10, 20, 57, 999, tzinfo=UTC))
    (record,) = parser.parse(golden("piwik_realtime"))
    assert record["_timestamp"] == "2014-01-07T10:20:57+00:00"


@pytest.mark.parametrize("answer", [[], {}, [{}], [{"visitors": "many"}], [{"visitors": True}], [7]])
def test_an_answer_without_a_number_is_a_bad_one(answer: object) -> None:
    with pytest.raises(BadAnswer):
        Parser().parse(answer)


@pytest.mark.parametrize("dates", [("2015-01-01", None), (None, "2015-01-01")])
def test_there_is_no_back_fill(simulator: PiwikSimulator, dates: tuple[str | None, str | None]) -> None:
    with pytest.raises(ImporterError, match=r"^Cannot backfill realtime collectors$"):
        collect(main, credentials(simulator), QUERY, {}, *(date and moment(date) for date in dates))
    assert simulator.request_count == 0


def test_the_old_import_path_is_the_same_entrypoint(simulator: PiwikSimulator) -> None:
    assert realtime.main is main
    assert realtime.Fetcher(credentials(simulator), QUERY).fetch() == golden("piwik_realtime")
