"""piwik.realtime: how many visitors a site had in the last minutes, as one record."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from importer.collector.content import text_or_number
from importer.collector.outlet import DataSetConfig
from importer.collector.piwik_entrypoint import BaseFetcher
from importer.collector.pusher import Pusher
from importer.collector.vendor import RETRIES
from importer.config import ObjectReader
from importer.errors import BadAnswer, ImporterError
from importer.http_client import RetryPolicy
from importer.sources.piwik.api import SOURCE
from importer.sources.piwik.parse import parse_visitors

MINUTES = "2"


class Fetcher(BaseFetcher):
    """Asks for the counters of the last minutes."""

    def _read(self, keys: ObjectReader) -> None:
        self._parameters["lastMinutes"] = text_or_number(keys, "minutes", MINUTES)


class Parser:
    """Makes the record of an answer."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    def parse(self, data: object) -> list[dict[str, object]]:
        """Return the one record of an answer, of now; raises BadAnswer."""
        try:
            visitors = parse_visitors(data)
        except ValueError as error:
            raise BadAnswer(SOURCE, str(error)) from error
        now = self._clock().replace(microsecond=0).isoformat()
        return [{"_timestamp": now, "_id": now, "unique_visitors": visitors, "for_url": ""}]


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
    """Ask Piwik for its counters and push them; raises ImporterError, also where there are dates."""
    if start_at or end_at:
        raise ImporterError("Cannot backfill realtime collectors")
    fetcher, pusher = Fetcher(credentials, query, retries=retries), Pusher(data_set_config, options)
    pusher.push(Parser().parse(fetcher.fetch()))
