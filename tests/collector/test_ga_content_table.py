"""A report for each set of filters, which is that of a department."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import performanceplatform.collector.ga.contrib.content.table as old_table
import pytest

from importer.collector.ga_content_table_entrypoint import department_in, joined_filters, main
from importer.errors import ConfigError, SourceError
from tests.collector.google_world import GoogleWorld, google_world
from tests.collector.vendor_world import collect, golden, moment

CONTENT: dict[str, Any] = golden("query-ga-content-table")
QUERY: dict[str, Any] = CONTENT["query"]
OPTIONS: dict[str, Any] = CONTENT["options"]
WEEK = (moment("2015-06-01"), moment("2015-06-07"))
PAGES = [{"pageTitle": title, "pageviews": "9", "uniquePageviews": views} for title, views in (("A", "8"), ("B", "5"))]


@pytest.fixture
def google(tmp_path: Path) -> Iterator[GoogleWorld]:
    with google_world(tmp_path) as world:
        world.vendor.reports[""] = PAGES
        yield world


def test_each_set_of_filters_is_asked_for_and_ranks_and_ids_are_its_own(google: GoogleWorld) -> None:
    kept = collect(main, google.v3(), QUERY, OPTIONS, moment("2015-06-01"), moment("2015-06-14"))
    filters = [request.query["filters"] for request in google.vendor.requests]
    assert filters == [f"ga:dimension9=~^<D{number}>" for number in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5)]
    assert [record["rank"] for record in kept.records] == [1, 2] * 10
    first = kept.records[0]
    assert first["humanId"] == "20150601000000_week_t_attorney-generals-office_1"
    assert (first["department"], first["uniquePageviews"]) == ("attorney-generals-office", 8)
    assert len({record["_id"] for record in kept.records}) == 20
    assert [write.method for write in kept.writes] == ["POST"]


@pytest.mark.parametrize(
    ("own", "filters", "expected"),
    [
        ([], ["dimension9=~^<D2>"], "ga:dimension9=~^<D2>"),
        ("pagePath=@/news", ["dimension9=~^<D2>"], "ga:pagePath=@/news;ga:dimension9=~^<D2>"),
        (["ga:a==1", "b==2"], ["ga:c==3", "dimension9=~^<D2>"], "ga:a==1;ga:b==2;ga:c==3;ga:dimension9=~^<D2>"),
    ],
)
def test_filters_of_query_and_set_are_one_each_prefixed_once(own: object, filters: list[str], expected: str) -> None:
    """Fault 10: `ga:` was put before what had it already, and a text in place of a list was a TypeError."""
    assert joined_filters({"filters": own}, filters) == expected


@pytest.mark.parametrize(
    ("filters", "department"),
    [
        (["dimension9=~^<D1>"], "attorney-generals-office"),
        (["pagePath=@/news", "dimension9=~^<D10><EA79>"], "department-for-work-pensions"),
        (["pagePath=~^/news", "dimension9=~^<D9999>"], "<D9999>"),
        (["pagePath=@/news", "customVarValue9=~^hm-treasury"], "hm-treasury"),
    ],
)
def test_the_department_is_that_of_the_first_filter_with_a_code(filters: list[str], department: str) -> None:
    """Fault 10: the first filter alone was looked at."""
    assert department_in(filters) == department


def test_a_set_without_a_department_is_told_before_google_is_asked(google: GoogleWorld) -> None:
    options = OPTIONS | {"filtersets": [["dimension9=~^<D1>"], ["pagePath==/news"]]}
    with pytest.raises(ConfigError, match="options: filtersets: no filter of pagePath==/news tells a department"):
        collect(main, google.v3(), QUERY, options, *WEEK)
    assert google.vendor.request_count == 0


@pytest.mark.parametrize("filter_sets", [None, "a", {}])
def test_sets_of_filters_are_required(google: GoogleWorld, filter_sets: object) -> None:
    with pytest.raises(ConfigError, match="options: filtersets: is missing; a list of lists is expected"):
        collect(main, google.v3(), QUERY, {"filtersets": filter_sets}, *WEEK)


def test_a_set_that_is_no_list_of_text_is_told(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"options.filtersets: is neither text nor a list of text"):
        collect(main, google.v3(), QUERY, {"filtersets": [[7]]}, *WEEK)


def test_additional_fields_that_are_no_object_are_told(google: GoogleWorld) -> None:
    with pytest.raises(ConfigError, match="options: additionalFields: is not an object"):
        collect(main, google.v3(), QUERY, OPTIONS | {"additionalFields": [1]}, *WEEK)


def test_neither_query_nor_options_are_changed(google: GoogleWorld) -> None:
    """Fault 10: filters and department of one set were left in them."""
    query, options = copy.deepcopy(QUERY), copy.deepcopy(OPTIONS)
    collect(main, google.v3(), query, options, *WEEK)
    assert (query, options) == (QUERY, OPTIONS)


def test_ga4_needs_the_dimension_mapped_and_then_filters_by_it(google: GoogleWorld) -> None:
    options = OPTIONS | {"filtersets": [["dimension9=~^<D1>"]]}
    query = QUERY | {"id": "properties/123", "metrics": ["pageviews"], "sort": ["-pageviews"]}
    with pytest.raises(SourceError, match="ga:dimension9: has no equivalent in GA4; map it by names"):
        collect(main, google.ga4(), query, options, *WEEK)
    google.vendor.reports[""] = [{"pageTitle": "A", "screenPageViews": "9"}]
    names = {"dimension9": "customEvent:organisation"}
    (record,) = collect(main, google.ga4(names=names), query, options, *WEEK).records
    assert (record["pageviews"], record["rank"]) == (9, 1)
    body = google.vendor.requests[-1].json()
    assert isinstance(body, dict)
    condition = {"matchType": "PARTIAL_REGEXP", "value": "^<D1>", "caseSensitive": False}
    assert body["dimensionFilter"] == {"filter": {"fieldName": "customEvent:organisation", "stringFilter": condition}}
    assert body["limit"] == "10"


def test_the_old_import_path_leads_here() -> None:
    assert old_table.main is main
