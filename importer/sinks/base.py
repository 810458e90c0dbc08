"""What a destination promises, whatever its protocol."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

from importer.config import ObjectReader
from importer.points import Payload, Point
from importer.sinks.plain_text import Names, lines

DEFAULT_MAX_BUFFER = 500
"""Points in a payload, unless a destination's max_buffer says otherwise."""

T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield items in their order, at most `size` at a time; nothing where there are none.

    >>> list(batches([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Sink(ABC):
    """A destination: delivers one payload at a time, never two at once, from whichever thread."""

    family: str
    """Sinks of one family can deliver each other's payloads (graphite plain and pickle)."""

    replay_points_per_second: float = math.inf
    """How fast a long backlog may be sent, where the store could be flooded."""
    outbox_max_bytes: int = 2**30
    """How much may wait for this destination before runs fail."""
    joined_points: int = 0
    """Payloads that wait are joined and delivered as one up to so many points; 0: each alone.

    Only for a sink whose payloads of one format can be put one behind the other, byte for byte.
    """

    def __init__(self, lane: str) -> None:
        self.lane = lane
        """The name of this destination in the outbox, logs and reports: stable, unique, without secrets."""

    @abstractmethod
    def deliver(self, payload: Payload) -> None:
        """Send one payload and return once the destination has it.

        Raises SinkUnavailable (try again later), SinkRefused (our configuration is wrong) or Rejected
        (this payload can never be taken).
        """

    @abstractmethod
    def check(self) -> str:
        """Return one line that says what answered there, for `metrics-importer check --online`.

        Sends nothing that the destination would keep. Raises SinkUnavailable or SinkRefused.
        """

    def stop(self) -> None:
        """Let a `deliver` under way end soon: cut short what it waits for between its tries. It is not called again.

        Does nothing unless a sink waits at length.
        """
        return

    def close(self) -> None:
        """Give back connections and files. Does nothing unless a sink holds some."""
        return


class PointSink(Sink):
    """A destination of points: turns them into payloads. `encode` is pure, and may run beside `deliver`."""

    keeps_labels = True
    """Whether the store has labels; otherwise their values become elements behind the path."""

    @classmethod
    @abstractmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that a destination's keys describe; what is wrong with them is added to `keys.problems`.

        `state` is the directory of the outbox, where the embedded store lies unless the keys say otherwise.
        """

    @abstractmethod
    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return the payloads that hold these points, in their order."""

    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield, a line each, what `encode` of these points would send, for `--dry-run`; here as plain text."""
        yield from lines(points, Names())


class RecordSink(PointSink):
    """A destination that also takes records whole, as JSON."""

    @abstractmethod
    def encode_records(self, records: Sequence[tuple[str | None, str]]) -> list[Payload]:
        """Return the payloads of records in their order, each its key (None: it has none) and its JSON on one line."""
