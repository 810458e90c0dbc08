"""Kafka as the store of events: each of them a message, for the `consumer` beside this or whoever reads the topic."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import orjson

from importer.config import ObjectReader
from importer.errors import PartlyRejected
from importer.events.event import EVENTS_FORMAT, Event, read_event
from importer.points import Payload
from importer.sinks.base import Sink
from importer.sinks.kafka import KafkaSink
from importer.sinks.kafka_failure import Failure, Message, Outcome, payload_error
from importer.sinks.kafka_settings import why_not_installed

JOINED_POINTS = 5_000
KEPT_TIME_SECONDS = 86_400
"""So old a message's own time may be: a topic drops by that time, and would drop last month's events at once."""


class EventKafkaSink(Sink):
    """A topic of events, each a message of JSON as `importer.events.event` has it. Its key says what it is about."""

    family = "kafka-events"
    joined_points = JOINED_POINTS

    def __init__(self, kafka: KafkaSink, *, clock: Callable[[], float] = time.time) -> None:
        """Deliver through a sink of the topic, which is closed with this one."""
        super().__init__(kafka.lane)
        self._kafka = kafka
        self._clock = clock

    @classmethod
    def from_keys(cls, keys: ObjectReader) -> Self:
        """Return the sink that brokers, topic and librdkafka's settings, the keys with a dot, describe.

        What is wrong with them is added to `keys.problems`; the sink is then a stand-in.
        """
        if missing := why_not_installed():
            keys.problem("brokers", missing)
            return cls(KafkaSink(brokers="localhost:9092", topic="unknown", require_library=False))
        return cls(KafkaSink.from_keys(keys, state=Path()))

    def deliver(self, payload: Payload) -> None:
        """Send each line as a message, and return once the brokers have confirmed all of them.

        Raises SinkUnavailable and SinkRefused as KafkaSink does; the payload has then to be sent again, as a whole.
        Raises PartlyRejected for lines that are damaged, and messages that are too large or invalid.
        """
        messages: list[Message] = []
        parts: list[tuple[Payload, str]] = []
        now = self._clock()
        for line in payload.data.splitlines():
            try:
                messages.append(_message(line, now))
            except ValueError as error:
                parts.append((_part(line), f"the kept line is damaged: {error}"))
        failures = self._kafka.send(messages)
        if any(failure.outcome is not Outcome.REJECTED for failure in failures):
            raise payload_error(self.lane, failures, len(messages))
        parts += map(_refused_part, failures)
        if parts:
            raise PartlyRejected(self.lane, parts)

    def check(self) -> str:
        """Return how many brokers the cluster has, and whether it has the topic; makes none."""
        return self._kafka.check()

    def close(self) -> None:
        """Give back the producer."""
        self._kafka.close()


def message_key(event: Event) -> str:
    """Return the key of an event's message: its id; of a point, which has none, all that a store tells it apart by.

    >>> message_key(Event(1795307635738123456, {"value": 1}, "voting", {"uid": "user-5"}))
    'voting{"uid":"user-5"} 1795307635738123456'
    """
    if event.event_id:
        return event.event_id
    tags = orjson.dumps(event.tags, option=orjson.OPT_SORT_KEYS).decode()
    return f"{event.measurement}{tags} {event.time}"


def _message(line: bytes, now: float) -> Message:
    event = read_event(line)
    seconds = event.time / 10**9
    milliseconds = event.time // 10**6 if now - KEPT_TIME_SECONDS <= seconds <= now else 0
    return Message(message_key(event), line.decode(), milliseconds)


def _refused_part(failure: Failure) -> tuple[Payload, str]:
    return _part(failure.message.value.encode()), failure.trouble.reason


def _part(line: bytes) -> Payload:
    return Payload(line + b"\n", 1, EVENTS_FORMAT)
