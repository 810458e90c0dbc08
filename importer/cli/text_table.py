"""Tables and figures for people: plain ASCII, columns as wide as what is in them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from importer.errors import one_line

NOTHING = "-"
"""Stands in a table where there is nothing to tell."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_GAP = "  "
_LAST_SECOND = 253_402_300_799
"""Of the year 9999, in seconds since 1970 UTC: a clock that was wrong, or a bad disk, may tell of later ones."""


def format_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()) -> str:
    """Return a table, a line each for the headers and the rows; columns named in `right` are aligned there.

    >>> print(format_table(["LANE", "POINTS"], [["dummy", "7"], ["plain", "1200"]], right=["POINTS"]))
    LANE   POINTS
    dummy       7
    plain    1200
    """
    cells = [list(headers), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        _GAP.join(
            cell.rjust(width) if header in right else cell.ljust(width)
            for cell, width, header in zip(line, widths, headers, strict=True)
        ).rstrip()
        for line in cells
    )


def format_duration(seconds: float) -> str:
    """Return a time span in its two largest units; less than a second, and what lies in the future, is none.

    >>> [format_duration(seconds) for seconds in (0.3, 59.9, 3661, 7200, 200000)]
    ['0 s', '59 s', '1 h 1 min', '2 h', '2 d 7 h']
    """
    rest = int(min(max(0, seconds), _LAST_SECOND))
    parts: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(filter(None, parts[:2])) or "0 s"


def format_age(then: float | None, now: float) -> str:
    """Return how long ago a time is, both in seconds since 1970 UTC."""
    return NOTHING if then is None else format_duration(now - then)


def format_bytes(count: int) -> str:
    """Return a size with a decimal prefix.

    >>> [format_bytes(count) for count in (0, 999, 1500, 2_000_000_000)]
    ['0 B', '999 B', '1.5 kB', '2.0 GB']
    """
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 999.95:
            return f"{size:.1f} {unit}" if unit != "B" else f"{count} B"
        size /= 1000
    return f"{size:.1f} GB"


def format_number(value: float) -> str:
    """Return a value for a table: whole numbers in full, others with six significant digits.

    >>> [format_number(value) for value in (12345678, 2.0, 0.6153846153)]
    ['12345678', '2', '0.615385']
    """
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def format_time(timestamp: float) -> str:
    """Return seconds since 1970 UTC in ISO 8601, to the second; what lies beyond the years 1970 to 9999 as their end.

    >>> format_time(1462262700.9), format_time(1e300)
    ('2016-05-03T08:05:00Z', '9999-12-31T23:59:59Z')
    """
    return datetime.fromtimestamp(int(min(max(0, timestamp), _LAST_SECOND)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count_of(count: int, noun: str) -> str:
    """Return a number of things in words.

    >>> count_of(1, "payload"), count_of(3, "payload")
    ('1 payload', '3 payloads')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
