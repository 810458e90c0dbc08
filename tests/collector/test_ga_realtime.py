"""Who is on a site now, as one record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import performanceplatform.collector.ga.realtime as old_realtime
import pytest

from importer.collector.ga_realtime_entrypoint import main
from importer.collector.outlet import Write
from importer.errors import BadAnswer, ImporterError, SourceError
from importer.simulators.base import Answer
from tests.collector.google_world import GoogleWorld, google_world
from tests.collector.vendor_world import AT_ONCE, DATA_SET, collect, golden, kept_writes, moment

NOW = datetime(2014, 1, 7, 11, 20, 57, 123456, tzinfo=UTC)
QUERY = {"ids": "ga:123", "metrics": "ga:activeVisitors", "filters": "ga:pagePath==/account"}


@pytest.fixture
def google(tmp_path: Path) -> Iterator[GoogleWorld]:
    with google_world(tmp_path) as world:
        yield world


def test_one_object_is_posted_with_the_present_second_as_its_id(google: GoogleWorld) -> None:
    google.vendor.fail(Answer.json(golden("ga-v3-realtime-response")))
    with kept_writes() as kept:
        main(google.v3(), DATA_SET, QUERY, {}, None, None, retries=AT_ONCE, clock=lambda: NOW)
    record = {
        "_timestamp": "2014-01-07T11:20:57+00:00",
        "_id": "2014-01-07T11:20:57+00:00",
        "unique_visitors": 20459,
        "for_url": "ga:pagePath==/account",
    }
    assert kept.writes == [Write("POST", record)]


def test_the_query_is_the_set_of_parameters_as_it_is(google: GoogleWorld) -> None:
    collect(main, google.v3(), QUERY | {"sort": ["-rt:activeUsers", "rt:country"]}, {})
    (request,) = google.vendor.requests
    assert request.path == "/analytics/v3/data/realtime"
    assert request.query == QUERY | {"sort": "-rt:activeUsers,rt:country"}


def test_nobody_there_is_0_and_no_filter_is_an_empty_text(google: GoogleWorld) -> None:
    (write,) = collect(main, google.v3(), {"ids": "ga:123", "metrics": "rt:activeUsers"}, {}).writes
    assert isinstance(write.content, dict)
    assert (write.content["unique_visitors"], write.content["for_url"]) == (0, "")
    written = datetime.fromisoformat(write.content["_timestamp"])
    assert timedelta(0) <= datetime.now(UTC) - written < timedelta(minutes=2)


def test_with_dimensions_the_metric_is_summed(google: GoogleWorld) -> None:
    """Fault 21: the first column of the first row was taken for the number, whatever it was."""
    google.vendor.reports[""] = [
        {"country": "Norway", "activeUsers": "3"},
        {"country": "Wales", "activeUsers": "4"},
    ]
    query = {"ids": "ga:123", "metrics": "rt:activeUsers", "dimensions": "rt:country"}
    (write,) = collect(main, google.v3(), query, {}).writes
    assert isinstance(write.content, dict)
    assert write.content["unique_visitors"] == 7


def test_an_answer_without_a_number_is_an_error(google: GoogleWorld) -> None:
    google.vendor.fail(Answer.json({"rows": [["many"]]}))
    with pytest.raises(BadAnswer, match="no whole number"):
        collect(main, google.v3(), QUERY, {})


def test_ga4_counts_the_last_five_minutes(google: GoogleWorld) -> None:
    google.vendor.active_users = 57
    credentials = google.ga4(PROPERTIES={"ga:123": "properties/123"})
    (write,) = collect(main, credentials, {"ids": "ga:123", "metrics": "ga:activeVisitors"}, {}).writes
    assert isinstance(write.content, dict)
    assert write.content["unique_visitors"] == 57
    assert google.vendor.requests[0].json() == {
        "metrics": [{"name": "activeUsers"}],
        "minuteRanges": [{"startMinutesAgo": 4, "endMinutesAgo": 0}],
    }


def test_a_path_that_ga4_cannot_filter_by_is_told_rather_than_everybody_counted(google: GoogleWorld) -> None:
    with kept_writes() as kept, pytest.raises(SourceError, match="GA4 has no pagePath in realtime"):
        main(google.ga4(api="ga4"), DATA_SET, QUERY, {}, None, None, retries=AT_ONCE)
    assert (kept.writes, google.vendor.request_count) == ([], 0)


@pytest.mark.parametrize("dates", [(moment("2015-06-01"), None), (None, moment("2015-06-01"))])
def test_the_past_cannot_be_asked_for(google: GoogleWorld, dates: tuple[object, object]) -> None:
    with pytest.raises(ImporterError, match=r"^Cannot backfill realtime collectors$"):
        collect(main, google.v3(), QUERY, {}, *dates)
    assert google.vendor.request_count == 0


def test_a_query_without_a_view_is_told(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"query.ids: is missing"):
        collect(main, google.v3(), {"metrics": "rt:activeUsers"}, {})


def test_the_old_import_path_leads_here() -> None:
    assert old_realtime.main is main
