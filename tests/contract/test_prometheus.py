"""The promises of sinks, kept by each way to Prometheus, which holds the newest value of a series and no time."""

import socket
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from importer.points import Payload
from importer.simulators.base import Answer, HttpSimulator, Request
from importer.sinks.base import PointSink
from importer.sinks.prometheus import PrometheusSink, Textfile
from importer.sinks.prometheus_port import ServedPort
from importer.sinks.pushgateway import Group, Pushgateway
from importer.sinks.sample_file import SampleFile
from tests.contract.test_sinks import HELD, MAY_2016, Held, OutageContract, SinkContract, Store

NAMES = {name.replace(".", "_"): name for name, _ in HELD} | {"n": "n"}
"""Prometheus' names -> those of the contract, which are Graphite's."""
NOTHING = Payload(b"[]", points=0, format="samples")
"""Brings back what the sample file holds."""


def held_in(text: str) -> Held:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(NAMES[sample.name], MAY_2016): sample.value for sample in samples if sample.name in NAMES}


class TextfileStore(Store):
    """A textfile in a directory that can be taken away."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "store"
        self._away = directory / "away"
        self._away.mkdir()

    def sink(self) -> PointSink:
        outlet = Textfile(self._directory / "importer.prom")
        return PrometheusSink(outlet, outlet.samples)

    def start(self) -> None:
        self._away.rename(self._directory)

    def stop(self) -> None:
        if self._directory.exists():
            self._directory.rename(self._away)

    def held(self) -> Held:
        return held_in((self._directory / "importer.prom").read_text())


class PortStore(Store):
    """Whoever scrapes the port; where the sink has been closed, that of the next process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port: int = listener.getsockname()[1]
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def sink(self) -> PointSink:
        outlet = ServedPort("127.0.0.1", self._port)
        return PrometheusSink(outlet, SampleFile(self._directory / "samples", outlet.lane))

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def held(self) -> Held:
        try:
            return self._scrape()
        except URLError:
            successor = self.sink()
            successor.deliver(NOTHING)
            held = self._scrape()
            successor.close()
            return held

    def _scrape(self) -> Held:
        with self._opener.open(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            return held_in(answer.read().decode())


class PushgatewayStore(Store):
    """One group, which forgets all when the gateway stops; what is pushed replaces what has the same name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._group: Held = {}
        self._simulator = HttpSimulator()
        self._simulator.route("POST", "/metrics/job/metrics-importer", self._take)
        self._simulator.route("GET", "/-/ready", lambda _: Answer(200, {}, b"OK"))
        self._simulator.start()
        self._simulator.stop()  # the port is known from here on

    def _take(self, request: Request) -> Answer:
        self._group |= held_in(request.body.decode())
        return Answer(200)

    def sink(self) -> PointSink:
        outlet = Pushgateway(self._simulator.url, Group())
        return PrometheusSink(outlet, SampleFile(self._directory / "samples", outlet.lane))

    def start(self) -> None:
        self._simulator.start()

    def stop(self) -> None:
        self._simulator.stop()
        self._group = {}

    def held(self) -> Held:
        return self._group


class TestPrometheusTextfile(OutageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return TextfileStore(tmp_path)


class TestPrometheusPort(SinkContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return PortStore(tmp_path)


class TestPrometheusPushgateway(OutageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return PushgatewayStore(tmp_path)
