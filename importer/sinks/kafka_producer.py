"""One librdkafka producer for all sinks of the same brokers and settings.

A producer has several threads and a connection to each broker, so that the lanes of a process share one. It is made
when somebody first sends, and goes when the last sink that used it closes.
"""

import threading
from collections.abc import Sequence

from importer.errors import SinkError
from importer.sinks.kafka_connection import Connection, Overview
from importer.sinks.kafka_failure import Failure, Message, Outcome
from importer.sinks.kafka_settings import Cluster


class SharedProducer:
    """A producer of which several sinks make use, made anew after what it does not recover from."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.users = 0
        """How many sinks have it; `borrow` and `give_back` count them."""
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def send(self, topic: str, messages: Sequence[Message], *, lane: str) -> list[Failure]:
        """Send messages as `Connection.send` does."""
        connection = self._connect(lane)
        failures = connection.send(topic, messages, lane=lane)
        if any(failure.outcome is Outcome.REFUSED for failure in failures):
            self._drop(connection)
        return failures

    def look(self, topic: str, *, lane: str) -> Overview:
        """Return what the cluster tells about itself, as `Connection.look` does."""
        connection = self._connect(lane)
        try:
            return connection.look(topic, lane=lane)
        except SinkError:
            self._drop(connection)
            raise

    def close(self) -> None:
        """Close the producer, if there is one; the next one who sends has another made."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self, lane: str) -> Connection:
        with self._lock:
            if self._connection is None or self._connection.ended:
                self._connection = Connection(self.cluster, lane=lane)
            return self._connection

    def _drop(self, connection: Connection) -> None:
        """Use another one from now on: librdkafka remembers for minutes which topics were not there or forbidden."""
        with self._lock:
            if self._connection is connection:
                self._connection = None
        connection.retire()


_lock = threading.Lock()
_shared: dict[Cluster, SharedProducer] = {}


def borrow(cluster: Cluster) -> SharedProducer:
    """Return the process's producer for a cluster, to be given back once for each time."""
    with _lock:
        producer = _shared.setdefault(cluster, SharedProducer(cluster))
        producer.users += 1
        return producer


def give_back(producer: SharedProducer) -> None:
    """Count a sink less; the producer is closed when it was the last one's."""
    with _lock:
        producer.users -= 1
        if producer.users:
            return
        del _shared[producer.cluster]
    producer.close()
