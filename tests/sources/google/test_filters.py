"""Filters of Universal Analytics as those of GA4."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.sources.google.filters import parse_filters
from importer.sources.google.names import Names


def string(name: str, match: str, value: str, **more: object) -> dict[str, Any]:
    return {"filter": {"fieldName": name, "stringFilter": {"matchType": match, "value": value, **more}}}


def number(name: str, operation: str, **value: object) -> dict[str, Any]:
    return {"filter": {"fieldName": name, "numericFilter": {"operation": operation, "value": value}}}


def dimension_filter(*filters: str) -> object:
    return parse_filters(filters, Names()).dimension


def metric_filter(*filters: str) -> object:
    return parse_filters(filters, Names()).metric


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("browser==Safari", string("browser", "EXACT", "Safari")),
        ("ga:browser!=Safari", {"notExpression": string("browser", "EXACT", "Safari")}),
        ("source=~^a|b", string("sessionSource", "PARTIAL_REGEXP", "^a|b", caseSensitive=False)),
        ("source!~^a", {"notExpression": string("sessionSource", "PARTIAL_REGEXP", "^a", caseSensitive=False)}),
        ("pagePath=@/news", string("pagePath", "CONTAINS", "/news")),
        ("pagePath!@/news", {"notExpression": string("pagePath", "CONTAINS", "/news")}),
        (r"pageTitle==a\;b\,c", string("pageTitle", "EXACT", "a;b,c")),
        (r"pagePath=~\.html$", string("pagePath", "PARTIAL_REGEXP", r"\.html$", caseSensitive=False)),
        ("pagePath==/a==b", string("pagePath", "EXACT", "/a==b")),
        ("pagePath==", string("pagePath", "EXACT", "")),
    ],
)
def test_each_operator_of_dimensions(text: str, expected: object) -> None:
    assert dimension_filter(text) == expected
    assert metric_filter(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sessions==10", number("sessions", "EQUAL", int64Value="10")),
        ("ga:sessions!=10", {"notExpression": number("sessions", "EQUAL", int64Value="10")}),
        ("users>10", number("totalUsers", "GREATER_THAN", int64Value="10")),
        ("users<1.5", number("totalUsers", "LESS_THAN", doubleValue=1.5)),
        ("pageviews>=10", number("screenPageViews", "GREATER_THAN_OR_EQUAL", int64Value="10")),
        ("pageviews<=10", number("screenPageViews", "LESS_THAN_OR_EQUAL", int64Value="10")),
        ("bounceRate>50", number("bounceRate", "GREATER_THAN", doubleValue=0.5)),
    ],
)
def test_each_operator_of_metrics(text: str, expected: object) -> None:
    assert metric_filter(text) == expected
    assert dimension_filter(text) is None


def test_a_semicolon_joins_what_must_all_hold_and_a_comma_alternatives() -> None:
    a, b, c = (string(name, "EXACT", "x") for name in ("city", "country", "browser"))
    assert dimension_filter("city==x;country==x,browser==x") == {
        "andGroup": {"expressions": [a, {"orGroup": {"expressions": [b, c]}}]}
    }


def test_the_elements_of_a_list_are_alternatives() -> None:
    a, b = (string(name, "EXACT", "x") for name in ("city", "country"))
    assert dimension_filter("city==x", "country==x") == {"orGroup": {"expressions": [a, b]}}


def test_dimensions_and_metrics_go_to_their_own_filters() -> None:
    filters = parse_filters(["city==x;sessions>3"], Names())
    assert filters.dimension == string("city", "EXACT", "x")
    assert filters.metric == number("sessions", "GREATER_THAN", int64Value="3")
    assert (filters.dimension_names, filters.metric_names) == (("city",), ("sessions",))


def test_a_metric_that_the_query_asks_for_is_known_as_one() -> None:
    filters = parse_filters(["engagedSessions==3"], Names(), metrics=["ga:engagedSessions"])
    assert filters.metric == number("engagedSessions", "EQUAL", int64Value="3")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("city==x,sessions>3", "joins a metric and a dimension by a comma"),
        ("sessions=~3", "a metric is compared by"),
        ("sessions>many", "is not a number"),
        ("nothing", "is not a name, an operator"),
        ("city==x,", "is not a name, an operator"),
        ("eventCategory==x", "eventCategory: has no equivalent in GA4"),
    ],
)
def test_what_cannot_be_said_in_ga4_is_told(text: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        parse_filters([text], Names())


@given(st.text().filter(lambda text: not text.endswith("\\") and "\\;" not in text and "\\," not in text))
def test_any_value_survives_when_its_separators_are_escaped(value: str) -> None:
    escaped = value.replace(";", r"\;").replace(",", r"\,")
    assert dimension_filter(f"city=={escaped}") == string("city", "EXACT", value)
