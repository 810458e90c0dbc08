"""What every sink promises, kept by that of Hosted Graphite over HTTP and TCP."""

import pytest

from importer.credentials import Secret
from importer.http_client import HttpClient, RetryPolicy
from importer.simulators.graphite import GraphiteReceiver
from importer.simulators.hosted_graphite import API_KEY, SINK_PATH, HostedGraphiteSimulator
from importer.sinks.base import PointSink
from importer.sinks.hosted_graphite import HostedGraphiteSink
from tests.contract.test_sinks import Held, OutageContract, Store


class HttpStore(Store):
    """The vendor's HTTP sink."""

    def __init__(self) -> None:
        self._simulator = HostedGraphiteSimulator()

    def sink(self) -> PointSink:
        url = self._simulator.url
        client = HttpClient(url, retries=RetryPolicy(extra_attempts=0))
        return HostedGraphiteSink(push_url=url + SINK_PATH, api_key=Secret(API_KEY), client=client, max_buffer=3)

    def start(self) -> None:
        self._simulator.start()

    def stop(self) -> None:
        self._simulator.stop()

    def held(self) -> Held:
        return {(point.name, point.timestamp): point.value for point in self._simulator.points}


class TcpStore(Store):
    """The vendor's carbon, which wants the key before each name."""

    def __init__(self) -> None:
        self._receiver = GraphiteReceiver()

    def sink(self) -> PointSink:
        push_url = f"tcp://127.0.0.1:{self._receiver.port}"
        return HostedGraphiteSink(push_url=push_url, api_key=Secret(API_KEY), max_buffer=3)

    def start(self) -> None:
        self._receiver.start()

    def stop(self) -> None:
        self._receiver.stop()

    def held(self) -> Held:
        points = self._receiver.points
        assert all(point.name.startswith(f"{API_KEY}.") for point in points)
        return {(point.name.removeprefix(f"{API_KEY}."), point.timestamp): point.value for point in points}


class TestHostedGraphiteOverHttp(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return HttpStore()


class TestHostedGraphiteOverTcp(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return TcpStore()
