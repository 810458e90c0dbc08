"""Carbon, read back from its whisper files; and Hosted Graphite, of which there are simulators alone."""

import re
from pathlib import Path

from importer.credentials import Secret
from importer.http_client import HttpClient, RetryPolicy
from importer.simulators.graphite import GraphiteReceiver, ReceivedPoint
from importer.simulators.hosted_graphite import API_KEY, SINK_PATH, HostedGraphiteSimulator
from importer.sinks.base import PointSink
from importer.sinks.hosted_graphite import HostedGraphiteSink
from tests.contract.stores.base import MAX_BUFFER, Held, Key, Store
from tests.servers import CarbonCache


class CarbonStore(Store):
    """A carbon-cache, which stores a point a second."""

    has_labels = False

    def __init__(self, root: str, state: Path, *, server: CarbonCache, protocol: str) -> None:
        super().__init__(root, state)
        self._server = server
        self._protocol = protocol

    def description(self) -> dict[str, object]:
        port = self._server.plain_port if self._protocol == "plain" else self._server.pickle_port
        return {"protocol": self._protocol, "host": self._server.host, "port": port}

    def time(self, timestamp: float) -> float:
        return int(timestamp)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        names = [name for name in self._server.names() if wanted.match(name)]
        return {Key(name, (), seconds): value for name in names for seconds, value in self._server.read(name).items()}

    def start(self) -> None:
        if not self._server.running:
            self._server.start()

    def stop(self) -> None:
        # A kill alone would throw away what carbon has read and not written yet, as every carbon may.
        self._server.stop()


def held_of(points: tuple[ReceivedPoint, ...], wanted: re.Pattern[str]) -> Held:
    """Return what a store of the received points holds, of which the last counts."""
    return {Key(point.name, (), point.timestamp): point.value for point in points if wanted.match(point.name)}


class HostedGraphiteStore(Store):
    """The vendor's HTTP sink."""

    has_labels = False

    def __init__(self, root: str, state: Path) -> None:
        super().__init__(root, state)
        self._simulator = HostedGraphiteSimulator()
        self._simulator.start()

    def description(self) -> dict[str, object]:
        url = f"{self._simulator.url}{SINK_PATH}"
        return {"protocol": "hosted_graphite", "push_url": url, "api_key": API_KEY}

    def sink(self, **keys: object) -> PointSink:
        assert not keys
        url = self._simulator.url
        client = HttpClient(url, retries=RetryPolicy(extra_attempts=0))  # an outage costs a test no pauses
        return HostedGraphiteSink(
            push_url=url + SINK_PATH, api_key=Secret(API_KEY), client=client, max_buffer=MAX_BUFFER
        )

    def time(self, timestamp: float) -> float:
        return int(timestamp)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        return held_of(self._simulator.points, wanted)

    def start(self) -> None:
        self._simulator.start()

    def stop(self) -> None:
        self._simulator.stop()

    def close(self) -> None:
        self._simulator.stop()


class HostedCarbonStore(Store):
    """The vendor's carbon, which wants the key before each name."""

    has_labels = False

    def __init__(self, root: str, state: Path) -> None:
        super().__init__(root, state)
        self._receiver = GraphiteReceiver()
        self._receiver.start()

    def description(self) -> dict[str, object]:
        url = f"tcp://127.0.0.1:{self._receiver.port}"
        return {"protocol": "hosted_graphite", "push_url": url, "api_key": API_KEY}

    def time(self, timestamp: float) -> float:
        return int(timestamp)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        points = self._receiver.points
        assert all(point.name.startswith(f"{API_KEY}.") for point in points)
        return held_of(tuple(point._replace(name=point.name.removeprefix(f"{API_KEY}.")) for point in points), wanted)

    def start(self) -> None:
        self._receiver.start()

    def stop(self) -> None:
        self._receiver.stop()

    def close(self) -> None:
        self._receiver.stop()
