"""ga: a report of Google Analytics for each day, week or month, as records."""

import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import date, datetime
from typing import Any, Protocol

from importer.collector.content import reader_of, text_or_number
from importer.collector.documents import DataParser
from importer.collector.outlet import DataSetConfig
from importer.collector.periods import period_range, time_span
from importer.collector.pusher import Pusher
from importer.collector.statsd import client_of
from importer.collector.vendor import RETRIES
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.sources.google.account import APIS, load_account
from importer.sources.google.client import GoogleClient
from importer.sources.google.names import SOURCE, bare
from importer.sources.google.question import Row

logger = logging.getLogger(__name__)

FREQUENCY = "weekly"
DURATION = "avgSessionDuration"
"""Seconds with Google, milliseconds in records."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Reports(Protocol):
    """What gives the rows of a report: `GoogleClient.query`, or a user's own."""

    def get(self, *arguments: Any, **options: Any) -> Iterable[Mapping[str, Any]]:
        """Return the rows; the arguments are those of `importer.sources.google.client.QueryClient.get`."""


class Client(Protocol):
    """What `query_documents_for` asks."""

    @property
    def query(self) -> Reports:
        """Return what gives the rows of a report."""


def create_client(credentials: Mapping[str, object], *, retries: RetryPolicy = RETRIES) -> GoogleClient:
    """Return a client of the account that a credentials file describes; raises ConfigError."""
    account = load_account(reader_of(credentials, "credentials"))
    return GoogleClient(account, on_request=track_ga_api_usage, retries=retries)


def track_ga_api_usage(view: str) -> None:
    """Count a request about a view or a property."""
    client_of().incr(f"ga.core.{re.sub(r'[:/]', '', view)}.count")


def query_ga(client: Client, config: Mapping[str, object], start_date: date, end_date: date) -> Iterable[Row]:
    """Return the rows of one period; raises ConfigError for a query that cannot be asked, and SourceError."""
    logger.info("Querying GA for data in the period: %s - %s", start_date, end_date)
    keys = reader_of(config, "query")
    view = text_or_number(keys, "id").removeprefix("ga:")
    if not keys.value("metrics"):
        keys.problem("metrics", 'is missing; a list of names is expected, such as ["sessions"]')
    max_results = keys.integer("maxResults", 0, minimum=0, accept_text=True)
    segment = keys.text("segment", None)
    extra = {"api": keys.choice("api", APIS, ""), "names": keys.mapping_of_text("names", {})}
    keys.finish(refuse_unknown=False)
    rows: Any = client.query.get(
        view,
        start_date,
        end_date,
        config["metrics"],
        config.get("dimensions"),
        config.get("filters"),
        max_results or None,
        config.get("sort") or None,
        segment,
        **{name: value for name, value in extra.items() if value},
    )
    return rows  # type: ignore[no-any-return]


def query_for_range(
    client: Client, query: Mapping[str, object], range_start: date | None, range_end: date | None
) -> Iterator[Row]:
    """Return the rows of all periods; raises ValueError as `period_range` does, and while they are read SourceError."""
    periods = period_range(range_start, range_end, _frequency(query))
    return (row for first, last in periods for row in query_ga(client, query, first, last))


def query_documents_for(  # noqa: PLR0917 - the order in which custom collectors give them
    client: Client,
    query: Mapping[str, object],
    options: Mapping[str, object],
    data_type: str,
    start_date: date | None,
    end_date: date | None,
) -> list[dict[str, Any]]:
    """Return the records of all periods from start to end; plug-ins are applied to one period after the other.

    Raises ImporterError, and ValueError for dates in the wrong order and for a frequency that is none, before
    anything is asked.
    """
    frequency = _frequency(query)
    periods = period_range(start_date, end_date, frequency)
    DataParser([], options, data_type)  # options that are wrong are told before Google is asked
    documents: list[dict[str, Any]] = []
    for first, last in periods:
        rows = list(query_ga(client, query, first, last))
        special_fields = add_time_span(frequency, build_document_set(rows))
        documents += DataParser(rows, options, data_type).get_data(special_fields)
    return documents


def _frequency(query: Mapping[str, object]) -> str:
    return str(query.get("frequency") or FREQUENCY)


def build_document_set(results: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, float]]:
    """Yield the metrics of each row as numbers; raises BadAnswer for one that is none."""
    return (build_document(item) for item in results)


def build_document(item: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a row as numbers, durations in milliseconds; raises BadAnswer for one that is none."""
    return dict(convert_durations((name, try_number(value))) for name, value in item["metrics"].items())


def try_number(value: str | float) -> float:
    """Return the number that text holds, a whole one as int; raises BadAnswer where it holds none.

    >>> try_number("12"), try_number("23.4")
    (12, 23.4)
    """
    text = str(value)
    if _WHOLE.fullmatch(text):
        return int(text)
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise BadAnswer(SOURCE, f"Unable to use value as int or float: {text!r:.100}")
    return number


def convert_durations(metric: tuple[str, float]) -> tuple[str, float]:
    """Return a metric's name and number, seconds of a session as milliseconds."""
    name, value = metric
    return (name, value * 1000) if bare(name) == DURATION else metric


def add_time_span(frequency: str, special_fields: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the fields of each row with `timeSpan`; raises ValueError for a frequency that is none."""
    span = time_span(frequency)
    return [{**fields, "timeSpan": span} for fields in special_fields]


def main(  # noqa: PLR0917 - the contract of every entrypoint
    credentials: Mapping[str, object],
    data_set_config: DataSetConfig,
    query: Mapping[str, object],
    options: Mapping[str, object],
    start_at: datetime | None,
    end_at: datetime | None,
    *,
    retries: RetryPolicy = RETRIES,
) -> None:
    """Ask Google Analytics for the periods and push what it says; raises ImporterError, and ValueError for dates."""
    data_type = str(data_set_config["data-type"])
    with closing(create_client(credentials, retries=retries)) as client:
        documents = query_documents_for(client, query, options, data_type, start_at, end_at)
    Pusher(data_set_config, options).push(documents)
