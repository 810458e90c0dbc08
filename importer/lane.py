"""One pass over a lane of the outbox: its destination gets what waits, oldest first, until it takes no more.

What a delivery comes to is decided here for every sink alike. Delivered: the row goes. Unavailable: it stays, and
the pass ends. Refused: everything stays, as only a person can mend it. Rejected: the payload is set aside, and what
came after it goes on.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from importer.errors import ImporterError, OutboxError, PartlyRejected, Rejected, SinkError, SinkUnavailable
from importer.outbox import Lane, Outbox, Stored
from importer.points import Payload
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

REPLAY_BURST_POINTS = 250_000
"""A lane sends so many points unpaced: a cycle of more than 2,000 apps, but no long backlog."""
LANE_LOCK_SECONDS = 30.0
"""How long a pass waits for another process that delivers the same lane."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What one pass over a lane came to."""

    lane: str
    delivered: int = 0
    """Payloads that the destination took."""
    points: int = 0
    """Points in them."""
    rejected: int = 0
    """Payloads that were set aside."""
    error: ImporterError | None = None
    """What ended the pass before the lane was empty; None if it is."""
    rejection: str = ""
    """Why the last of the rejected payloads was set aside."""

    def after(self, earlier: "LaneReport") -> "LaneReport":
        """Return what both passes came to, of which this one is the later: what counts is added up."""
        return LaneReport(
            self.lane,
            earlier.delivered + self.delivered,
            earlier.points + self.points,
            earlier.rejected + self.rejected,
            self.error,
            self.rejection or earlier.rejection,
        )

    @property
    def failed(self) -> bool:
        """Whether a person has to look: what is only unavailable heals by itself."""
        return self.rejected > 0 or (self.error is not None and not isinstance(self.error, SinkUnavailable))


def configure(outbox: Outbox, sinks: Iterable[Sink]) -> None:
    """Tell the outbox which lanes there are, and log those that nobody delivers any more; raises OutboxError."""
    for state in outbox.configure(Lane(sink.lane, sink.family, sink.outbox_max_bytes) for sink in sinks):
        logger.warning("kept for a destination that is gone: lane=%s payloads=%d", state.lane, state.payloads)


class Pace:
    """Spaces points out once a burst of them has gone, so that a store that comes back is not flooded."""

    def __init__(self, points_per_second: float, *, clock: Callable[[], float]) -> None:
        self._points_per_second = points_per_second
        self._clock = clock
        self._credit = float(REPLAY_BURST_POINTS)
        self._credited_at = clock()

    def pause_seconds(self, points: int) -> float:
        """Return how long to wait before so many points are sent, and count them as sent."""
        if math.isinf(self._points_per_second):
            return 0.0
        now = self._clock()
        earned = (now - self._credited_at) * self._points_per_second
        self._credit = min(REPLAY_BURST_POINTS, self._credit + earned) - points
        self._credited_at = now
        return max(0.0, -self._credit / self._points_per_second)


def ignore(_oldest: Stored) -> None:
    """Take no notice of a delivery."""


class LaneDelivery:
    """Delivers the payloads of one destination, oldest first."""

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        *,
        delivered: Callable[[Stored], None] = ignore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`delivered` is told of each delivery the oldest payload in it."""
        self.sink = sink
        self._delivered = delivered
        self._outbox = outbox
        self._stop = threading.Event()
        self._clock = clock
        self._pace = Pace(sink.replay_points_per_second, clock=clock)

    def drain(self) -> LaneReport:
        """Deliver until the lane is empty, the destination fails or the process is to stop; never raises."""
        tally = _Tally()
        try:
            error = self._drain(tally)
        except OutboxError as outbox_error:
            error = outbox_error
        except Exception as bug:  # a thread that died of it would keep everybody who waits for its report
            logger.exception("lane failed: lane=%s", self.sink.lane)
            error = _bug(self.sink, bug)
        return LaneReport(self.sink.lane, tally.delivered, tally.points, tally.rejected, error, tally.rejection)

    def stop(self) -> None:
        """Let the pass under way begin no other payload, and end soon if its sink can."""
        self._stop.set()
        self.sink.stop()

    def close(self) -> None:
        """Close the sink; never raises, as what it was to deliver has been settled."""
        try:
            self.sink.close()
        except Exception:  # a sink's bug must not keep the others open
            logger.exception("sink not closed: lane=%s", self.sink.lane)

    def _drain(self, tally: "_Tally") -> ImporterError | None:
        if self._outbox.oldest(self.sink.lane) is None:
            return None
        gives_up_at = self._clock() + LANE_LOCK_SECONDS

        def wait() -> bool:
            return not self._stop.wait(_POLL_SECONDS) and self._clock() < gives_up_at

        with self._outbox.lane_lock(self.sink.lane, wait=wait) as mine:
            if not mine:
                return SinkUnavailable(self.sink.lane, "another process is delivering to it")
            while not self._stop.is_set():
                waiting = self._outbox.next_payloads(self.sink.lane, points=self.sink.joined_points)
                if not waiting:
                    self._shrink()
                    return None
                if self._stop.wait(self._pace.pause_seconds(sum(stored.payload.points for stored in waiting))):
                    break
                error = self._deliver(waiting, tally)
                if error is not None:
                    self._outbox.note_problem(self.sink.lane, error.reason)
                    return error
        return SinkUnavailable(self.sink.lane, "the process was asked to stop; the rest is kept")

    def _shrink(self) -> None:
        try:
            self._outbox.shrink()
        except OutboxError as error:  # everything was delivered; the next pass that empties the lane tries again
            logger.warning("room not given back: %s", error)

    def _deliver(self, payloads: Sequence[Stored], tally: "_Tally") -> SinkError | None:
        """Deliver payloads as one; return the error that ends the pass, None if it goes on."""
        try:
            self.sink.deliver(_joined(payloads))
        except PartlyRejected as error:
            self._set_parts_aside(payloads, error, tally)
            return None
        except Rejected as error:
            return self._set_aside(payloads, error, tally)
        except SinkError as error:
            return error
        except Exception as error:  # a sink's bug must cost neither the data nor the other lanes
            logger.exception("sink failed: lane=%s", self.sink.lane)
            return _bug(self.sink, error)
        self._outbox.delivered(*payloads)
        self._delivered(payloads[0])
        tally.delivered += len(payloads)
        tally.points += sum(stored.payload.points for stored in payloads)
        return None

    def _set_aside(self, payloads: Sequence[Stored], error: Rejected, tally: "_Tally") -> SinkError | None:
        """Set a payload aside; of several look at each alone, as not all may be at fault."""
        if len(payloads) > 1:
            outcomes = (self._deliver([stored], tally) for stored in payloads)
            return next((outcome for outcome in outcomes if outcome is not None), None)
        (stored,) = payloads
        logger.error("payload set aside: %s id=%d points=%d", error, stored.id, stored.payload.points)
        self._outbox.reject(stored, error.reason)
        tally.rejected += 1
        tally.rejection = error.reason
        return None

    def _set_parts_aside(self, payloads: Sequence[Stored], error: PartlyRejected, tally: "_Tally") -> None:
        for part, reason in error.parts:
            logger.error("part of a payload set aside: %s: %s points=%d", self.sink.lane, reason, part.points)
        self._outbox.reject_parts(payloads, error.parts)
        tally.delivered += len(payloads)
        tally.points += sum(stored.payload.points for stored in payloads)
        tally.points -= sum(part.points for part, _ in error.parts)
        tally.rejected += len(error.parts)
        tally.rejection = error.reason


def _joined(payloads: Sequence[Stored]) -> Payload:
    first = payloads[0].payload
    if len(payloads) == 1:
        return first
    data = b"".join(stored.payload.data for stored in payloads)
    return Payload(data, sum(stored.payload.points for stored in payloads), first.format)


def _bug(sink: Sink, error: Exception) -> SinkError:
    return SinkError(sink.lane, f"{type(error).__name__}: {error}")


@dataclass(slots=True)
class _Tally:
    delivered: int = field(default=0)
    points: int = field(default=0)
    rejected: int = field(default=0)
    rejection: str = field(default="")
