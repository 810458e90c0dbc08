"""gcloud: what was spent through G-Cloud in each month, and until then, as records."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from importer.collector import outlet
from importer.collector.content import address, reader_of
from importer.collector.dates import first_and_last_day
from importer.collector.outlet import DataSetConfig, Record, Write
from importer.collector.vendor import RETRIES
from importer.config import ObjectReader
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.sources.gcloud.download import INDEX_URL, SOURCE, current_csv_url, download
from importer.sources.gcloud.sales import COLUMNS, Names, parse_sales
from importer.sources.gcloud.totals import LOT_NAMES, total_records

logger = logging.getLogger(__name__)

CHUNK_SIZE = 2000


def main(  # noqa: PLR0917 - the contract of every entrypoint
    credentials: Mapping[str, object],
    data_set_config: DataSetConfig,
    query: Mapping[str, object],
    options: Mapping[str, object],
    start_at: datetime | None,
    end_at: datetime | None,
    filename: str | Path | None = None,
    *,
    retries: RetryPolicy = RETRIES,
) -> None:
    """Fetch the CSV file and replace the data set by its totals; raises ImporterError.

    With dates, the totals of the months that begin from the first to the last day are written, and what the data set
    holds besides is left alone. `filename` names a CSV file to take instead.
    """
    keys = reader_of(query, "query")
    csv_url, page_url = address(keys, "csv_url", ""), address(keys, "url", INDEX_URL)
    names = _names(keys)
    keys.finish(refuse_unknown=False)
    option_keys = reader_of(options, "options")
    chunk_size = option_keys.integer("chunk-size", CHUNK_SIZE, minimum=0)
    option_keys.finish(refuse_unknown=False)
    days = first_and_last_day(start_at, end_at)
    content = Path(filename).read_bytes() if filename else _fetch(csv_url, page_url, retries)
    try:
        records = total_records(parse_sales(content, names))
    except ValueError as error:
        raise BadAnswer(SOURCE, str(error)) from error
    outlet.write(data_set_config, _writes(records, days, chunk_size))


def _fetch(csv_url: str, page_url: str, retries: RetryPolicy) -> bytes:
    if not csv_url:
        try:
            csv_url = current_csv_url(download(page_url, retries=retries), page_url)
        except ValueError as error:
            raise BadAnswer(SOURCE, f"{page_url.partition('?')[0]}: {error}") from error
        logger.info("Latest CSV URL: %s", csv_url)
    return download(csv_url, retries=retries)


def _writes(records: Sequence[Record], days: tuple[date, date] | None, chunk_size: int) -> list[Write]:
    """Return the requests: none where there is nothing to write, so that a data set is never just emptied."""
    if days is not None:
        first, last = (day.isoformat() for day in days)
        records = [record for record in records if first <= str(record["_timestamp"])[:10] <= last]
    step = chunk_size or max(1, len(records))
    chunks = [Write("POST", records[begin : begin + step]) for begin in range(0, len(records), step)]
    if not chunks:
        logger.info("Doing nothing - no data to push")
        return []
    return chunks if days is not None else [Write("PUT", []), *chunks]


def _names(keys: ObjectReader) -> Names:
    """Return what the query says of a file whose columns or lots have other names."""
    columns, lots = keys.mapping_of_text("columns", {}), keys.mapping_of_text("lots", {})
    for column in columns:
        if column not in COLUMNS:
            keys.problem(f"columns.{column}", f"is no column; the columns are {', '.join(COLUMNS)}")
    for name, lot in lots.items():
        if lot not in LOT_NAMES:
            keys.problem(f"lots.{name}", f'"{lot}" is no lot; the lots are {", ".join(LOT_NAMES)}')
    return Names(columns, lots)
