"""For the tests of the consumer: a store that keeps each event once, in a file, and a consumer in a process of its own.

`python -m tests.events.kafka.store BROKERS TOPIC FILE [EVENTS]` consumes into FILE until SIGTERM. With EVENTS it says
`in hand` once it has written that many of a batch, and hangs.
"""

import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from importer.events.event import read_events
from importer.events.kafka.consumer import Consumer
from importer.events.kafka.subscription import Subscription
from importer.points import Payload
from importer.service import Signals
from importer.sinks.base import Sink

SETTINGS = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500", "reconnect.backoff.max.ms": "100"}
"""The shortest session that a broker allows, as it comes."""


class FileStore(Sink):
    """Keeps events by their time, as InfluxDB does; each delivery is committed as a whole."""

    family = "file store"

    def __init__(self, path: Path, *, hangs_after: int | None = None) -> None:
        super().__init__(f"file://{path}")
        self.path = path
        self._hangs_after = hangs_after

    def deliver(self, payload: Payload) -> None:
        times = [(event.time,) for event in read_events(payload.data)]
        self._write(times[: self._hangs_after])
        if self._hangs_after is not None:
            print("in hand", flush=True)
            threading.Event().wait()

    def check(self) -> str:
        return "a file"

    def times(self) -> list[int]:
        """Return the times of the events that are held, in their order."""
        with sqlite3.connect(self.path, timeout=30) as connection:
            rows = connection.execute("SELECT time FROM events ORDER BY time").fetchall()
        connection.close()
        return [time for (time,) in rows]

    def create(self) -> None:
        """Make the file."""
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE events (time INTEGER PRIMARY KEY, written INTEGER DEFAULT 1)")
        connection.close()

    def _write(self, times: Sequence[tuple[int]]) -> None:
        with sqlite3.connect(self.path, timeout=30) as connection:
            connection.executemany(
                "INSERT INTO events (time) VALUES (?) ON CONFLICT DO UPDATE SET written = written + 1", times
            )
        connection.close()


def _refuse(payload: Payload, reason: str) -> None:
    raise AssertionError(f"set aside: {reason}")


def main(brokers: str, topic: str, path: str, hangs_after: str = "") -> None:
    """Consume until SIGTERM."""
    store = FileStore(Path(path), hangs_after=int(hangs_after) if hangs_after else None)
    consumer = Consumer(Subscription(brokers, topic, settings=SETTINGS), store, set_aside=_refuse)
    with Signals() as signals:
        consumer.run(signals.stop)
    print(f"consumed={consumer.consumed}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
