"""From a topic of events to a store: any number of processes share the topic's partitions.

Offsets are committed only once the store has the events: none is lost, whatever ends the process. Some may be
written twice then, which stores allow.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, wait

from importer.delivery import BACKOFF_LIMIT_SECONDS, Backoff
from importer.errors import (
    ImporterError,
    OutboxError,
    PartlyRejected,
    Rejected,
    SinkError,
    SinkUnavailable,
    Stopped,
)
from importer.events.kafka.batch import Batch
from importer.events.kafka.group import Membership
from importer.events.kafka.subscription import Subscription
from importer.parallel import DaemonExecutor
from importer.points import Payload
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

BATCH_MESSAGES = 5_000
BATCH_SECONDS = 1.0
FINISH_SECONDS = 2.0
"""How long a batch in hand may take to be finished once the process is asked to stop."""
_PATIENCE_SECONDS = 0.5
"""How long a delivery may take before we pause: to pause throws away what was fetched ahead."""
_ATTEND_SECONDS = 0.1
_LEFT = "stopped: the batch in hand was left, and is read again by who comes next"


def _nothing() -> None:
    return


class Consumer:
    """Reads a topic as a member of a group, and gives what it reads to a sink, a batch at a time.

    `set_aside` keeps what the store can never take, and raises OutboxError if it cannot. `progress` is called
    whenever the consumer shows that it is alive, some times a second.
    """

    def __init__(
        self,
        subscription: Subscription,
        sink: Sink,
        *,
        set_aside: Callable[[Payload, str], None],
        progress: Callable[[], None] = _nothing,
        backoff_limit_seconds: float = BACKOFF_LIMIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Raises ConfigError where Kafka's library is not installed, SinkRefused where it refuses the settings."""
        self.consumed = 0
        """Messages that were taken from the topic."""
        self.delivered = 0
        """Events that the store has."""
        self.set_aside = 0
        """Messages that were no events, and events that the store can never take."""
        self.problem = ""
        """Why the batch in hand is not in the store yet; empty while all goes well."""
        self._sink = sink
        self._set_aside = set_aside
        self._progress = progress
        self._clock = clock
        self._backoff = Backoff(limit_seconds=backoff_limit_seconds, chance=chance)
        self._batch: Batch | None = None
        self._pool = DaemonExecutor(1, name="store")
        self._group = Membership(subscription, revoked=self._forget, clock=clock)

    def run(self, stop: threading.Event) -> None:
        """Read and deliver until `stop`; leaves the group within 5 s of it. To be called once.

        Raises SinkError if at the start no broker answers, the log-in is refused or the topic is not there, and
        later if librdkafka gives up for good.
        """
        try:
            if self._group.join(stop):
                self._read(stop)
        except Stopped as error:
            logger.info("%s", error)
        finally:
            self._pool.shutdown(wait=False)
            self._group.leave()

    def _read(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._progress()
            messages = self._group.take(BATCH_MESSAGES, BATCH_SECONDS, stop)
            if messages and not stop.is_set():
                self.consumed += len(messages)
                self._batch = Batch.of(messages)
                self._finish(self._batch, stop)

    def _finish(self, batch: Batch, stop: threading.Event) -> None:
        """Bring a batch to the store, however long that takes. Raises Stopped; what is not committed is read again."""
        while (error := self._try(batch, stop)) is not None:
            self._tell(error)
            self._wait(self._pause_seconds(error), stop)
        self._tell(None)
        self._backoff.pause_seconds(None)
        self._group.settle(batch.ends)

    def _try(self, batch: Batch, stop: threading.Event) -> ImporterError | None:
        """Deliver and set aside what is left of a batch; return what keeps it from being settled."""
        payload = batch.payload
        if payload is not None:
            delivery = self._pool.submit(self._sink.deliver, payload)
            self._await(delivery, stop)
            try:
                rejects = self._rejects_of(delivery, payload)
            except SinkError as error:
                return error
            batch.delivered(rejects)
            self.delivered += payload.points - sum(part.points for part, _ in rejects)
        try:
            self._set_aside_all(batch)
        except OutboxError as error:
            return error
        return None

    def _await(self, delivery: Future[None], stop: threading.Event) -> None:
        """Return once a delivery has come to an end, and stay in the group meanwhile; raises Stopped."""
        wait([delivery], _PATIENCE_SECONDS)
        deadline = math.inf
        while not delivery.done():
            if stop.is_set() and deadline == math.inf:
                deadline = self._clock() + FINISH_SECONDS
                self._sink.stop()
            if self._clock() > deadline:
                raise Stopped(_LEFT)
            self._attend()

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        """Stay in the group for so many seconds; raises Stopped."""
        resumes_at = self._clock() + seconds
        while not stop.is_set():
            if self._clock() >= resumes_at:
                return
            self._attend()
        raise Stopped(_LEFT)

    def _attend(self) -> None:
        self._progress()
        self._group.attend(_ATTEND_SECONDS)

    def _rejects_of(self, delivery: Future[None], payload: Payload) -> Sequence[tuple[Payload, str]]:
        """Return what the store will never take of a payload of which it has the rest; raises SinkError."""
        try:
            delivery.result()
        except PartlyRejected as error:
            return error.parts
        except Rejected as error:
            return [(payload, error.reason)]
        except SinkError:
            raise
        except Exception as bug:  # the sink's, which must not cost the events
            logger.exception("sink failed: lane=%s", self._sink.lane)
            raise SinkError(self._sink.lane, f"{type(bug).__name__}: {bug}") from bug
        return []

    def _set_aside_all(self, batch: Batch) -> None:
        """Bring the rejects of a batch to safety; raises OutboxError."""
        rejects = batch.rejects
        for payload, reason in rejects:
            self._set_aside(payload, reason)
            batch.set_aside(1)
            self.set_aside += payload.points
        if rejects:
            logger.error("events set aside: %d lane=%s the last: %s", len(rejects), self._sink.lane, rejects[-1][1])

    def _pause_seconds(self, error: ImporterError) -> float:
        """Return how long to wait: a refusal too may be mended without anybody telling us."""
        heals = error if isinstance(error, SinkUnavailable) else SinkUnavailable(self._sink.lane, str(error))
        return self._backoff.pause_seconds(heals)

    def _tell(self, error: ImporterError | None) -> None:
        """Log what keeps events from the store, each reason once, and that it is over."""
        problem = "" if error is None else str(error)
        if problem == self.problem:
            return
        self.problem = problem
        if error is None:
            logger.info("the store takes events again: lane=%s", self._sink.lane)
        else:
            level = logging.WARNING if isinstance(error, SinkUnavailable) else logging.ERROR
            logger.log(level, "events are kept in Kafka: %s", error)

    def _forget(self, partitions: Collection[int]) -> None:
        if self._batch is not None:
            self._batch.forget(partitions)
