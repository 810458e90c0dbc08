"""How the service is: whether it can accept events, and what waits for delivery."""

import threading
import time
from collections.abc import Callable, Mapping

from importer.errors import OutboxError
from importer.events.event_time import format_time
from importer.events.meters import exposition
from importer.outbox import Outbox

_PROBLEM = "the last delivery failed; the log and metrics-importer status tell why"
"""Anybody may ask, and the reason may hold addresses."""
_PROBE = "events/probe"
_ROOM_BYTES = 64 * 1024
"""A queue that has less room than this is full, or one that has less than a tenth of its own."""
_FRESH_SECONDS = 1.0
"""Whoever asks more often gets the former answer: anybody may ask, and each probe is a write."""


class Vitals:
    """Looks at one outbox; may be used from several threads."""

    def __init__(
        self, outbox: Outbox, limits: Mapping[str, int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`limits` are the bytes that each lane may hold."""
        self._outbox = outbox
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._probed_at = -_FRESH_SECONDS
        self._reasons: list[str] = []

    def reasons(self) -> list[str]:
        """Return why events cannot be accepted now, nothing if they can."""
        with self._lock:
            if self._clock() - self._probed_at >= _FRESH_SECONDS:
                self._reasons = self._probe()
                self._probed_at = self._clock()
            return self._reasons

    def backlog(self) -> list[dict[str, object]]:
        """Return, for each destination, what waits and since when, and whether the last delivery failed."""
        return [
            {
                "destination": state.lane.partition(":")[0],
                "events": state.points,
                "bytes": state.bytes,
                "oldest": None if state.oldest is None else format_time(int(state.oldest * 10**9)),
                "problem": _PROBLEM if state.problem else "",
            }
            for state in self._outbox.lanes()
            if state.lane in self._limits or state.payloads
        ]

    def exposition(self) -> bytes:
        """Return the text for Prometheus."""
        return exposition(self._outbox.lanes(), self._outbox.count_rejects())

    def _probe(self) -> list[str]:
        try:
            with self._outbox.transaction() as transaction:
                transaction.move_cursor(_PROBE, (transaction.cursor(_PROBE) or 0) + 1)
            states = self._outbox.lanes()
        except OutboxError as error:
            return [f"events cannot be kept: {error.reason}"]
        return [
            f"the queue for {state.lane.partition(':')[0]} is full: {state.points} events wait"
            for state in states
            if state.lane in self._limits and _is_full(state.bytes, self._limits[state.lane])
        ]


def _is_full(waiting: int, limit: int) -> bool:
    return limit - waiting < min(_ROOM_BYTES, limit // 10)
