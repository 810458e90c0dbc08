"""A running librdkafka producer: several threads send through it at a time, and each learns what became of its own."""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from importer.sinks.kafka_failure import Failure, Message, Outcome, Trouble, told
from importer.sinks.kafka_settings import Cluster, configuration

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0
"""How long the last sink waits, when it closes, for messages that another thread has under way."""
LOOK_SECONDS = 10.0
"""How long a cluster may take to tell about itself, unless messages have less time."""
_POLL_SECONDS = 0.1
_IDLE_SECONDS = 1.0
_MAX_TOLD = 1_000

_CLOSED = Trouble("_DESTROY", "the producer was closed before all messages were confirmed")


@dataclass(frozen=True, slots=True)
class Overview:
    """What a cluster says about itself and a topic."""

    cluster: str
    """Its id."""
    brokers: int
    partitions: int | None
    """Of the topic; None where the cluster shows us no such topic."""


class Delivery:
    """The messages that one call sends, until each of them is confirmed or has failed.

    Only the thread that polls touches it, until `done` is set.
    """

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        self.failures: list[Failure] = []
        self.done = threading.Event()
        self._open = dict(enumerate(messages))
        if not self._open:
            self.done.set()

    def settle(self, number: int, trouble: Trouble | None) -> None:
        """Note what became of a message."""
        message = self._open.pop(number)
        if trouble is not None:
            self.failures.append(Failure(message, trouble))
        if not self._open:
            self.done.set()

    def fail(self, trouble: Trouble) -> None:
        """Note the same trouble for all messages of which nothing is known yet."""
        for number in tuple(self._open):
            self.settle(number, trouble)


@dataclass(slots=True)
class Voice:
    """What librdkafka says meanwhile. Holds no reference to the producer, which would keep that from being freed."""

    trouble: Trouble | None = None
    """Why messages do not get through, as far as is known; a refusal is not forgotten for what follows from it."""
    _told: set[str] = field(default_factory=set)

    def complain(self, error: "KafkaError") -> None:
        """Take an error that is about no message in particular: a connection, a log-in."""
        trouble = Trouble.of(error)
        if trouble.code == "_ALL_BROKERS_DOWN":  # never says why
            return
        if self.trouble is None or self.trouble.outcome is not Outcome.REFUSED:
            self.trouble = trouble

    def log(self, level: int, template: str, *arguments: object) -> None:
        """Take a line of librdkafka's log; each is told once until messages get through: it can repeat 20 a second."""
        text = told(template % arguments)
        if text in self._told or len(self._told) >= _MAX_TOLD:
            return
        self._told.add(text)
        logger.log(logging.INFO if level >= logging.ERROR else logging.DEBUG, "librdkafka: %s", text)

    def all_is_well(self) -> None:
        """Forget what was said: a message got through."""
        self.trouble = None
        self._told.clear()


class Connection:
    """A running producer and the thread that hears its reports. Ends for good after a fatal error.

    `lane` is the destination to name in errors. Making one raises SinkError where librdkafka refuses the settings.
    """

    def __init__(self, cluster: Cluster, *, lane: str) -> None:
        from confluent_kafka import KafkaException, Producer

        self._voice = Voice()
        self._look_seconds = min(LOOK_SECONDS, cluster.timeout_seconds)
        self._timed_out = Trouble("_MSG_TIMED_OUT", f"not confirmed within {cluster.timeout_seconds:g} s")
        self._reports: deque[tuple[Delivery, int, KafkaError | None]] = deque()
        self._changed = threading.Condition()
        self._deliveries: set[Delivery] = set()
        self._retired = self._cut_off = False
        self._ended: Trouble | None = None
        settings = configuration(dict(cluster.settings), timeout_seconds=cluster.timeout_seconds)
        settings["bootstrap.servers"] = cluster.brokers
        try:
            self._producer = Producer({**settings, "error_cb": self._voice.complain}, logger=self._voice)
        except KafkaException as error:
            raise Trouble.of(error.args[0]).sink_error(lane) from error
        self._thread = threading.Thread(target=self._serve, name="kafka producer", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it cannot be used any more."""
        return self._ended is not None

    def send(self, topic: str, messages: Sequence[Message], *, lane: str) -> list[Failure]:
        """Send messages in their order and return those that failed, once the fate of each is known.

        Raises SinkError where nothing can be sent any more.
        """
        delivery = Delivery(messages)
        with self._using(delivery, lane):
            for number, message in enumerate(messages):
                self._produce(topic, message, delivery, number)
            delivery.done.wait()
        return delivery.failures

    def _produce(self, topic: str, message: Message, delivery: Delivery, number: int) -> None:
        from confluent_kafka import KafkaException

        key, value, milliseconds = message
        report = partial(_report, self._reports, delivery, number)
        try:
            self._producer.produce(
                topic,
                value.encode(),
                None if key is None else key.encode(),
                on_delivery=report,
                timestamp=milliseconds,
            )
        except KafkaException as error:
            report(error.args[0], None)

    def look(self, topic: str, *, lane: str) -> Overview:
        """Return what the cluster tells about itself; makes no topic. Raises SinkError."""
        from confluent_kafka import KafkaException

        with self._using(Delivery(), lane):
            try:
                seen = self._producer.list_topics(timeout=self._look_seconds)
            except KafkaException as error:
                trouble = self._voice.trouble or Trouble.of(error.args[0])
                raise trouble.sink_error(lane) from error
        found = seen.topics.get(topic)
        partitions = len(found.partitions) if found is not None and found.error is None else None
        return Overview(str(seen.cluster_id), len(seen.brokers), partitions)

    def retire(self) -> None:
        """End once the deliveries under way are done; does not wait for that."""
        with self._changed:
            self._retired = True
            self._changed.notify_all()

    def close(self) -> None:
        """End within CLOSE_SECONDS or little more; what is not confirmed by then has failed."""
        self.retire()
        self._thread.join(CLOSE_SECONDS)
        self._cut_off = True
        self._thread.join()

    @contextmanager
    def _using(self, delivery: Delivery, lane: str) -> Iterator[None]:
        with self._changed:
            if self._ended is not None:
                raise self._ended.sink_error(lane)
            self._deliveries.add(delivery)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._deliveries.discard(delivery)
                self._changed.notify_all()

    def _serve(self) -> None:
        """Hear what librdkafka has to report, until nobody sends any more."""
        end = _CLOSED
        try:
            while self._await_work():
                self._producer.poll(_POLL_SECONDS)
                self._settle()
        except Exception as error:  # noqa: BLE001 - whatever ends the polling, those who wait for it have to be told
            end = _fatal_trouble(error)
            logger.info("producer thrown away: %s", end.reason)
        with self._changed:
            self._settle()
            self._ended = end
            for delivery in self._deliveries:
                delivery.fail(end)

    def _await_work(self) -> bool:
        """Return whether to poll on, as soon as there may be something to hear: now and then it is only a log line."""
        with self._changed:
            self._changed.wait_for(lambda: self._deliveries or self._retired, _IDLE_SECONDS)
            return not self._cut_off and (bool(self._deliveries) or not self._retired)

    def _settle(self) -> None:
        while self._reports:
            delivery, number, error = self._reports.popleft()
            if error is None:
                self._voice.all_is_well()
            delivery.settle(number, None if error is None else self._explained(error))

    def _explained(self, error: "KafkaError") -> Trouble:
        """Return why a message failed: of one that only waited in vain, what was heard meanwhile."""
        trouble = Trouble.of(error)
        if trouble.code != self._timed_out.code:
            return trouble
        heard = self._voice.trouble
        return Trouble(heard.code, f"{self._timed_out.reason}: {heard.reason}") if heard else self._timed_out


def _report(
    reports: deque[tuple[Delivery, int, "KafkaError | None"]],
    delivery: Delivery,
    number: int,
    error: "KafkaError | None",
    _: object,
) -> None:
    """Put a report where the polling thread finds it, and do nothing else.

    confluent-kafka (seen with 2.16) calls this with an exception pending once an error was fatal; what Python code
    does then may end anywhere, with a lock held as well.
    """
    reports.append((delivery, number, error))


def _fatal_trouble(error: BaseException) -> Trouble:
    """Return what ended a producer: its exception, or the cause of the SystemError that a pending one makes."""
    from confluent_kafka import KafkaException

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KafkaException):
        cause = cause.__cause__
    return Trouble("_FATAL", f"{type(error).__name__}: {error}") if cause is None else Trouble.of(cause.args[0])
