"""Events as messages of a topic, against librdkafka's mock brokers."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from importer.config import ObjectReader
from importer.errors import ConfigError, PartlyRejected, SinkRefused, SinkUnavailable
from importer.events.event import EVENTS_FORMAT, Event, read_events, write_events
from importer.events.kafka.sink import EventKafkaSink, message_key
from importer.points import Payload
from importer.sinks.kafka import KafkaSink
from tests.events.payloads import payload
from tests.servers.kafka import BACK_SOON, MockKafka, unused_topic

NOW = 1_795_307_635.738
NOW_NS = 1_795_307_635_738_123_456
DAY_NS = 86_400 * 10**9

Open = Callable[..., EventKafkaSink]


@pytest.fixture
def open_sink(kafka: MockKafka, topic: str) -> Iterator[Open]:
    """`open_sink(**options)` makes a sink for events, which is closed after the test."""
    sinks: list[EventKafkaSink] = []

    def build(**options: object) -> EventKafkaSink:
        defaults = {"brokers": kafka.brokers, "topic": topic, "settings": BACK_SOON, "timeout_seconds": 20.0}
        sinks.append(EventKafkaSink(KafkaSink(**{**defaults, **options}), clock=lambda: NOW + 1))
        return sinks[-1]

    yield build
    for sink in sinks:
        sink.close()


def event(number: int, *, time_ns: int = NOW_NS, **fields: object) -> Event:
    return Event(time_ns + number, {"event": "shop.view", "uid": "s 1", "event_id": f"entry_{number}", **fields})


def arrived(kafka: MockKafka, topic: str) -> list[Event]:
    return read_events(b"\n".join(message.value.encode() for message in kafka.read(topic)))


def test_an_event_is_a_message_of_its_line_its_id_and_its_time(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    open_sink().deliver(payload(event(0, qty=3, town="Köln\n2"), event(1)))
    first, second = kafka.read(topic)
    assert json.loads(first.value) == {
        "time": NOW_NS,
        "event": {"event": "shop.view", "uid": "s 1", "event_id": "entry_0", "qty": 3, "town": "Köln\n2"},
    }
    assert "\n" not in first.value
    assert (first.key, second.key) == ("entry_0", "entry_1")
    assert first.milliseconds == NOW_NS // 10**6


def test_a_point_comes_as_it_is_under_a_key_of_its_measurement_tags_and_time(
    kafka: MockKafka, topic: str, open_sink: Open
) -> None:
    points = [Event(NOW_NS, {"value": 1}, "voting", {"uid": uid}) for uid in ("a", "b")]
    open_sink().deliver(payload(*points))
    assert arrived(kafka, topic) == points
    assert [message.key for message in kafka.read(topic)] == [
        'voting{"uid":"a"} 1795307635738123456',
        'voting{"uid":"b"} 1795307635738123456',
    ]


def test_the_key_of_a_point_does_not_hang_on_the_order_of_its_tags() -> None:
    one, other = (Event(1, {"v": 1}, "m", tags) for tags in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}))
    assert message_key(one) == message_key(other)


@pytest.mark.parametrize("days", [-2, -3650, 2, -30_000])
def test_a_message_does_not_get_a_time_for_which_a_topic_would_drop_it_or_not_take_it(
    kafka: MockKafka, topic: str, open_sink: Open, days: int
) -> None:
    before = int(time.time() * 1000)
    far = event(0, time_ns=NOW_NS + days * DAY_NS)
    open_sink().deliver(payload(far))
    (message,) = kafka.read(topic)
    assert before <= message.milliseconds <= time.time() * 1000
    assert arrived(kafka, topic) == [far]


def test_only_the_event_that_is_too_large_is_set_aside(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    large = event(2, text="x" * 3000)
    with pytest.raises(PartlyRejected) as caught:
        open_sink(settings={"message.max.bytes": "2000"}).deliver(payload(event(1), large, event(3)))
    ((part, reason),) = caught.value.parts
    assert (part, reason) == (payload(large), "Unable to produce message: Broker: Message size too large")
    assert arrived(kafka, topic) == [event(1), event(3)]


def test_only_the_line_that_is_damaged_is_set_aside(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    damaged = Payload(write_events([event(1)]) + b'{"time":\n' + write_events([event(3)]), 3, EVENTS_FORMAT)
    with pytest.raises(PartlyRejected, match="the kept line is damaged: ") as caught:
        open_sink().deliver(damaged)
    assert [part for part, _ in caught.value.parts] == [Payload(b'{"time":\n', 1, EVENTS_FORMAT)]
    assert arrived(kafka, topic) == [event(1), event(3)]


def test_payloads_put_one_behind_the_other_are_delivered_as_one(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    sink = open_sink()
    assert sink.joined_points == 5_000
    sink.deliver(Payload(payload(event(1)).data + payload(event(2), event(3)).data, 3, EVENTS_FORMAT))
    assert arrived(kafka, topic) == [event(1), event(2), event(3)]


def test_what_is_not_confirmed_keeps_the_whole_payload_though_a_message_is_hopeless(
    kafka: MockKafka, topic: str, open_sink: Open
) -> None:
    sink = open_sink(settings={**BACK_SOON, "message.max.bytes": "2000"}, timeout_seconds=2.0)
    kafka.down()
    mixed = payload(event(1), event(2, text="x" * 3000))
    with pytest.raises(SinkUnavailable, match="2 of 2 messages not delivered"):
        sink.deliver(mixed)
    kafka.up()
    with pytest.raises(PartlyRejected):
        sink.deliver(mixed)
    assert arrived(kafka, topic) == [event(1)]


def test_a_topic_that_is_not_there_is_refused(kafka: MockKafka, open_sink: Open) -> None:
    missing = unused_topic()
    kafka.topic_error(missing, KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(SinkRefused, match="make the topic, or correct topic"):
        open_sink(topic=missing, timeout_seconds=2.0).deliver(payload(event(1)))


def test_the_lane_and_the_check_are_those_of_the_topic(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    sink = open_sink()
    assert (sink.lane, sink.family) == (f"kafka://{kafka.brokers}/{topic}", "kafka-events")
    assert sink.check().endswith(" brokers=1 partitions=1")


def reader(tmp_path: Path, **keys: object) -> ObjectReader:
    return ObjectReader(tmp_path / "stats.ini", {"brokers": "k:1", "topic": "t", **keys}, where="kafka.")


def test_keys_describe_a_sink(tmp_path: Path) -> None:
    keys = reader(tmp_path, **{"security.protocol": "SSL"})
    sink = EventKafkaSink.from_keys(keys)
    assert (sink.lane, keys.problems) == ("kafka://k:1/t", [])


def test_mistakes_in_the_keys_are_told_with_their_names(tmp_path: Path) -> None:
    keys = reader(tmp_path, brokers="k", topic="a b")
    EventKafkaSink.from_keys(keys)
    assert [problem.key for problem in keys.problems] == ["kafka.brokers", "kafka.topic"]


def test_without_the_library_the_keys_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    keys = reader(tmp_path)
    sink = EventKafkaSink.from_keys(keys)
    assert [problem.key for problem in keys.problems] == ["kafka.brokers"]
    with pytest.raises(ConfigError, match="pip install 'metrics-importer"):
        sink.check()
