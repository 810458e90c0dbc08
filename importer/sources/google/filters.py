r"""Filters as Universal Analytics writes them, as GA4's filter expressions.

`;` joins groups of which all must hold, `,` the terms of a group of which one must; `\;` and `\,` stand for themselves
(https://developers.google.com/analytics/devguides/reporting/core/v3/reference#filters, as it was).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from importer.errors import SourceError
from importer.sources.google.names import PERCENT, SOURCE, Names, bare

Expression = dict[str, object]
"""A FilterExpression of the Data API."""

_TERM = re.compile(r"(?P<name>[\w:]+?)(?P<operator>==|!=|=~|!~|=@|!@|>=|<=|>|<)(?P<value>.*)", re.S)
_AND = re.compile(r"(?<!\\);")
_OR = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"\\([;,])")
_WHOLE = re.compile(r"-?[0-9]{1,18}")

_MATCHES = {"==": "EXACT", "!=": "EXACT", "=~": "PARTIAL_REGEXP", "!~": "PARTIAL_REGEXP", "=@": "CONTAINS"}
_MATCHES["!@"] = _MATCHES["=@"]
_COMPARISONS = {
    "==": "EQUAL",
    "!=": "EQUAL",
    ">": "GREATER_THAN",
    "<": "LESS_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "<=": "LESS_THAN_OR_EQUAL",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a request says to filter by."""

    dimension: Expression | None = None
    metric: Expression | None = None
    metric_names: tuple[str, ...] = ()
    """GA4 names of the metrics that are filtered by."""
    dimension_names: tuple[str, ...] = ()
    """GA4 names of the dimensions that are filtered by."""


@dataclass(frozen=True, slots=True)
class _Term:
    name: str
    operator: str
    value: str
    field: str
    """The GA4 name."""
    is_metric: bool


def parse_filters(filters: Sequence[str], names: Names, *, metrics: Collection[str] = ()) -> Filters:
    """Return the filters of a query; its elements are alternatives, as those of v3 are.

    `metrics` are the names that the query gives for metrics. Raises SourceError for what cannot be said in GA4.
    """
    known = {bare(name) for name in metrics}
    text = ",".join(filters)
    groups = [[_parse_term(term, names, known) for term in _OR.split(group)] for group in _AND.split(text) if group]
    if any(len({term.is_metric for term in group}) > 1 for group in groups):
        raise SourceError(
            SOURCE, f"filters: {text}: joins a metric and a dimension by a comma; join them by a semicolon"
        )
    dimension = [group for group in groups if not group[0].is_metric]
    metric = [group for group in groups if group[0].is_metric]
    return Filters(_joined(dimension), _joined(metric), _fields(metric), _fields(dimension))


def _parse_term(text: str, names: Names, metrics: Collection[str]) -> _Term:
    found = _TERM.fullmatch(text)
    if found is None:
        what = "is not a name, an operator (== != =~ !~ =@ !@ > < >= <=) and a value"
        raise SourceError(SOURCE, f"filters: {text!r} {what}")
    name, operator = found["name"], found["operator"]
    is_metric = operator not in _MATCHES or bare(name) in metrics or names.is_metric(name)
    if is_metric and operator not in _COMPARISONS:
        raise SourceError(SOURCE, f"filters: {text!r}: a metric is compared by == != > < >= <=")
    return _Term(name, operator, _ESCAPED.sub(r"\1", found["value"]), names.translate(name), is_metric)


def _fields(groups: Sequence[Sequence[_Term]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(term.field for group in groups for term in group))


def _joined(groups: Sequence[Sequence[_Term]]) -> Expression | None:
    if not groups:
        return None
    return _group("andGroup", [_group("orGroup", [_expression(term) for term in group]) for group in groups])


def _group(kind: str, expressions: list[Expression]) -> Expression:
    return expressions[0] if len(expressions) == 1 else {kind: {"expressions": expressions}}


def _expression(term: _Term) -> Expression:
    condition = _numeric(term) if term.is_metric else _string(term)
    expression: Expression = {"filter": {"fieldName": term.field, **condition}}
    return {"notExpression": expression} if term.operator.startswith("!") else expression


def _string(term: _Term) -> Expression:
    condition: Expression = {"matchType": _MATCHES[term.operator], "value": term.value}
    if condition["matchType"] == "PARTIAL_REGEXP":
        condition["caseSensitive"] = False
    return {"stringFilter": condition}


def _numeric(term: _Term) -> Expression:
    return {"numericFilter": {"operation": _COMPARISONS[term.operator], "value": _number(term)}}


def _number(term: _Term) -> Expression:
    try:
        value = float(term.value)
    except ValueError:
        raise SourceError(SOURCE, f"filters: {term.name}: {term.value!r} is not a number") from None
    if term.field == PERCENT:
        return {"doubleValue": value / 100}
    return {"int64Value": term.value} if _WHOLE.fullmatch(term.value) else {"doubleValue": value}
