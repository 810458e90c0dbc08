"""What a destination promises, whatever its protocol."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from importer.points import Payload, Point


class Sink(ABC):
    """A destination: turns points into payloads, and delivers one payload at a time.

    `encode` is pure. `deliver` may be called from another thread than `encode`, never from two at once.
    """

    family: str
    """Sinks of one family can deliver each other's payloads (graphite plain and pickle)."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        """The name of this destination in the outbox, logs and reports: stable, unique, without secrets."""

    @abstractmethod
    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return the payloads that hold these points, in their order."""

    @abstractmethod
    def deliver(self, payload: Payload) -> None:
        """Send one payload and return once the destination has it.

        Raises SinkUnavailable (try again later), SinkRefused (our configuration is wrong) or Rejected
        (this payload can never be taken).
        """

    @abstractmethod
    def check(self) -> str:
        """Return one line that says what answered there, for `metrics-importer check --online`.

        Sends no point. Raises SinkUnavailable or SinkRefused.
        """

    @abstractmethod
    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield, a line each, what `encode` of these points would send, for `--dry-run`."""

    def close(self) -> None:
        """Give back connections and files. Does nothing unless a sink holds some."""
        return
