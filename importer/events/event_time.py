"""The times that events bring along, and how times are shown: nanoseconds since 1970 UTC inside."""

import re
from datetime import UTC, datetime
from decimal import Decimal

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_UNITS = ((10**17, 1), (10**14, 10**3), (10**11, 10**6))
"""From which size on a number counts nanoseconds, microseconds, milliseconds; what is less counts seconds."""
_STORABLE = range(-(2**63) + 2, 2**63 - 1)
"""InfluxDB keeps the ends of the 64 bits for itself."""


def parse_time(value: object) -> int | None:
    """Return the time that a text by RFC 3339 or a number tells, None if it tells none that can be stored.

    The unit of a number is judged by its size.

    >>> [parse_time(value) for value in (1461587388, 1461587388848, "2016-04-25T12:29:48.844949259Z")]
    [1461587388000000000, 1461587388848000000, 1461587388844949259]
    >>> parse_time("Mon 25 Apr 2016 13:29:48 BST")
    """
    if isinstance(value, str):
        found = _parse_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        factor = next((factor for size, factor in _UNITS if abs(value) >= size), 10**9)
        found = int(Decimal(repr(value)) * factor)
    else:
        return None
    return found if found in _STORABLE else None


def format_time(nanoseconds: int) -> str:
    """Return a time by RFC 3339, UTC, with all nine digits of the nanoseconds.

    >>> format_time(1461587388844949259)
    '2016-04-25T12:29:48.844949259Z'
    """
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def _parse_text(text: str) -> int:
    match = _RFC_3339.fullmatch(text.strip())
    if match is None:
        return _STORABLE.stop
    day, clock, fraction, zone = match.groups(default="")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:  # a thirteenth month, a minute 60
        return _STORABLE.stop
    return int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0"))
