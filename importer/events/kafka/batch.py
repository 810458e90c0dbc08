"""Messages of a topic of events, on their way from Kafka to a store."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Self

from importer.events.event import EVENTS_FORMAT, read_event, write_events
from importer.points import Payload

if TYPE_CHECKING:
    from confluent_kafka import Message

_DELIVERED = -1
"""In the place of a partition: what stays ours to set aside, whoever reads its partition."""


class Batch:
    """The messages that are delivered together, and how far the partitions have been read with them."""

    def __init__(self) -> None:
        self.ends: dict[int, int] = {}
        """For each partition the offset from which to go on once the batch is settled."""
        self._lines: list[tuple[int, bytes]] = []
        """What the store is to get, each with its partition."""
        self._rejects: list[tuple[int, Payload, str]] = []
        """What it is not to get, each with its partition and the reason."""

    @classmethod
    def of(cls, messages: "Iterable[Message]") -> Self:
        """Return the batch of messages, which are in the order of their partitions."""
        batch = cls()
        for message in messages:
            batch.add(message.partition() or 0, message.offset() or 0, message.value() or b"")
        return batch

    def add(self, partition: int, offset: int, value: bytes) -> None:
        """Take a message; one that is no event is among the rejects."""
        self.ends[partition] = offset + 1
        try:
            self._lines.append((partition, _line(value)))
        except ValueError as error:
            reason = f"partition {partition}, offset {offset}: {error}"
            self._rejects.append((partition, Payload(_one_line(value), 1, EVENTS_FORMAT), reason))

    @property
    def payload(self) -> Payload | None:
        """What the store does not have yet; None if that is nothing."""
        if not self._lines:
            return None
        return Payload(b"".join([line for _, line in self._lines]), len(self._lines), EVENTS_FORMAT)

    @property
    def rejects(self) -> list[tuple[Payload, str]]:
        """What is to be set aside, and why."""
        return [(payload, reason) for _, payload, reason in self._rejects]

    def delivered(self, rejects: Iterable[tuple[Payload, str]]) -> None:
        """Note that the store has the payload, but for what it will never take."""
        self._lines.clear()
        self._rejects += [(_DELIVERED, part, reason) for part, reason in rejects]

    def set_aside(self, count: int) -> None:
        """Note that the first so many of the rejects are safe."""
        del self._rejects[:count]

    def forget(self, partitions: Collection[int]) -> None:
        """Leave out what came from partitions that are no longer ours: their next reader gets it again."""
        self._lines = [item for item in self._lines if item[0] not in partitions]
        self._rejects = [item for item in self._rejects if item[0] not in partitions]
        self.ends = {partition: end for partition, end in self.ends.items() if partition not in partitions}


def _one_line(value: bytes) -> bytes:
    """Return what is no event as one line with its end: payloads are joined, and read line by line."""
    return value.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


def _line(value: bytes) -> bytes:
    """Return a message as a line of a payload, with its end. Raises ValueError for what is no event."""
    event = read_event(value)
    if not event.fields:
        raise ValueError("is no event: it has no fields")
    for name, field in event.fields.items():
        if not isinstance(field, str | int | float):
            raise ValueError(f"is no event: {name!r:.100} is neither text, a number nor a truth value")
    return write_events([event]) if b"\n" in value or b"\r" in value else value + b"\n"
