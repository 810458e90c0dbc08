"""Which API is asked, and about which property."""

from typing import Any

import pytest

from importer.errors import SourceError
from tests.collector.google_world import WEEK, GoogleWorld


def asked(google: GoogleWorld, credentials: dict[str, object], view: object, **options: Any) -> str:
    """Ask for sessions, and return the path that was asked for."""
    list(google.client(credentials).query.get(view, *WEEK, ["sessions"], **options))  # type: ignore[arg-type]
    return google.vendor.requests[-1].path


def test_a_property_is_one_of_ga4(google: GoogleWorld) -> None:
    assert asked(google, google.ga4(), "properties/123") == "/v1beta/properties/123:runReport"


@pytest.mark.parametrize("view", ["ga:12345678", "12345678", ["12345678"]])
def test_an_old_view_may_be_mapped_to_a_property(google: GoogleWorld, view: object) -> None:
    credentials = google.ga4(PROPERTIES={"ga:12345678": "properties/123"})
    assert asked(google, credentials, view) == "/v1beta/properties/123:runReport"


def test_a_view_that_is_not_among_the_properties_is_told(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"query.id: ga:7 is not among PROPERTIES of the credentials; add it there"):
        asked(google, google.ga4(PROPERTIES={"ga:12345678": "properties/123"}), "7")
    assert google.vendor.request_count == 0


def test_the_credentials_may_say_that_ga4_is_meant(google: GoogleWorld) -> None:
    assert asked(google, google.ga4(api="ga4"), "123") == "/v1beta/properties/123:runReport"


def test_the_query_may_say_that_ga4_is_meant(google: GoogleWorld) -> None:
    assert asked(google, google.ga4(), "123", api="ga4") == "/v1beta/properties/123:runReport"


def test_the_query_may_say_that_v3_is_meant(google: GoogleWorld) -> None:
    credentials = google.v3(PROPERTIES={"ga:123": "properties/123"})
    assert asked(google, credentials, "123", api="v3") == "/analytics/v3/data/ga"


def test_any_other_view_is_asked_for_by_v3(google: GoogleWorld) -> None:
    assert asked(google, google.v3(), "ga:123") == "/analytics/v3/data/ga"


def test_the_last_slash_of_an_address_may_be_left_out(google: GoogleWorld) -> None:
    assert asked(google, google.credentials(url=google.vendor.v3_url.rstrip("/")), "123") == "/analytics/v3/data/ga"
    assert asked(google, google.credentials(url=f"{google.vendor.url}/"), "properties/123").startswith("/v1beta/")


@pytest.mark.parametrize("view", ["properties/x", "", ["1", "2"]])
def test_an_id_that_is_none_is_told(google: GoogleWorld, view: object) -> None:
    with pytest.raises(SourceError, match=r"query.id: .*properties/123"):
        asked(google, google.ga4(), view)


def test_a_query_without_metrics_is_told(google: GoogleWorld) -> None:
    with pytest.raises(SourceError, match=r"query.metrics: is missing"):
        google.client(google.v3()).query.get("123", *WEEK, [])


@pytest.mark.parametrize("key", ["dimensions", "filters", "sort"])
def test_what_is_neither_text_nor_a_list_of_text_is_told(google: GoogleWorld, key: str) -> None:
    wrong: dict[str, Any] = {key: {"a": 1}}
    with pytest.raises(SourceError, match=rf"query.{key}: is neither text nor a list of text"):
        google.client(google.v3()).query.get("123", *WEEK, ["sessions"], **wrong)
