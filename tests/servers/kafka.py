"""A Kafka cluster to test against: librdkafka's mock brokers in a process of their own, read back by a consumer."""

import itertools
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, TopicPartition

from tests.servers.process import ServerFailed, die_with_parent

ROOT = Path(__file__).parents[2]
READ_SECONDS = 30

BACK_SOON = {"reconnect.backoff.max.ms": "100"}
"""What lets a client see soon that brokers are back."""
CONSUMER = {"group.id": "tests", "enable.auto.commit": False, "fetch.wait.max.ms": 10, "log_level": 2}

PRODUCE = 0
INIT_PRODUCER_ID = 22
"""Kinds of requests, as Kafka's protocol numbers them."""

_unused = (f"topic-{number}" for number in itertools.count())


def unused_topic() -> str:
    """Return a name that no topic of this process has had."""
    return next(_unused)


@dataclass(frozen=True, slots=True)
class Received:
    """A message as a consumer gets it."""

    key: str | None
    value: str
    partition: int = 0
    milliseconds: int = field(default=0, compare=False)
    """Its time, since 1970 UTC."""


def read_topic(brokers: str, topic: str) -> list[Received]:
    """Return all messages of a topic, those of each partition in their order; none for a topic that is not there."""
    consumer = Consumer(CONSUMER | {"bootstrap.servers": brokers})
    try:
        listed = consumer.list_topics(timeout=READ_SECONDS).topics
        partitions = sorted(listed[topic].partitions) if topic in listed else []
        return [message for partition in partitions for message in _read_partition(consumer, topic, partition)]
    finally:
        consumer.close()


def _read_partition(consumer: Consumer, topic: str, partition: int) -> list[Received]:
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_SECONDS)
    consumer.assign([TopicPartition(topic, partition, first)])
    found: list[Received] = []
    while len(found) < end - first:
        message = consumer.poll(READ_SECONDS)
        if message is None or message.error():
            raise ServerFailed(
                f"{topic}: {end - first} messages wanted, {len(found)} read: {message and message.error()}"
            )
        key, value = message.key(), message.value()
        milliseconds = message.timestamp()[1]
        found.append(Received(None if key is None else key.decode(), value.decode(), partition, milliseconds))
    return found


class MockKafka:
    """Mock brokers. As a context manager they run, and end, with the block.

    A restart moves them to other ports and empties them, as librdkafka takes none but the ports that the kernel
    gives: for an outage take them down and up.
    """

    def __init__(self, *, brokers: int = 1) -> None:
        self._size = brokers
        self.brokers = ""
        """Where they listen, host:port,host:port."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            die_with_parent([sys.executable, "-m", "tests.servers.kafka_mock", str(self._size)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        self.brokers = self._answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End the brokers as a power cut would."""
        self._process.kill()
        self._process.communicate()

    def pause(self) -> None:
        """Stop the brokers' clock: the kernel goes on accepting connections, nobody reads from them."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo pause()."""
        self._process.send_signal(signal.SIGCONT)

    def down(self) -> None:
        """Close all connections, and take no more."""
        self._call("down")

    def up(self) -> None:
        """Take connections again."""
        self._call("up")

    def create_topic(self, topic: str, *, partitions: int = 1) -> None:
        """Make a topic; without that one is made, of four partitions, when somebody asks for it."""
        self._call("create_topic", topic, partitions)

    def new_topic(self, *, partitions: int = 1) -> str:
        """Make a topic of a name that none has had, and return the name."""
        topic = unused_topic()
        self.create_topic(topic, partitions=partitions)
        return topic

    def topic_error(self, topic: str, code: int) -> None:
        """Answer who asks for a topic with one of KafkaError's codes, 0 for none."""
        self._call("topic_error", topic, code)

    def fail(self, *codes: int, request: int = PRODUCE) -> None:
        """Answer the next requests of a kind with these of KafkaError's codes, one each."""
        self._call("fail", request, codes)

    def recover(self, *, request: int = PRODUCE) -> None:
        """Forget the errors that have not been answered yet."""
        self._call("recover", request)

    def heal(self) -> None:
        """Undo pause(), down() and fail()."""
        self.resume()
        self.up()
        for request in (PRODUCE, INIT_PRODUCER_ID):
            self.recover(request=request)

    def read(self, topic: str) -> list[Received]:
        """Return all messages of a topic, those of each partition in their order."""
        return read_topic(self.brokers, topic)

    def _call(self, *call: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(call)}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ServerFailed("the mock brokers have ended")
        return line.strip()
