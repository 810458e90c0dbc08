"""ga.trending: how the pages of a site did this week beside the week before, as a data set that is replaced whole."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from importer.collector import outlet
from importer.collector.content import reader_of
from importer.collector.ga_entrypoint import create_client, query_ga, try_number
from importer.collector.outlet import DataSetConfig, Write
from importer.collector.periods import to_datetime, today
from importer.collector.record_id import value_id
from importer.collector.vendor import RETRIES
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.sources.google.names import SOURCE, bare
from importer.sources.google.question import Row, names_in

logger = logging.getLogger(__name__)

TITLE, PATH = "pageTitle", "pagePath"
DATE_PARTS = ("day", "month", "year")
OTHER = "(other)"
"""What Google puts together because there is too much of it."""
FLOOR = 500
"""A week's sum counts as this at least: small pages would have the largest changes."""
CHUNK_SIZE = 100


@dataclass(slots=True)
class _Page:
    """What is known of a title until now."""

    path: str
    others: Mapping[str, object]
    """The dimensions of its first row that are neither title nor path nor date."""
    weeks: list[float] = field(default_factory=lambda: [0, 0])


def parse_query(query: Mapping[str, object]) -> dict[str, object]:
    """Return the query with the one metric and all dimensions to ask for; raises ConfigError."""
    keys = reader_of(query, "query")
    metric = keys.text("metric")
    dimensions = names_in(query.get("dimensions"), "query.dimensions")
    names = {bare(name) for name in dimensions}
    if not {TITLE, PATH} <= names:
        keys.problem("dimensions", f"must include {TITLE} and {PATH}")
    keys.finish(refuse_unknown=False)
    parts = [part for part in DATE_PARTS if part not in names]
    passed_on = {key: value for key, value in query.items() if key not in ("metric", "sort", "maxResults")}
    return {**passed_on, "metrics": [metric], "dimensions": [*dimensions, *parts]}


def trends(rows: Iterable[Row], start: date) -> list[dict[str, object]]:
    """Return a record for each title among rows of the two weeks from `start` on; raises BadAnswer."""
    pages: dict[object, _Page] = {}
    for row in rows:
        dimensions = {bare(name): value for name, value in row.get("dimensions", {}).items()}
        parts = [dimensions[part] for part in DATE_PARTS]
        if OTHER in parts:
            continue
        path = str(dimensions[PATH])
        others = {name: value for name, value in dimensions.items() if name not in (TITLE, PATH, *DATE_PARTS)}
        page = pages.setdefault(dimensions[TITLE], _Page(path, others))
        if page.path.startswith(path):
            page.path = path
        page.weeks[_week(parts, start)] += try_number(next(iter(row["metrics"].values())))
    return [_record(title, page, start) for title, page in pages.items()]


def _week(parts: Sequence[object], start: date) -> int:
    """Return 0 for a day of the first week, 1 for one of the second."""
    try:
        day, month, year = (int(str(part)) for part in parts)
        return int(date(year, month, day) >= start + timedelta(days=7))
    except ValueError as error:
        raise BadAnswer(SOURCE, f"a row has no day: {parts!r:.100}") from error


def _record(title: object, page: _Page, start: date) -> dict[str, object]:
    week1, week2 = (max(total, FLOOR) for total in page.weeks)
    return {
        TITLE: title,
        PATH: page.path,
        **page.others,
        "week1": week1,
        "week2": week2,
        "percent_change": (week2 - week1) / week1 * 100,
        "_timestamp": to_datetime(start),
        "_id": value_id(page.path)[0],
    }


def main(  # noqa: PLR0917 - the contract of every entrypoint
    credentials: Mapping[str, object],
    data_set_config: DataSetConfig,
    query: Mapping[str, object],
    options: Mapping[str, object],
    start_at: datetime | None,
    end_at: datetime | None,
    *,
    retries: RetryPolicy = RETRIES,
    today: Callable[[], date] = today,
) -> None:
    """Ask for the last 14 days and replace the data set by what is found; raises ImporterError."""
    config = parse_query(query)
    start = today() - timedelta(days=14)
    with closing(create_client(credentials, retries=retries)) as client:
        records = trends(query_ga(client, config, start, start + timedelta(days=13)), start)
    if not records:  # a data set is never just emptied
        logger.info("Doing nothing - no data to push")
        return
    chunks = (records[first : first + CHUNK_SIZE] for first in range(0, len(records), CHUNK_SIZE))
    outlet.write(data_set_config, [Write("PUT", []), *(Write("POST", chunk) for chunk in chunks)])
