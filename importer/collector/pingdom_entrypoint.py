"""pingdom: hourly response times and uptime of one check, as records."""

import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta

from importer.collector.content import reader_of
from importer.collector.dates import BadDates
from importer.collector.documents import apply_key_mapping
from importer.collector.outlet import DataSetConfig
from importer.collector.periods import to_utc
from importer.collector.pusher import Pusher
from importer.collector.vendor import RETRIES
from importer.http_client import RetryPolicy
from importer.sources.pingdom.api import PingdomApi
from importer.sources.pingdom.config import read_access
from importer.sources.pingdom.parse import HOUR_FIELDS

EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)
"""Where a back-fill that has an end alone begins."""


class Pingdom:
    """The old client; `config` is what a credentials file holds. Raises ConfigError."""

    def __init__(self, config: Mapping[str, object], *, retries: RetryPolicy = RETRIES) -> None:
        self._access = read_access(reader_of(config, "credentials"))
        self._retries = retries

    def stats(self, check_name: str, start: datetime, end: datetime) -> list[dict[str, object]]:
        """Return each hour of a check: `starttime` as datetime, and those of HOUR_FIELDS that Pingdom gives.

        Times without a zone are UTC. Raises SourceError, also where there is no such check.
        """
        with closing(PingdomApi(self._access, retries=self._retries)) as api:
            hours = api.hours(api.check_id(check_name), start, end)
        return [{"starttime": datetime.fromtimestamp(hour.start, UTC), **hour.figures} for hour in hours]


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
    """Ask Pingdom for the hours of a check and push them; raises ImporterError."""
    start, end = parse_time_range(start_at, end_at)
    keys = reader_of(query, "query")
    name = keys.text("name")
    keys.finish(refuse_unknown=False)
    records, pusher = _Records(name, options), Pusher(data_set_config, options)
    pusher.push(records.of(Pingdom(credentials, retries=retries).stats(name, start, end)))


def parse_time_range(
    start: datetime | None, end: datetime | None, *, now: datetime | None = None
) -> tuple[datetime, datetime]:
    """Return first and last moment to ask for, UTC, cut to the hour; raises BadDates where they are in wrong order.

    Without a start and an end these are the last 24 hours; without an end, it is now; without a start, EARLIEST.
    """
    until = (now or datetime.now(UTC)) if end is None else to_utc(end)
    since = to_utc(start) if start is not None else EARLIEST if end is not None else until - timedelta(days=1)
    if since > until:
        raise BadDates(since, until)
    return truncate_hour_fraction(since), truncate_hour_fraction(until)


def truncate_hour_fraction(moment: datetime) -> datetime:
    """Return the beginning of the hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def convert_from_pingdom_to_performanceplatform(stats: Mapping[str, object], name_of_check: str) -> dict[str, object]:
    """Return the record of an hour; what Pingdom has left out is left out."""
    start = stats["starttime"]
    timestamp = start.isoformat() if isinstance(start, datetime) else str(start)
    figures = {name: stats[name] for name in HOUR_FIELDS if name in stats}
    name_for_id = re.sub(r"\s", "_", name_of_check)
    return {"_id": f"{name_for_id}.{timestamp}", "_timestamp": timestamp, **figures, "check": name_of_check}


def push_stats_to_data_set(
    stats: Iterable[Mapping[str, object]], check_name: str, data_set_config: DataSetConfig
) -> None:
    """Push the records of some hours, without options; raises ImporterError."""
    Pusher(data_set_config, {}).push(_Records(check_name, {}).of(stats))


class _Records:
    """Makes records with the options' additional fields, named as the options' mappings say. Raises ConfigError."""

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        self._name = name
        keys = reader_of(options, "options")
        more = keys.value("additionalFields")
        self._mappings = keys.mapping_of_text("mappings", {})
        if more is not None and not isinstance(more, Mapping):
            keys.problem("additionalFields", "is not an object")
        keys.finish(refuse_unknown=False)
        self._fields = dict(more) if isinstance(more, Mapping) else {}

    def of(self, stats: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
        """Return the record of each hour."""
        records = ({**self._fields, **convert_from_pingdom_to_performanceplatform(hour, self._name)} for hour in stats)
        return [apply_key_mapping(self._mappings, record) for record in records]
