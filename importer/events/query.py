"""What may be asked about events, and of whom: the archive beside the service, or a store that has what left it."""

from dataclasses import dataclass
from typing import Protocol

MAX_LISTED = 1000
"""No list is longer than this."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which events are asked for; None for whatever."""

    event: str | None = None
    uid: str | None = None
    from_ns: int | None = None
    """Inclusive, nanoseconds since 1970 UTC."""
    to_ns: int | None = None
    """Exclusive."""
    limit: int = 100


class EventStore(Protocol):
    """A store that has events which are not kept here any more; raises SinkError where it cannot be asked."""

    def find(self, event_id: str) -> dict[str, object] | None:
        """Return the event of an id with its `time`, None if the store has none."""

    def recent(self, query: Query) -> list[dict[str, object]]:
        """Return the events that a query asks for, newest first."""
