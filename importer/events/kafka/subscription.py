"""Which topic of events is read, and as which consumer group: the keys of a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.sinks.kafka_connection import LOOK_SECONDS
from importer.sinks.kafka_settings import Setting, read_brokers, read_settings, settings_problem, why_not_installed

DEFAULT_GROUP = "stats-service"

_DEFAULTS = {"client.id": "metrics-importer"}
_FIXED = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": "false",
    "partition.assignment.strategy": "cooperative-sticky",
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which topic is read, and as which group."""

    brokers: str
    """`host:port,host:port`."""
    topic: str
    group: str = DEFAULT_GROUP
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """librdkafka's, beyond those that are fixed."""

    @classmethod
    def from_keys(cls, keys: ObjectReader) -> Self:
        """Return what brokers, topic, group and librdkafka's settings, the keys with a dot, describe.

        What is wrong with them is added to `keys.problems`; what is returned is then a stand-in.
        """
        already = len(keys.problems)
        missing = why_not_installed()
        if missing:
            keys.problem("brokers", missing)
        brokers, topic, settings = read_brokers(keys), keys.text("topic"), read_settings(keys)
        group = keys.text("group", DEFAULT_GROUP)
        for name in settings.keys() & {*_FIXED, "group.id"}:
            keys.problem(name, "is not to be set: group says it" if name == "group.id" else _why_fixed(name))
        if len(keys.problems) == already and (problem := settings_problem(settings, timeout_seconds=LOOK_SECONDS)):
            keys.problem(*problem)
        return cls(brokers or "localhost:9092", topic, group, settings)

    @property
    def name(self) -> str:
        """The topic, for errors and logs."""
        return f"kafka://{self.brokers}/{self.topic}"

    def configuration(self) -> dict[str, str]:
        """Return everything that librdkafka is told, secrets included: for its consumer alone."""
        given = {name: value.reveal() if isinstance(value, Secret) else value for name, value in self.settings.items()}
        return {**_DEFAULTS, **given, **_FIXED, "bootstrap.servers": self.brokers, "group.id": self.group}


def _why_fixed(name: str) -> str:
    return f"is not to be set: it is {_FIXED[name]}, with another value events could get lost"
