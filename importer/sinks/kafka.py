"""Kafka: messages to a topic, by librdkafka's idempotent producer.

Within one delivery no message is lost, doubled or out of order, whatever retries it takes: `acks=all` and
`enable.idempotence`. A payload whose delivery failed in part is sent again as a whole, so that messages may come
twice then; those of points have a key that says what they are about, so that a compacted topic keeps the last one.
Order is Kafka's: that of the messages in a partition. The same key always leads to the same partition.
"""

import json
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from importer.config import ObjectReader
from importer.errors import ConfigError, Problem, Rejected
from importer.points import Payload, Point
from importer.sinks.base import DEFAULT_MAX_BUFFER, RecordSink, batches
from importer.sinks.kafka_failure import TOO_LARGE, Failure, Message, Outcome, payload_error
from importer.sinks.kafka_producer import SharedProducer, borrow, give_back
from importer.sinks.kafka_settings import (
    Cluster,
    Setting,
    parse_brokers,
    read_brokers,
    read_settings,
    settings_problem,
    why_not_installed,
)
from importer.sinks.plain_text import Names
from importer.surrogate import replaced

__all__ = ["KafkaSink", "messages_payload", "parse_brokers"]

MESSAGE_TIMEOUT_SECONDS = 30.0
FORMAT = "messages"

_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class KafkaSink(RecordSink):
    """A topic. Sinks of the same brokers and settings share a producer, which is made at the first delivery.

    Raises ValueError for brokers, a topic, settings or a max_buffer that cannot be meant, and ConfigError where
    Kafka's library is not installed. With `require_library=False` that is left to the first delivery: for whoever
    gathers the mistakes in a file.
    """

    def __init__(
        self,
        *,
        brokers: str,
        topic: str,
        settings: Mapping[str, Setting] = {},
        lane: str | None = None,
        max_buffer: int = DEFAULT_MAX_BUFFER,
        timeout_seconds: float = MESSAGE_TIMEOUT_SECONDS,
        require_library: bool = True,
    ) -> None:
        _validate(topic=topic, max_buffer=max_buffer)
        brokers = parse_brokers(brokers)
        if require_library:
            _demand_library()
            _validate_settings(settings, timeout_seconds)
        super().__init__(lane or f"kafka://{brokers}/{topic}")
        self.family = f"kafka {topic}"
        self._topic = topic
        self._max_buffer = max_buffer
        self._cluster = Cluster(brokers, frozenset(settings.items()), timeout_seconds)
        self._names = Names()
        self._lock = threading.Lock()
        self._borrowed: SharedProducer | None = None

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that brokers, topic, max_buffer and librdkafka's settings, the keys with a dot, describe."""
        already = len(keys.problems)
        if missing := why_not_installed():
            keys.problem("service" if keys.value("protocol") is None else "protocol", missing)
        brokers, topic, settings = read_brokers(keys), keys.text("topic"), read_settings(keys)
        if topic and not _TOPIC.fullmatch(topic):
            keys.problem("topic", "must be of letters, digits, dots, _ and -, 249 of them at most")
        max_buffer = keys.integer("max_buffer", DEFAULT_MAX_BUFFER, minimum=1, accept_text=True)
        if len(keys.problems) == already and (
            problem := settings_problem(settings, timeout_seconds=MESSAGE_TIMEOUT_SECONDS)
        ):
            keys.problem(*problem)
        if brokers is None or len(keys.problems) > already:
            return cls(brokers="localhost:9092", topic="unknown", max_buffer=max_buffer, require_library=False)
        return cls(brokers=brokers, topic=topic, settings=settings, max_buffer=max_buffer)

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads of at most max_buffer messages, one a point: JSON, its key the name and labels.

        Names are those of Graphite; labels are kept apart from them, as they are.
        """
        messages = [_message(name, point) for point in points if (name := self._names[point.path])]
        return [messages_payload(batch) for batch in batches(messages, self._max_buffer)]

    def encode_records(self, records: Sequence[tuple[str | None, str]]) -> list[Payload]:
        """Return payloads of at most max_buffer messages, one a record, as it is, with its key."""
        return [messages_payload(batch) for batch in batches(records, self._max_buffer)]

    def deliver(self, payload: Payload) -> None:
        """Send the messages of a payload in their order and return once the brokers have confirmed all of them.

        Ends soon after timeout_seconds where they do not. After any error but Rejected the payload has to be sent
        again, as a whole. Raises SinkUnavailable; SinkRefused for a wrong log-in, missing rights or a topic that is
        not there and not made by itself; and Rejected for messages that are too large or invalid, once all others
        of the payload are confirmed.
        """
        try:
            messages = _parse_messages(payload.data)
        except ValueError as error:
            raise Rejected(self.lane, f"the kept payload is damaged: {error}") from error
        failures = self.send(messages)
        if failures:
            raise payload_error(self.lane, failures, len(messages))

    def send(self, messages: Sequence[Message]) -> list[Failure]:
        """Send messages and return those that were not confirmed; raises SinkError where nothing can be sent.

        Those of a batch that was too large for a broker are sent once more, by halves, down to single ones.
        """
        failures = self._producer().send(self._topic, messages, lane=self.lane)
        if len(messages) == 1 or not all(failure.outcome is Outcome.REJECTED for failure in failures):
            return failures
        too_large = [failure.message for failure in failures if failure.trouble.code in TOO_LARGE]
        failures = [failure for failure in failures if failure.trouble.code not in TOO_LARGE]
        middle = (len(too_large) + 1) // 2
        for half in (too_large[:middle], too_large[middle:]):
            if half and all(failure.outcome is Outcome.REJECTED for failure in failures):
                failures += self.send(half)
        return failures

    def check(self) -> str:
        """Return how many brokers the cluster has, and whether it has the topic; makes none.

        Raises SinkUnavailable or SinkRefused.
        """
        seen = self._producer().look(self._topic, lane=self.lane)
        partitions = "no such topic yet" if seen.partitions is None else f"partitions={seen.partitions}"
        return f"{self.lane} answers: cluster={seen.cluster} brokers={seen.brokers} {partitions}"

    def close(self) -> None:
        """Give back the producer; it ends with the last sink that shares it."""
        with self._lock:
            borrowed, self._borrowed = self._borrowed, None
        if borrowed is not None:
            give_back(borrowed)

    def _producer(self) -> SharedProducer:
        with self._lock:
            if self._borrowed is None:
                _demand_library()
                self._borrowed = borrow(self._cluster)
            return self._borrowed


def messages_payload(messages: Sequence[tuple[str | None, str]]) -> Payload:
    """Return a payload of messages, each a key (or None) and a value, to be sent in this order to a topic."""
    pairs = [(None if key is None else replaced(key), replaced(value)) for key, value in messages]
    return Payload(_compact(pairs).encode(), points=len(pairs), format=FORMAT)


def _message(name: str, point: Point) -> tuple[str | None, str]:
    labels = dict(sorted(point.labels))
    # A subclass (a bool, a number of numpy) may write itself in another way.
    value = point.value if type(point.value) in (int, float) else float(point.value)
    content = {"name": name, "labels": labels, "value": value, "timestamp": point.timestamp}
    return (f"{name}{_compact(labels)}" if labels else name), _compact(content)


def _parse_messages(data: bytes) -> list[Message]:
    messages: object = json.loads(data)
    if not isinstance(messages, list):
        raise ValueError("not an array")
    return [_parse_message(message) for message in messages]


def _parse_message(message: object) -> Message:
    match message:
        case [str() | None as key, str(value)]:
            # No time of ours: a topic that is kept for a week would drop last month's points as soon as they came.
            return Message(key, value)
    raise ValueError(f"{message!r:.100} is not: key or null, value")


def _demand_library() -> None:
    if missing := why_not_installed():
        raise ConfigError(Problem("kafka", missing))


def _validate(*, topic: str, max_buffer: int) -> None:
    if not _TOPIC.fullmatch(topic):
        raise ValueError(f"topic {topic!r:.80} is not of letters, digits, dots, _ and -, 249 of them at most")
    if max_buffer < 1:
        raise ValueError(f"max_buffer {max_buffer} is not 1 or more")


def _validate_settings(settings: Mapping[str, Setting], timeout_seconds: float) -> None:
    problem = settings_problem(settings, timeout_seconds=timeout_seconds)
    if problem is not None:
        raise ValueError(" ".join(problem))
