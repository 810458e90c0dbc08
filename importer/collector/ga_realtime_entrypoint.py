"""ga.realtime: how many users a view or a property has now, as one record."""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime

from importer.collector import outlet
from importer.collector.ga_entrypoint import create_client
from importer.collector.outlet import DataSetConfig, Write
from importer.collector.vendor import RETRIES
from importer.errors import ImporterError
from importer.http_client import RetryPolicy


def create_record(visitor_count: int, for_url: object, *, now: datetime) -> dict[str, object]:
    """Return the record of a count."""
    timestamp = now.replace(microsecond=0).isoformat()
    return {"_timestamp": timestamp, "_id": timestamp, "unique_visitors": visitor_count, "for_url": for_url}


def main(  # noqa: PLR0917 - the contract of every entrypoint
    credentials: Mapping[str, object],
    data_set_config: DataSetConfig,
    query: Mapping[str, object],
    options: Mapping[str, object],
    start_at: datetime | None,
    end_at: datetime | None,
    *,
    retries: RetryPolicy = RETRIES,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Ask who is there and write the one record; raises ImporterError, also where there are dates."""
    if start_at or end_at:
        raise ImporterError("Cannot backfill realtime collectors")
    with closing(create_client(credentials, retries=retries)) as client:
        count = client.active_users(query)
    record = create_record(count, query.get("filters") or "", now=clock())
    outlet.write(data_set_config, [Write("POST", record)])
