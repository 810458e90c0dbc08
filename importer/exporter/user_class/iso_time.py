"""Times for users' classes: UTC without a zone, as APIs' parameters want them."""

from datetime import UTC, datetime, timedelta


def get_iso_timestamp_x_min_ago(minutes: float) -> str:
    """Return the time that many minutes ago, in UTC, as `2026-01-31T12:00:00`."""
    return (_utc_now() - timedelta(minutes=minutes)).replace(microsecond=0).isoformat()


def get_latency_seconds(from_time: datetime, now: datetime | None = None) -> float:
    """Return the seconds from one time to another, both in UTC and without a zone; None is the present.

    >>> get_latency_seconds(datetime(2026, 1, 31, 12, 0), datetime(2026, 1, 31, 12, 1, 30))
    90.0
    """
    return ((_utc_now() if now is None else now) - from_time).total_seconds()


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
