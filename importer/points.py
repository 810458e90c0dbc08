"""The only things that travel between the layers: points, batches of them, and payloads."""

import math
from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]

MAX_TIMESTAMP = 2**32
"""Exclusive, in seconds: whisper files hold 32 unsigned bits (7 February 2106), the least of our stores."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measured number. Whoever holds one may rely on a finite value and a storable time.

    Raises ValueError for an empty path, a value that is not finite or a time out of range.

    >>> Point(("apteligent", "Bike Shop", "daily", "dau"), 48213, 1462147200)
    Point(path=('apteligent', 'Bike Shop', 'daily', 'dau'), value=48213, timestamp=1462147200, labels=())
    """

    path: tuple[str, ...]
    """Name segments, as the vendor writes them: each sink cleans them by its store's rules."""
    value: float
    """Any finite number; a whole one stays an int."""
    timestamp: float
    """Seconds since 1970-01-01 UTC, 0 <= timestamp < MAX_TIMESTAMP."""
    labels: Labels = ()
    """(name, value) pairs in the order of the names."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("a point needs a name")
        try:
            finite = math.isfinite(self.value)
        except OverflowError:
            finite = False
        if not finite:
            raise ValueError(f"{self.value!r:.40} is not a finite number")
        if not 0 <= self.timestamp < MAX_TIMESTAMP:
            raise ValueError(f"time {self.timestamp!r:.40} is not between 1970 and 2106")


@dataclass(frozen=True, slots=True)
class Batch:
    """Points that are kept together or not at all, and how far they bring a source's cursor."""

    points: tuple[Point, ...]
    cursor: str = ""
    """The cursor's name; empty where nothing is remembered."""
    position: int = 0
    """Where that cursor stands once these points are kept. Positions grow from batch to batch."""
    group: str = ""
    """Batches of one group share payloads and a transaction; a source yields a group without a break."""
    again: bool = False
    """Keep the points even though the cursor says that they were imported before."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes that one `Sink.deliver` call sends whole."""

    data: bytes
    points: int
    """How many points are in it, for reports."""
    format: str = ""
    """What the bytes are, where a sink knows more than one way to write them."""
    replace_key: str = ""
    """A newer payload with the same key replaces this one in the outbox; empty: all are sent."""
