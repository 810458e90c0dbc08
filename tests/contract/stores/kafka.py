"""Topics: of mock brokers, which can be taken down, and of a real one, which goes on running."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from importer.sinks.base import PointSink
from importer.sinks.kafka import KafkaSink
from tests.contract.stores.base import MAX_BUFFER, Held, Key, Store
from tests.servers.kafka import BACK_SOON, MockKafka, Received, unused_topic


class Brokers(Protocol):
    """Where topics are."""

    @property
    def brokers(self) -> str: ...

    def create_topic(self, topic: str, *, partitions: int = 1) -> None: ...

    def read(self, topic: str) -> list[Received]: ...


class TopicStore(Store):
    """A topic of its own, of three partitions."""

    def __init__(self, root: str, state: Path, *, brokers: Brokers, settings: Mapping[str, object] = BACK_SOON) -> None:
        super().__init__(root, state)
        self._brokers = brokers
        self._settings = settings
        self.topic = unused_topic()
        brokers.create_topic(self.topic, partitions=3)

    def description(self) -> dict[str, object]:
        return {"protocol": "kafka", "brokers": self._brokers.brokers, "topic": self.topic, **self._settings}

    def messages(self) -> list[Received]:
        """Return all messages of the topic, those of each partition in their order."""
        return self._brokers.read(self.topic)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        points = [json.loads(message.value) for message in self.messages()]
        return {
            Key(point["name"], tuple(sorted(point["labels"].items())), point["timestamp"]): point["value"]
            for point in points
            if wanted.match(point["name"])
        }


class MockTopicStore(TopicStore):
    """A topic of mock brokers, of which it is soon known that they are away."""

    def __init__(self, root: str, state: Path, *, brokers: MockKafka) -> None:
        super().__init__(root, state, brokers=brokers)
        self._mock = brokers

    def sink(self, **keys: object) -> PointSink:
        assert not keys
        # Long enough to wait an outage out: librdkafka may need two seconds to see that brokers are back.
        return KafkaSink(
            brokers=self._mock.brokers,
            topic=self.topic,
            settings=BACK_SOON,
            max_buffer=MAX_BUFFER,
            timeout_seconds=3.0,
        )

    def start(self) -> None:
        self._mock.up()

    def stop(self) -> None:
        self._mock.down()
