"""How the service is: whether it can accept events, and what waits for delivery."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from importer.errors import OutboxError, OutboxFull
from importer.events.event_time import format_time
from importer.events.service.meters import exposition
from importer.outbox import LaneState, Outbox

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
        self,
        outbox: Outbox,
        limits: Mapping[str, int],
        *,
        check: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limits` are the bytes that each lane may hold; `check` raises OutboxError where commits are in vain."""
        self._outbox = outbox
        self._limits = limits
        self._check = check
        self._clock = clock
        self._lock = threading.Lock()
        self._probed_at = -_FRESH_SECONDS
        self._reasons: list[str] = []
        self._failure: OutboxError | None = None
        """Why the last group of events could not be kept; None once that is told, or another one was kept."""

    def note_failure(self, error: OutboxError) -> None:
        """Let the next look say why events could not be kept: they may need more room than the probe."""
        self._failure = error  # without the lock: a look may wait for a disk

    def note_commit(self) -> None:
        """Let the next look judge by itself: events are kept again."""
        self._failure = None

    def reasons(self) -> list[str]:
        """Return why events cannot be accepted now, nothing if they can."""
        with self._lock:
            if self._failure is not None or self._clock() - self._probed_at >= _FRESH_SECONDS:
                self._reasons = self._probe()
                self._probed_at = self._clock()
            return self._reasons

    def backlog(self) -> list[dict[str, object]]:
        """Return, for each destination, what waits and since when, and whether the last delivery failed."""
        states = self._outbox.lanes()
        names = self._names(states)
        return [
            {
                "destination": names[state.lane],
                "events": state.points,
                "bytes": state.bytes,
                "oldest": None if state.oldest is None else format_time(int(state.oldest * 10**9)),
                "problem": _PROBLEM if state.problem else "",
            }
            for state in states
            if state.lane in self._limits or state.payloads
        ]

    def exposition(self) -> bytes:
        """Return the text for Prometheus."""
        states = self._outbox.lanes()
        return exposition(states, self._outbox.count_rejects(), names=self._names(states))

    def _names(self, states: Iterable[LaneState]) -> dict[str, str]:
        """Return what anybody may know of lanes, in place of addresses: `influxdb`, and `influxdb-2` beside it."""
        names: dict[str, str] = {}
        kinds = Counter[str]()
        for lane in dict.fromkeys([*self._limits, *(state.lane for state in states)]):
            kind = lane.partition(":")[0]
            kinds[kind] += 1
            names[lane] = kind if kinds[kind] == 1 else f"{kind}-{kinds[kind]}"
        return names

    def _probe(self) -> list[str]:
        try:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            with self._outbox.transaction() as transaction:
                transaction.move_cursor(_PROBE, (transaction.cursor(_PROBE) or 0) + 1)
            self._check()
            states = self._outbox.lanes()
            names = self._names(states)
        except OutboxFull:
            return ["events cannot be kept: the queue for the store is full"]
        except OutboxError as error:
            return [f"events cannot be kept: {error.reason}"]
        return [
            f"the queue for {names[state.lane]} is full: {state.points} events wait"
            for state in states
            if state.lane in self._limits and _is_full(state.bytes, self._limits[state.lane])
        ]


def _is_full(waiting: int, limit: int) -> bool:
    return limit - waiting < min(_ROOM_BYTES, limit // 10)
