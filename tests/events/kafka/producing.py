"""Events for the tests of the consumer, brought to a topic as the service does."""

from contextlib import closing

from importer.events.event import Event
from importer.events.kafka.sink import EventKafkaSink
from importer.sinks.kafka import KafkaSink
from tests.events.payloads import payload


def events(count: int, *, start: int = 0) -> list[Event]:
    numbers = range(start, start + count)
    return [Event(10**18 + number, {"event": "shop.view", "event_id": f"entry_{number}"}) for number in numbers]


def produce(brokers: str, topic: str, wanted: list[Event]) -> None:
    with closing(EventKafkaSink(KafkaSink(brokers=brokers, topic=topic))) as sink:
        sink.deliver(payload(*wanted))
