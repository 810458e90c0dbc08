"""What the tests of delivery share: payloads, and a look at what waits."""

import threading
from collections.abc import Callable

from importer.delivery import Delivery
from importer.lane import LaneDelivery
from importer.outbox import Outbox
from importer.points import Payload
from tests.doubles import FakeClock, MemorySink

A, B = "memory://a", "memory://b"


def payload(text: str, points: int = 1) -> Payload:
    return Payload(text.encode(), points)


def add(outbox: Outbox, lane: str, *texts: str) -> None:
    with outbox.transaction() as transaction:
        transaction.add(lane, map(payload, texts))


def waiting(outbox: Outbox, lane: str = A) -> int:
    return sum(state.payloads for state in outbox.lanes() if state.lane == lane)


def problem(outbox: Outbox, lane: str = A) -> str:
    return next(state.problem for state in outbox.lanes() if state.lane == lane)


def taken(sink: MemorySink) -> list[str]:
    return [payload.data.decode() for payload in sink.taken]


def lane_of(outbox: Outbox, sink: MemorySink, clock: Callable[[], float] = FakeClock()) -> LaneDelivery:  # noqa: B008 never moves
    return LaneDelivery(outbox, sink, clock=clock)


def frozen(outbox: Outbox, *sinks: MemorySink, stop: threading.Event) -> Delivery:
    """Return deliveries that never try again by themselves: their clock stands still."""
    return Delivery(outbox, sinks, stop=stop, clock=FakeClock(), chance=lambda: 1.0)
