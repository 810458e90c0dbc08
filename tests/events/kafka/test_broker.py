"""What only a real broker can show of events on their way through Kafka: processes of one group, and one is killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer as Reader
from confluent_kafka import TopicPartition

from importer.errors import PartlyRejected
from importer.events.event import Event, write_events
from tests.events.kafka.producing import events, produce
from tests.events.kafka.store import FileStore
from tests.servers.kafka import CONSUMER, READ_SECONDS, ROOT
from tests.servers.kafka_broker import KafkaBroker
from tests.servers.process import die_with_parent, wait_until

pytestmark = pytest.mark.slow

PARTITIONS = 6
DEADLINE_SECONDS = 60


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """A store that keeps events by their time."""
    made = FileStore(tmp_path / "store.sqlite")
    made.create()
    return made


@contextmanager
def consumer(broker: KafkaBroker, topic: str, store: FileStore, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A consumer in a process of its own, which is killed in the end unless it has ended."""
    command = [sys.executable, "-m", "tests.events.kafka.store", broker.brokers, topic, str(store.path), *arguments]
    with subprocess.Popen(die_with_parent(command), stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process writes."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def committed(broker: KafkaBroker, topic: str) -> int:
    """Return how many messages of a topic are settled."""
    reader = Reader(CONSUMER | {"bootstrap.servers": broker.brokers, "group.id": "stats-service"})
    try:
        found = reader.committed([TopicPartition(topic, number) for number in range(PARTITIONS)], timeout=READ_SECONDS)
        return sum(max(0, partition.offset) for partition in found)
    finally:
        reader.close()


def wait_for_events(store: FileStore, count: int) -> None:
    wait_until(
        lambda: len(store.times()) >= count,
        lambda: f"{len(store.times())} of {count} events stored",
        deadline_seconds=DEADLINE_SECONDS,
    )


def test_of_two_consumers_one_is_killed_in_a_batch_and_each_event_is_stored_once(
    kafka_broker: KafkaBroker, store: FileStore
) -> None:
    kafka_broker.create_topic("killed-consumer", partitions=PARTITIONS)
    produce(kafka_broker.brokers, "killed-consumer", events(20_000))
    with consumer(kafka_broker, "killed-consumer", store, "100") as victim:
        assert said(victim) == "in hand"
        assert len(store.times()) == 100
        with consumer(kafka_broker, "killed-consumer", store) as survivor:
            wait_for_events(store, 1_000)  # it has its share of the partitions
            victim.send_signal(signal.SIGKILL)
            produce(kafka_broker.brokers, "killed-consumer", events(1_000, start=20_000))
            wait_for_events(store, 21_000)
            survivor.send_signal(signal.SIGTERM)
            assert said(survivor).startswith("consumed=")
            assert survivor.wait(READ_SECONDS) == 0
    assert store.times() == [event.time for event in events(21_000)]
    assert committed(kafka_broker, "killed-consumer") == 21_000


def test_a_broker_that_was_killed_and_comes_back_loses_no_event(kafka_broker: KafkaBroker, store: FileStore) -> None:
    kafka_broker.create_topic("killed-broker", partitions=PARTITIONS)
    produce(kafka_broker.brokers, "killed-broker", events(1_000))
    with consumer(kafka_broker, "killed-broker", store) as reader:
        wait_for_events(store, 1_000)
        kafka_broker.kill()
        kafka_broker.start()
        produce(kafka_broker.brokers, "killed-broker", events(1_000, start=1_000))
        wait_for_events(store, 2_000)
        reader.send_signal(signal.SIGTERM)
        assert reader.wait(READ_SECONDS) == 0
    assert store.times() == [event.time for event in events(2_000)]


def test_an_event_that_is_too_large_for_the_broker_alone_is_set_aside(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("small-events", max_message_bytes=600)
    large = Event(10**18 + 20, {"event": "x" * 1_000, "event_id": "large"})
    with pytest.raises(PartlyRejected) as caught:
        produce(kafka_broker.brokers, "small-events", [*events(20), large])
    assert [part.data for part, _ in caught.value.parts] == [write_events([large])]
    assert len(kafka_broker.read("small-events")) == 20
