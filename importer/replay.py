"""Send what an embedded store holds to other destinations: through an outbox, with a position that moves with it.

Points are read oldest first. Each chunk is kept and the position moved in one transaction, then it is delivered
before the next one is read. So whatever ends a replay, the next one with the same key goes on where it stopped.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NewType

from importer.delivery import Backoff, Delivery
from importer.errors import ImporterError, OutboxError, SinkError, Stopped
from importer.lane import LaneReport
from importer.metric_history import Chunk, Extent, MetricHistory, Position
from importer.outbox import Lane, LaneState, Outbox, Transaction
from importer.outbox_view import OutboxView
from importer.points import MAX_TIMESTAMP
from importer.sinks.base import PointSink

CHUNK_POINTS = 20_000

ReplayKey = NewType("ReplayKey", str)
"""What tells one replay from others in an outbox: what is read, and where it goes."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS replays"
    " (key TEXT PRIMARY KEY, time NUMERIC NOT NULL, series INTEGER NOT NULL, points INTEGER NOT NULL)"
)
_SAVED = "SELECT time, series, points FROM replays WHERE key = ?"
_SAVE = "INSERT OR REPLACE INTO replays (key, time, series, points) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Range:
    """What is to be sent of a store."""

    start: float | None = None
    """The first time, in seconds since 1970 UTC; None: that of the oldest point."""
    end: float | None = None
    """The first time that is left out; None: no end."""
    pattern: str = "*"
    """A shell pattern of the names of series."""

    @property
    def before(self) -> Position:
        """The position before the first point."""
        return Position(self.start or 0)

    @property
    def until(self) -> float:
        """The end, or what no time is above."""
        return MAX_TIMESTAMP if self.end is None else self.end


@dataclass(frozen=True, slots=True)
class Saved:
    """How far a replay came."""

    position: Position
    points: int = 0
    """How many points were kept for delivery until there."""


def replay_key(store: str, wanted: Range, sinks: Sequence[PointSink]) -> ReplayKey:
    """Return the key of sending a range of a store to destinations."""
    lanes = sorted(sink.lane for sink in sinks)
    return ReplayKey(json.dumps([store, wanted.start, wanted.end, wanted.pattern, lanes]))


def saved(view: OutboxView, key: ReplayKey, wanted: Range) -> Saved:
    """Return how far a replay came; at the beginning if it was never begun. Raises OutboxError."""
    with_table = list(view.rows("SELECT 1 FROM sqlite_schema WHERE name = 'replays'"))
    for row_time, series, points in view.rows(_SAVED, key) if with_table else ():
        return Saved(Position(row_time, series), points)
    return Saved(wanted.before)


def lane_of(sink: PointSink) -> Lane:
    """Return the lane of a destination in a replay's outbox: no other one ever inherits what waits there."""
    return Lane(sink.lane, f"replay to {sink.lane}", sink.outbox_max_bytes)


@dataclass(slots=True)
class Outcome:
    """What a replay came to."""

    points: int = 0
    """Points that were read and delivered, once each however many destinations they went to."""
    failure: str = ""
    """What ended it before its end; empty if nothing did."""
    rejections: list[str] = field(default_factory=list)
    """What destinations will never take, a line for each of them."""


class Replay:
    """One replay, under way in an outbox. Raises OutboxError."""

    def __init__(
        self,
        history: MetricHistory,
        outbox: Outbox,
        sinks: Sequence[PointSink],
        *,
        wanted: Range,
        stop: threading.Event,
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience_seconds` is how long a destination that is away is waited for."""
        self._history = history
        self._outbox = outbox
        self._sinks = sinks
        self._wanted = wanted
        self._stop = stop
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._key = replay_key(history.lane, wanted, sinks)
        self._rejections: dict[str, str] = {}
        self.left: list[LaneState] = outbox.configure(map(lane_of, sinks))
        """What waits for destinations that are not among these."""
        with outbox.transaction() as transaction:
            transaction.execute(_TABLE)
        self._saved = saved(outbox, self._key, wanted)

    @property
    def sent_before(self) -> int:
        """How many points earlier runs have delivered."""
        return max(0, self._saved.points - self.waiting)

    @property
    def waiting(self) -> int:
        """How many points earlier runs have kept, and not delivered to every destination."""
        lanes = {sink.lane for sink in self._sinks}
        return max((state.points for state in self._outbox.lanes() if state.lane in lanes), default=0)

    def start_over(self) -> None:
        """Forget how far earlier runs came."""
        with self._outbox.transaction() as transaction:
            self._save(transaction, Saved(self._wanted.before))

    def extent(self) -> Extent:
        """Return how much is left to be read; raises SinkError where the store cannot be, and Stopped."""
        try:
            return self._history.extent(self._saved.position, end=self._wanted.until)
        except SinkError as error:
            self._raise_if_stopped(error)
            raise

    def run(self, *, progress: Callable[[int], None]) -> Outcome:
        """Send what is left, and return what that came to; `progress` is told how many points were delivered."""
        outcome = Outcome()
        with Delivery(self._outbox, self._sinks, stop=self._stop, tries_again=False) as delivery:
            try:
                self._send(delivery, outcome, progress)
            except Stopped:
                outcome.failure = "asked to stop"
            except OutboxError as error:
                outcome.failure = str(error)
            except SinkError as error:
                is_store = error.sink == self._history.lane
                outcome.failure = f"{'not read' if is_store else 'not delivered, kept'}: {error}"
        outcome.rejections = list(self._rejections.values())
        return outcome

    def _send(self, delivery: Delivery, outcome: Outcome, progress: Callable[[int], None]) -> None:
        """Deliver what waits, then chunk by chunk what is left."""
        self._deliver_kept(delivery, outcome, progress)
        chunks = self._history.chunks(self._saved.position, end=self._wanted.until, max_points=CHUNK_POINTS)
        try:
            for chunk in chunks:
                self._keep(chunk)
                self._deliver(delivery)
                outcome.points += len(chunk.points)
                progress(len(chunk.points))
        except SinkError as error:
            self._raise_if_stopped(error)
            raise

    def _deliver_kept(self, delivery: Delivery, outcome: Outcome, progress: Callable[[int], None]) -> None:
        waiting = self.waiting
        try:
            self._deliver(delivery)
        finally:
            outcome.points += max(0, waiting - self.waiting)
            progress(outcome.points)

    def _keep(self, chunk: Chunk) -> None:
        with self._outbox.transaction() as transaction:
            row = transaction.execute(_SAVED, self._key).fetchone()
            if row is not None and tuple(row[:2]) != (self._saved.position.time, self._saved.position.series):
                raise OutboxError(self._outbox.path or "", "another process is at the same replay")
            for sink in self._sinks:
                transaction.add(sink.lane, sink.encode(chunk.points))
            self._save(transaction, Saved(chunk.position, self._saved.points + len(chunk.points)))

    def _save(self, transaction: Transaction, reached: Saved) -> None:
        transaction.execute(_SAVE, self._key, reached.position.time, reached.position.series, reached.points)
        self._saved = reached

    def _deliver(self, delivery: Delivery) -> None:
        """Return once nothing waits any more; raises Stopped, or the error of a destination that stays away."""
        backoff = Backoff()
        gives_up_at = self._clock() + self._patience_seconds
        while True:
            reports = delivery.deliver_now()
            self._note_rejections(reports)
            self._raise_if_stopped()
            errors = [report.error for report in reports if report.error is not None]
            if not errors:
                return
            pause = max(map(backoff.pause_seconds, errors))
            if self._clock() + pause > gives_up_at:
                raise errors[0]
            self._stop.wait(pause)

    def _note_rejections(self, reports: Sequence[LaneReport]) -> None:
        for report in reports:
            if report.rejected:
                self._rejections[report.lane] = f"{report.lane}: payloads set aside: {report.rejection}"

    def _raise_if_stopped(self, cause: ImporterError | None = None) -> None:
        if self._stop.is_set():
            raise Stopped("asked to stop") from cause
