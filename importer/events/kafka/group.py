"""A place in a consumer group: it takes messages, and tells the group how far they are settled."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import wait
from typing import TYPE_CHECKING

from importer.errors import ConfigError, Problem, SinkError, SinkUnavailable
from importer.events.kafka.subscription import Subscription
from importer.parallel import DaemonExecutor
from importer.sinks.kafka_connection import LOOK_SECONDS, Voice
from importer.sinks.kafka_failure import Trouble
from importer.sinks.kafka_settings import why_not_installed

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

logger = logging.getLogger(__name__)

LEAVE_SECONDS = 1.5
"""How long taking leave of the group may last; without that it waits for session.timeout.ms, and goes on then."""
MAX_BATCH_BYTES = 16 * 2**20
_CHUNK = 500
_POLL_SECONDS = 0.25


class Membership:
    """Our place in the group, from `join` to `leave`. Not to be used by two threads at a time.

    `revoked` is called with the partitions that are no longer ours, inside `take` and `attend`.
    """

    def __init__(
        self,
        subscription: Subscription,
        *,
        revoked: Callable[[Collection[int]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError where Kafka's library is not installed, SinkRefused where it refuses the settings."""
        if missing := why_not_installed():
            raise ConfigError(Problem("kafka", missing))
        self._subscription = subscription
        self._on_revoked = revoked
        self._clock = clock
        self._voice = Voice()
        self._told = ""
        self._held = False
        self._taken: list[Message] = []
        self._unconfirmed: dict[int, int] = {}
        self._committing = False
        self._consumer = self._open()

    def _open(self) -> "Consumer":
        from confluent_kafka import Consumer, KafkaException

        callbacks = {"error_cb": self._voice.complain, "on_commit": self._committed}
        try:
            return Consumer({**self._subscription.configuration(), **callbacks}, logger=self._voice)
        except KafkaException as error:
            raise Trouble.of(error.args[0]).sink_error(self._subscription.name) from error

    def join(self, stop: threading.Event) -> bool:
        """Ask for a share of the topic; return False where `stop` came first.

        Raises SinkUnavailable where no broker answers, SinkRefused for a wrong log-in and a topic that is not there.
        """
        deadline = self._clock() + LOOK_SECONDS
        while not stop.is_set():
            try:
                has_topic = self._look()
            except SinkUnavailable:
                if self._clock() > deadline:
                    raise
                continue
            if not has_topic:
                trouble = Trouble("UNKNOWN_TOPIC_OR_PART", "the cluster has no such topic")
                raise trouble.sink_error(self._subscription.name)
            self._consumer.subscribe(
                [self._subscription.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
            return True
        return False

    def take(self, messages: int, seconds: float, stop: threading.Event) -> "list[Message]":
        """Return the next messages: so many, or what comes within so many seconds, or MAX_BATCH_BYTES of them.

        Raises SinkError where the membership has ended for good.
        """
        self._release()
        self._commit()
        deadline = self._clock() + seconds
        size = sum(map(_size, self._taken))
        while len(self._taken) < messages and size < MAX_BATCH_BYTES and not stop.is_set():
            remaining = deadline - self._clock()
            if remaining <= 0:
                break
            chunk = min(_CHUNK, messages - len(self._taken))
            come = list(filter(self._is_message, self._consumer.consume(chunk, min(_POLL_SECONDS, remaining))))
            self._taken += come
            size += sum(map(_size, come))
        taken, self._taken = self._taken, []
        if not taken and self._voice.trouble is not None:
            self._look_around()
        return taken

    def attend(self, seconds: float) -> None:
        """Stay in the group for so many seconds without taking messages."""
        if not self._held:
            self._held = True
            self._consumer.pause(self._consumer.assignment())
        self._poll(seconds)

    def settle(self, ends: Mapping[int, int]) -> None:
        """Tell the group, some time, that all before these offsets of partitions is settled."""
        self._unconfirmed.update(ends)
        self._commit()

    def leave(self) -> None:
        """Tell the group what is settled and that we go, within LEAVE_SECONDS or little more."""
        self._committing = False  # what is under way may be about less
        self._commit()
        pool = DaemonExecutor(name="kafka consumer")
        closing = pool.submit(self._consumer.close)
        pool.shutdown(wait=False)
        if closing in wait([closing], LEAVE_SECONDS).done:
            closing.result()
        else:
            logger.warning("the group was left without its knowledge: no answer from %s", self._subscription.name)

    def _look(self) -> bool:
        """Return whether the cluster has the topic; raises SinkUnavailable and SinkRefused."""
        from confluent_kafka import KafkaException

        try:
            seen = self._consumer.list_topics(timeout=LOOK_SECONDS / 10)
        except KafkaException as error:
            self._poll(0)  # lets us hear why
            trouble = self._voice.trouble or Trouble.of(error.args[0])
            raise trouble.sink_error(self._subscription.name) from error
        found = seen.topics.get(self._subscription.topic)
        return found is not None and found.error is None

    def _look_around(self) -> None:
        """Tell why nothing comes, unless what was heard is over by now."""
        try:
            self._look()
        except SinkError as error:
            self._tell(error)
        else:
            self._voice.all_is_well()
            self._told = ""

    def _poll(self, seconds: float) -> None:
        """Let librdkafka call us; a message that comes all the same is for the next `take`."""
        message = self._consumer.poll(seconds)
        if message is not None and self._is_message(message):
            self._taken.append(message)

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._consumer.resume(self._consumer.assignment())

    def _is_message(self, message: "Message") -> bool:
        """Return whether it is one, and not an error; tell of that."""
        error = message.error()
        if error is None:
            self._told = ""
            self._voice.all_is_well()
            return True
        trouble = Trouble.of(error)
        if error.fatal():
            raise trouble.sink_error(self._subscription.name)
        self._tell(trouble.sink_error(self._subscription.name))
        return False

    def _tell(self, problem: Exception) -> None:
        if self._told != str(problem):
            self._told = str(problem)
            logger.warning("no events for now: %s", problem)

    def _assigned(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        consumer.incremental_assign(partitions)
        if self._held:
            consumer.pause(partitions)
        logger.info("partitions to read: %s topic=%s", _numbers(consumer.assignment()), self._subscription.topic)

    def _revoked(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Forget what came from partitions that another member reads from now on, or again from what is settled."""
        gone = _numbers(partitions)
        self._taken = [message for message in self._taken if message.partition() not in gone]
        self._unconfirmed = {number: end for number, end in self._unconfirmed.items() if number not in gone}
        self._on_revoked(gone)
        consumer.incremental_unassign(partitions)
        logger.info("partitions given up: %s topic=%s", gone, self._subscription.topic)

    def _commit(self) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        if self._committing or not self._unconfirmed:
            return
        topic = self._subscription.topic
        offsets = [TopicPartition(topic, partition, end) for partition, end in self._unconfirmed.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._commit_failed(error.args[0])
        else:
            self._committing = True

    def _committed(self, error: "KafkaError | None", partitions: "list[TopicPartition]") -> None:
        """Hear what became of a commit; what was not confirmed is told once more with the next one."""
        self._committing = False
        for partition in partitions:
            trouble = error or partition.error
            if trouble is not None:
                self._commit_failed(trouble)
            elif self._unconfirmed.get(partition.partition) == partition.offset:
                del self._unconfirmed[partition.partition]

    def _commit_failed(self, error: "KafkaError") -> None:
        logger.info("offsets not committed yet: %s", Trouble.of(error).reason)


def _numbers(partitions: "list[TopicPartition]") -> list[int]:
    return sorted(partition.partition for partition in partitions)


def _size(message: "Message") -> int:
    return len(message.value() or b"")
