"""Names of records that are the same in every run: what a record is about as text, and that text as an `_id`."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime

from importer.collector.periods import to_utc


def value_id(text: str) -> tuple[str, str]:
    """Return the `_id` for a text, and the text itself.

    >>> value_id("foo")
    ('Zm9v', 'foo')
    """
    return urlsafe_b64encode(text.encode(errors="surrogatepass")).decode("ascii"), text


def compact_time(time: datetime) -> str:
    """Return a time in UTC (as it is without a zone) to the second, in digits alone: `20130401000000`."""
    utc = to_utc(time)
    return f"{utc.year:04d}{utc:%m%d%H%M%S}"


def get_string_for_data_id(
    data_type: object, timestamp: datetime, period: object | None, values: Iterable[object]
) -> str:
    """Return what a record is about as text; without a period nothing stands in its place.

    >>> get_string_for_data_id("visits", datetime(2013, 4, 1), "week", ["2013-04-02", 3])
    'visits_20130401000000_week_2013-04-02_3'
    """
    periods = [] if period is None else [period]
    return "_".join(map(str, [data_type, compact_time(timestamp), *periods, *values]))
