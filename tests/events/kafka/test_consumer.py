"""From a topic to a store, as a member of a consumer group of librdkafka's mock brokers."""

import itertools
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer as Reader
from confluent_kafka import TopicPartition

from importer.config import ObjectReader
from importer.errors import (
    ConfigError,
    OutboxError,
    PartlyRejected,
    Rejected,
    SinkRefused,
    SinkUnavailable,
)
from importer.events.event import EVENTS_FORMAT, Event, read_events, write_events
from importer.events.kafka.consumer import Consumer
from importer.events.kafka.subscription import Subscription
from importer.points import Payload
from importer.sinks.kafka import KafkaSink, messages_payload
from tests.doubles import Gate, MemorySink, unavailable
from tests.events.kafka.producing import events, produce
from tests.events.kafka.store import SETTINGS
from tests.servers.kafka import CONSUMER, READ_SECONDS, MockKafka
from tests.servers.process import wait_until

PARTITIONS = 4
GIVEN_UP = "partitions given up: "


@pytest.fixture
def topic(kafka: MockKafka) -> str:
    """A topic, for this test alone."""
    return kafka.new_topic(partitions=PARTITIONS)


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "importer.events")


def produce_texts(kafka: MockKafka, topic: str, *texts: str) -> None:
    with closing(KafkaSink(brokers=kafka.brokers, topic=topic)) as sink:
        sink.deliver(messages_payload([("one", text) for text in texts]))


def committed(kafka: MockKafka, topic: str, group: str) -> int:
    """Return how many messages of a topic are settled for a group."""
    reader = Reader(CONSUMER | {"bootstrap.servers": kafka.brokers, "group.id": group})
    try:
        found = reader.committed([TopicPartition(topic, number) for number in range(PARTITIONS)], timeout=READ_SECONDS)
        return sum(max(0, partition.offset) for partition in found)
    finally:
        reader.close()


def taken(*stores: MemorySink) -> list[Event]:
    """Return what stores hold, in the order of time."""
    found = [event for store in stores for payload in store.taken for event in read_events(payload.data)]
    return sorted(found, key=lambda event: event.time)


class Rejects:
    """Keeps what is set aside, and fails as often as it is told."""

    def __init__(self, *, failures: int = 0) -> None:
        self.kept: list[tuple[bytes, str]] = []
        self._failures = failures

    def __call__(self, payload: Payload, reason: str) -> None:
        if self._failures:
            self._failures -= 1
            raise OutboxError("stats-service.outbox", "disk full")
        self.kept.append((payload.data, reason))


@pytest.fixture
def build(kafka: MockKafka, topic: str) -> Callable[..., Consumer]:
    """`build(store, **options)` makes a consumer of the topic, whose group is named like it."""

    def make(store: MemorySink, *, rejects: Rejects | None = None, **options: object) -> Consumer:
        settings = {**SETTINGS, **options.pop("settings", {})}
        subscription = Subscription(kafka.brokers, topic, group=topic, settings=settings)
        return Consumer(subscription, store, set_aside=rejects or Rejects(), **{"chance": lambda: 0.0, **options})

    return make


@contextmanager
def running(consumer: Consumer) -> Iterator[Future[None]]:
    """Let a consumer run meanwhile, and see to it that it ends well."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        end = pool.submit(consumer.run, stop)
        try:
            yield end
        finally:
            stop.set()
        end.result(READ_SECONDS)


def wait_for_delivery(consumer: Consumer, count: int) -> None:
    wait_until(
        lambda: consumer.delivered + consumer.set_aside >= count,
        lambda: f"{consumer.delivered=} {consumer.set_aside=}, {count} wanted",
        deadline_seconds=READ_SECONDS,
    )


def test_the_store_gets_the_events_and_the_group_learns_it(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    store, wanted = MemorySink(), events(7_000)
    produce(kafka.brokers, topic, wanted)
    consumer = build(store)
    with running(consumer):
        wait_for_delivery(consumer, 7_000)
    assert taken(store) == wanted
    assert max(payload.points for payload in store.taken) <= 5_000
    assert {payload.format for payload in store.taken} == {EVENTS_FORMAT}
    assert committed(kafka, topic, topic) == 7_000
    assert (consumer.consumed, consumer.delivered, consumer.set_aside, consumer.problem) == (7_000, 7_000, 0, "")


@pytest.mark.slow
def test_the_next_consumer_goes_on_where_the_last_one_ended(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    for start in (0, 50):
        wanted = events(50, start=start)
        produce(kafka.brokers, topic, wanted)
        store = MemorySink()
        consumer = build(store)
        with running(consumer):
            wait_for_delivery(consumer, 50)
        assert taken(store) == wanted


@pytest.mark.parametrize(
    "error", [unavailable(), SinkRefused("memory://a", "401: correct influxdb.password"), RuntimeError("a bug")]
)
def test_while_the_store_takes_nothing_events_wait_and_the_log_says_so_once(
    kafka: MockKafka,
    topic: str,
    build: Callable[..., Consumer],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    store, wanted = MemorySink(answers=[error] * 3), events(20)
    produce(kafka.brokers, topic, wanted)
    consumer = build(store)
    with running(consumer):
        wait_for_delivery(consumer, 20)
    assert taken(store) == wanted
    assert committed(kafka, topic, topic) == 20
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    kept = [line for line in said if line[1].startswith("events are kept in Kafka: memory://a: ")]
    assert [line[0] for line in kept] == ["WARNING" if isinstance(error, SinkUnavailable) else "ERROR"]
    assert ("INFO", "the store takes events again: lane=memory://a") in said


def test_what_waits_for_the_store_is_told_in_the_status(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    produce(kafka.brokers, topic, events(1))
    consumer = build(MemorySink(answers=[unavailable()]), chance=lambda: 1e9, backoff_limit_seconds=1e9)
    with running(consumer):
        wait_until(lambda: consumer.problem, lambda: "no problem told", deadline_seconds=READ_SECONDS)
    assert consumer.problem == "memory://a: connection refused"
    assert (consumer.consumed, consumer.delivered) == (1, 0)
    assert committed(kafka, topic, topic) == 0


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ("", "Input is a zero-length, empty document"),
        ("no JSON", "expected 'null'"),
        ("[1]", "is no event"),
        ('{"time":"today","event":{"event":"x"}}', "is no event"),
        ('{"time":1,"event":{}}', "it has no fields"),
        ('{"time":1,"event":{"a":{"b":1}}}', "'a' is neither text, a number nor a truth value"),
        ('{"time":1,"event":{"a":null}}', "'a' is neither text"),
    ],
)
def test_a_message_that_is_no_event_is_set_aside_and_the_others_go_on(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer], poison: str, reason: str
) -> None:
    store, rejects, wanted = MemorySink(), Rejects(), events(2)
    good = write_events(wanted).decode().splitlines()
    produce_texts(kafka, topic, good[0], poison, good[1])
    consumer = build(store, rejects=rejects)
    with running(consumer):
        wait_for_delivery(consumer, 3)
    assert taken(store) == wanted
    ((data, told),) = rejects.kept
    assert data == poison.encode() + b"\n"
    assert "offset 1: " in told
    assert reason in told
    assert committed(kafka, topic, topic) == 3
    assert (consumer.consumed, consumer.delivered, consumer.set_aside) == (3, 2, 1)


def test_a_batch_of_poison_alone_is_set_aside_and_settled(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer], caplog: pytest.LogCaptureFixture
) -> None:
    store, rejects = MemorySink(), Rejects()
    produce_texts(kafka, topic, *["poison"] * 100)
    consumer = build(store, rejects=rejects)
    with running(consumer):
        wait_for_delivery(consumer, 100)
    assert (len(rejects.kept), store.taken) == (100, [])
    assert committed(kafka, topic, topic) == 100
    assert sum("events set aside: " in record.getMessage() for record in caplog.records) < 100


def test_an_event_in_several_lines_of_json_reaches_the_store_in_one(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    store = MemorySink()
    produce_texts(kafka, topic, '{\n"time": 1,\r\n"measurement": "m",\n"fields": {"v": 1}}')
    consumer = build(store)
    with running(consumer):
        wait_for_delivery(consumer, 1)
    assert taken(store) == [Event(1, {"v": 1}, "m")]


def test_what_the_store_will_never_take_is_set_aside_and_the_rest_is_delivered(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    part = Payload(b"the second\n", 1, EVENTS_FORMAT)
    store = MemorySink(answers=[PartlyRejected("memory://a", [(part, "type conflict")])])
    rejects = Rejects()
    produce(kafka.brokers, topic, events(3))
    consumer = build(store, rejects=rejects)
    with running(consumer):
        wait_for_delivery(consumer, 3)
    assert rejects.kept == [(b"the second\n", "type conflict")]
    assert (consumer.delivered, consumer.set_aside) == (2, 1)
    assert committed(kafka, topic, topic) == 3


def test_a_payload_that_is_rejected_is_set_aside_as_a_whole(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    rejects = Rejects()
    produce_texts(kafka, topic, *write_events(events(3)).decode().splitlines())
    consumer = build(MemorySink(answers=[Rejected("memory://a", "never")]), rejects=rejects)
    with running(consumer):
        wait_for_delivery(consumer, 3)
    assert rejects.kept == [(write_events(events(3)), "never")]
    assert (consumer.delivered, consumer.set_aside) == (0, 3)


def test_nothing_is_settled_before_what_is_set_aside_is_safe_and_the_store_is_not_asked_again(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    store, rejects = MemorySink(), Rejects(failures=2)
    produce_texts(kafka, topic, "poison", *write_events(events(1)).decode().splitlines())
    consumer = build(store, rejects=rejects)
    with running(consumer):
        wait_for_delivery(consumer, 2)
    assert len(rejects.kept) == 1
    assert len(store.taken) == 1
    assert committed(kafka, topic, topic) == 2


def test_a_delivery_that_ends_soon_after_the_stop_is_settled(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    gate = Gate()
    produce(kafka.brokers, topic, events(5))
    store = MemorySink(answers=[gate])
    store.stop = gate.open
    with running(build(store)):
        gate.wait_until_entered()
    assert taken(store) == events(5)
    assert committed(kafka, topic, topic) == 5


@pytest.mark.slow
def test_a_delivery_that_does_not_end_is_left_and_its_events_come_again(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    gate, wanted = Gate(), events(5)
    produce(kafka.brokers, topic, wanted)
    with running(build(MemorySink(answers=[gate]))):
        gate.wait_until_entered()
    assert committed(kafka, topic, topic) == 0
    store = MemorySink()
    consumer = build(store)
    with running(consumer):
        wait_for_delivery(consumer, 5)
    gate.open()
    assert taken(store) == wanted


@pytest.mark.slow
def test_a_store_that_takes_ages_does_not_cost_the_place_in_the_group(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer], caplog: pytest.LogCaptureFixture
) -> None:
    gate, turns = Gate(), queue.SimpleQueue[None]()
    produce(kafka.brokers, topic, events(5))
    expelled_soon = {"session.timeout.ms": "1000", "heartbeat.interval.ms": "100", "max.poll.interval.ms": "1000"}
    store = MemorySink(answers=[gate, unavailable()])
    consumer = build(store, settings=expelled_soon, progress=lambda: turns.put(None))
    with running(consumer):
        gate.wait_until_entered()
        for _ in range(turns.qsize() + 30):  # three seconds
            turns.get(timeout=READ_SECONDS)
        gate.open()
        wait_for_delivery(consumer, 5)
        assert GIVEN_UP not in caplog.text
    assert [payload.points for payload in store.taken] == [5]


@pytest.mark.slow
def test_members_share_the_partitions_and_what_one_had_in_hand_is_not_settled_by_it(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer], caplog: pytest.LogCaptureFixture
) -> None:
    gate, wanted = Gate(), events(400)
    produce(kafka.brokers, topic, wanted)
    slow, quick = MemorySink("memory://slow", answers=[gate]), MemorySink("memory://quick")
    with running(build(slow)):
        gate.wait_until_entered()
        other = build(quick)
        with running(other):
            wait_for_delivery(other, 1)
            assert GIVEN_UP in caplog.text
            assert 0 < committed_soon(kafka, topic) < 400
            gate.open()
            wait_until(
                lambda: committed(kafka, topic, topic) == 400,
                lambda: f"{committed(kafka, topic, topic)} of 400 settled",
                deadline_seconds=READ_SECONDS,
            )
    assert {event.time for event in taken(slow, quick)} == {event.time for event in wanted}


def committed_soon(kafka: MockKafka, topic: str) -> int:
    """Return how many messages are settled, as soon as any are."""
    return wait_until(
        lambda: committed(kafka, topic, topic), lambda: "nothing is settled", deadline_seconds=READ_SECONDS
    )


@pytest.mark.slow
def test_a_retry_leaves_out_what_another_member_reads_by_then(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    produce(kafka.brokers, topic, events(400))
    gate = Gate()

    def fail(payload: Payload) -> None:
        gate(payload)
        raise unavailable()

    first, second = MemorySink(answers=[fail]), MemorySink()
    consumer = build(first)
    with running(consumer):
        gate.wait_until_entered()
        other = build(second)
        with running(other):
            wait_for_delivery(other, 1)
            gate.open()
            wait_for_delivery(consumer, 1)
            wait_for_delivery(other, 400 - consumer.delivered)
    assert taken(first, second) == events(400)


@pytest.mark.slow
def test_an_outage_of_the_brokers_is_told_once_and_survived(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer], caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [record.levelname for record in caplog.records if "no events for now: kafka://" in record.getMessage()]

    store, turns = MemorySink(), queue.SimpleQueue[None]()
    consumer = build(store, progress=lambda: turns.put(None))
    with running(consumer):
        produce(kafka.brokers, topic, events(10))
        wait_for_delivery(consumer, 10)
        kafka.down()
        wait_until(told, lambda: caplog.text, deadline_seconds=READ_SECONDS)
        for _ in range(turns.qsize() + 2):
            turns.get(timeout=READ_SECONDS)
        assert told() == ["WARNING"]
        kafka.up()
        produce(kafka.brokers, topic, events(10, start=10))
        wait_for_delivery(consumer, 20)
    assert {event.time for event in taken(store)} == {event.time for event in events(20)}


def test_brokers_that_are_away_do_not_keep_it_from_ending(
    kafka: MockKafka, topic: str, build: Callable[..., Consumer]
) -> None:
    store = MemorySink()
    consumer = build(store)
    with running(consumer):
        produce(kafka.brokers, topic, events(10))
        wait_for_delivery(consumer, 10)
        kafka.pause()
    kafka.resume()
    assert taken(store) == events(10)


def test_a_topic_that_is_not_there_is_refused_at_the_start(kafka: MockKafka) -> None:
    consumer = Consumer(Subscription(kafka.brokers, "never-made"), MemorySink(), set_aside=Rejects())
    with pytest.raises(SinkRefused, match=r"^kafka://\S+/never-made: the cluster has no such topic: make the topic"):
        consumer.run(threading.Event())


def test_brokers_that_are_not_there_are_told_at_the_start() -> None:
    ticks = itertools.count(0, 20)
    consumer = Consumer(
        Subscription("127.0.0.1:1", "events"), MemorySink(), set_aside=Rejects(), clock=lambda: next(ticks)
    )
    with pytest.raises(SinkUnavailable, match=r"^kafka://127\.0\.0\.1:1/events: "):
        consumer.run(threading.Event())


def test_a_stop_ends_the_search_for_brokers() -> None:
    with running(Consumer(Subscription("127.0.0.1:1", "events"), MemorySink(), set_aside=Rejects())) as end:
        assert not end.done()


def test_settings_that_a_consumer_cannot_have_are_refused_in_one_line() -> None:
    odd = Subscription("k:1", "t", settings={"session.timeout.ms": "3000", "max.poll.interval.ms": "2000"})
    with pytest.raises(SinkRefused, match=r"correct librdkafka's settings$"):
        Consumer(odd, MemorySink(), set_aside=Rejects())


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ConfigError, match="pip install 'metrics-importer"):
        Consumer(Subscription("k:1", "t"), MemorySink(), set_aside=Rejects())


def subscription(tmp_path: Path, **keys: object) -> tuple[Subscription, list[str]]:
    reader = ObjectReader(tmp_path / "stats.ini", {"brokers": "k:1", "topic": "t", **keys}, where="kafka.")
    found = Subscription.from_keys(reader)
    return found, [str(problem).removeprefix(f"{reader.file}: ") for problem in reader.problems]


def test_keys_describe_a_subscription(tmp_path: Path) -> None:
    found, problems = subscription(tmp_path, **{"client.rack": "a"})
    assert problems == []
    assert found == Subscription("k:1", "t", "stats-service", {"client.rack": "a"})
    assert subscription(tmp_path, group="eu")[0].group == "eu"


def test_secrets_among_the_settings_reach_librdkafka_alone(tmp_path: Path) -> None:
    found, _ = subscription(tmp_path, **{"sasl.password": "battery staple"})
    assert found.configuration()["sasl.password"] == "battery staple"
    assert "battery" not in repr(found)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"brokers": "k"}, "kafka.brokers: 'k' is not host:port, such as kafka.example.org:9092"),
        ({"topic": None}, "kafka.topic: is empty; text is expected"),
        ({"group.id": "x"}, "kafka.group.id: is not to be set: group says it"),
        (
            {"enable.auto.commit": "true"},
            "kafka.enable.auto.commit: is not to be set: it is false, with another value events could get lost",
        ),
        (
            {"session.timeout.ms": "soon"},
            "kafka.session.timeout.ms: is refused by librdkafka:"
            ' Invalid value for configuration property "session.timeout.ms"',
        ),
    ],
)
def test_a_mistake_in_the_keys_is_told_in_one_line(tmp_path: Path, keys: dict[str, object], told: str) -> None:
    assert subscription(tmp_path, **keys)[1] == [told]


def test_without_the_library_the_keys_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    (told,) = subscription(tmp_path)[1]
    assert told.startswith("kafka.brokers: needs the library confluent-kafka, which is not installed: pip install")
