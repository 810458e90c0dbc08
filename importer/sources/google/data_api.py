"""The Data API v1beta of GA4.

https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/properties/runReport and
.../runRealtimeReport, checked on 2026-11-28.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation

from importer.errors import BadAnswer, SourceError
from importer.sources.google.api import Answer, GoogleApi
from importer.sources.google.filters import Filters, parse_filters
from importer.sources.google.names import PERCENT, SOURCE, Names
from importer.sources.google.question import Question, Row, limited

PAGE_ROWS = 10_000
MAX_PAGE_ROWS = 250_000
REALTIME_MINUTES = {"startMinutesAgo": 4, "endMinutesAgo": 0}
"""The five minutes that an active visitor of v3 was seen in."""
REALTIME_DIMENSIONS = (
    "appVersion",
    "audienceId",
    "audienceName",
    "audienceResourceName",
    "city",
    "cityId",
    "country",
    "countryId",
    "deviceCategory",
    "eventName",
    "minutesAgo",
    "platform",
    "streamId",
    "streamName",
    "unifiedScreenName",
)
"""What realtime reports can be filtered by, beside custom dimensions of users."""


class DataApi:
    """Asks GA4; `on_request` is called with the property before each request for a report."""

    def __init__(self, api: GoogleApi, *, on_request: Callable[[str], None]) -> None:
        self._api = api
        self._on_request = on_request

    def rows(self, question: Question, names: Names) -> Iterator[Row]:
        """Yield the rows of a report, page by page, under the names of the question; raises SourceError."""
        return limited(question, self._rows(question, names))

    def active_users(self, property_name: str, filters: Sequence[str], names: Names) -> int:
        """Return how many users were active in the last five minutes; raises SourceError."""
        body = realtime_request(filters, names)
        answer = self._api.ask("POST", f"/v1beta/{property_name}:runRealtimeReport", json=body)
        rows = [_values(row, "metricValues") for row in _rows_in(answer)]
        try:
            return sum(int(row[0]) for row in rows)
        except (ValueError, IndexError) as error:
            raise BadAnswer(SOURCE, "the realtime answer holds no whole number of active users") from error

    def _rows(self, question: Question, names: Names) -> Iterator[Row]:
        report = Report(question, names)
        received = 0
        while True:
            self._on_request(question.id)
            body = report.request(offset=received)
            answer = self._api.ask("POST", f"/v1beta/{question.id}:runReport", json=body)
            rows = _rows_in(answer)
            yield from map(report.row, rows)
            received += len(rows)
            total = answer.get("rowCount", 0)
            if not rows or not isinstance(total, int) or received >= total or not question.wants_more(received):
                return


class Report:
    """One question in the words of GA4."""

    def __init__(self, question: Question, names: Names) -> None:
        """Raise SourceError for what GA4 cannot be asked."""
        if question.segment:
            raise SourceError(SOURCE, "query.segment: has no equivalent in GA4; say it by filters, or take it away")
        self._question = question
        self._names = names
        self._dimensions = [names.translate(name) for name in question.dimensions]
        self._metrics = [names.translate(name) for name in question.metrics]
        self._filters = parse_filters(question.filters, names, metrics=question.metrics)
        self._orders = [self._order(name) for name in question.sort]
        self._columns = list(dict.fromkeys(self._metrics))
        self._dimension_columns = list(dict.fromkeys(self._dimensions))

    def request(self, *, offset: int) -> dict[str, object]:
        """Return the body that asks for the rows from this one on."""
        limit = self._question.max_results
        page = PAGE_ROWS if limit is None else min(limit - offset, MAX_PAGE_ROWS)
        body: dict[str, object] = {
            "dateRanges": [
                {"startDate": self._question.start.isoformat(), "endDate": self._question.end.isoformat()},
            ],
            "dimensions": [{"name": name} for name in self._dimension_columns],
            "metrics": [*({"name": name} for name in self._columns), *self._unseen_metrics()],
            **_filter_fields(self._filters),
            "orderBys": self._orders,
            "limit": str(page),
            "offset": str(offset),
        }
        return {key: value for key, value in body.items() if value}

    def row(self, row: Answer) -> Row:
        """Return a row of an answer; raises BadAnswer."""
        dimensions, metrics = _values(row, "dimensionValues"), _values(row, "metricValues")
        try:
            return self._question.row(
                [dimensions[self._dimension_columns.index(name)] for name in self._dimensions],
                [_delivered(name, metrics[self._columns.index(name)]) for name in self._metrics],
            )
        except IndexError as error:
            raise BadAnswer(SOURCE, "a row of the answer has fewer values than were asked for") from error

    def _unseen_metrics(self) -> list[dict[str, object]]:
        """Return the metrics that are filtered or sorted by alone: GA4 wants them among the metrics too."""
        sorted_by = [self._names.translate(name.removeprefix("-")) for name in self._question.sort]
        metrics_sorted_by = [name for name, order in zip(sorted_by, self._orders, strict=True) if "metric" in order]
        unseen = dict.fromkeys([*self._filters.metric_names, *metrics_sorted_by])
        return [{"name": name, "invisible": True} for name in unseen if name not in self._columns]

    def _order(self, name: str) -> dict[str, object]:
        field = self._names.translate(name.removeprefix("-"))
        is_metric = field in self._metrics or self._names.is_metric(name.removeprefix("-"))
        order: dict[str, object] = (
            {"metric": {"metricName": field}} if is_metric else {"dimension": {"dimensionName": field}}
        )
        return {**order, "desc": True} if name.startswith("-") else order


def realtime_request(filters: Sequence[str], names: Names) -> dict[str, object]:
    """Return the body that asks for the active users; raises SourceError for filters that realtime reports lack."""
    parsed = parse_filters(filters, names)
    for field in (*parsed.dimension_names, *parsed.metric_names):
        if field not in REALTIME_DIMENSIONS and not field.startswith("customUser:"):
            known = ", ".join(REALTIME_DIMENSIONS)
            raise SourceError(SOURCE, f"query.filters: GA4 has no {field} in realtime; it can filter by {known}")
    return {
        "metrics": [{"name": "activeUsers"}],
        "minuteRanges": [REALTIME_MINUTES],
        **_filter_fields(parsed),
    }


def _filter_fields(filters: Filters) -> dict[str, object]:
    fields = {"dimensionFilter": filters.dimension, "metricFilter": filters.metric}
    return {key: value for key, value in fields.items() if value}


def _rows_in(answer: Answer) -> list[Answer]:
    rows = answer.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadAnswer(SOURCE, "the answer's rows are not objects")
    return rows


def _values(row: Answer, key: str) -> list[str]:
    values = row.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise BadAnswer(SOURCE, f"{key} of a row is not a list of objects")
    return [str(value.get("value", "")) for value in values]


def _delivered(name: str, text: str) -> str:
    if name != PERCENT:
        return text
    try:
        return f"{Decimal(text) * 100:f}"
    except InvalidOperation:
        return text  # whoever reads it as a number says what is wrong
