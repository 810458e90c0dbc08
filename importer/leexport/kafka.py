"""kafka: the values of an answer as messages on a topic."""

import json
from collections.abc import Sequence
from contextlib import closing

from importer.config import ObjectReader
from importer.leexport.fitting import Answer, statistics_of, time_texts, unfit
from importer.leexport.outlet import Destination, QueuedOutlet, Surroundings
from importer.leexport.service import BuiltInService
from importer.points import Payload
from importer.sinks.kafka import KafkaSink, messages_payload, parse_brokers
from importer.sinks.plain_text import format_value
from importer.sources.logentries.statistics import Number, Statistics

MESSAGE_FORMATS = ("value", "json")
"""A message is the bare number, or an object that also says whose it is."""


def build_outlet(destination: Destination, keys: ObjectReader, surroundings: Surroundings) -> QueuedOutlet | None:
    """Return the outlet of a search; None after adding to `keys.problems` what is wrong."""
    message_format = keys.choice("message_format", MESSAGE_FORMATS, MESSAGE_FORMATS[0])
    sink = KafkaSink.from_keys(keys, state=surroundings.state)
    if keys.problems:
        return None
    sink.lane = destination.lane
    sink.family = destination.family(str(keys.value("brokers")), str(keys.value("topic")))

    def encode(answer: Answer) -> list[Payload]:
        values = _values(statistics_of(answer))
        texts = [_message(key, value, destination.search, message_format) for key, value in values]
        return [messages_payload([(None, text) for text in texts])] if texts else []

    return QueuedOutlet(sink, encode)


def _message(key: str, value: Number, search: str, message_format: str) -> str:
    if message_format == "json":
        return json.dumps({"key": key, "value": value, "search": search}, ensure_ascii=False)
    return format_value(value)


def _values(statistics: Statistics) -> Sequence[tuple[str, Number]]:
    """Return label and value of each group, or time and value of each point; raises Unfit without either."""
    if statistics.groups is not None:
        pairs: Sequence[tuple[str, Number | None]] = statistics.groups
    elif statistics.series is None:
        raise unfit("kafka", "groups or a time series", statistics)
    else:
        pairs = list(zip(time_texts(statistics), statistics.series, strict=True))
    return [(key, value) for key, value in pairs if value is not None]


class KafkaService(BuiltInService):
    """The service as a class. Without Kafka's library, pushing raises ConfigError."""

    def _transform(self) -> list[Number] | None:
        """Return the numbers in the answer's order; None for an answer that does not fit."""
        return self._fitting(lambda: [value for _, value in _values(statistics_of(self.response))])

    def _push(self, payload: list[Number] | None) -> bool:
        """Push numbers, a message each; returns whether there were any."""
        if not super()._push(payload) or not payload:
            return False
        brokers = parse_brokers(self.destination_config.get("brokers"))
        with closing(KafkaSink(brokers=brokers, topic=str(self.destination_config.get("topic")))) as sink:
            sink.deliver(messages_payload([(None, format_value(value)) for value in payload]))
        return True
