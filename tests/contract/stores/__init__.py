"""The stores that sinks are tested against: a real server wherever there is one.

A new destination joins the contract suite, and the matrix of commands and destinations, by a line in STORES.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.contract.stores.base import Store
from tests.contract.stores.graphite import CarbonStore, HostedCarbonStore, HostedGraphiteStore
from tests.contract.stores.influxdb import (
    BUCKET_OF_2,
    BUCKET_OF_3,
    DATABASE_OF_3,
    LOGIN,
    RealInfluxdbStore,
    SimulatedInfluxdbStore,
    VictoriaStore,
)
from tests.contract.stores.kafka import MockTopicStore, TopicStore
from tests.contract.stores.local import FileStore, SqliteStore
from tests.contract.stores.prometheus import PortStore, PushgatewayStore, TextfileStore
from tests.servers import CarbonCache, Influxdb, PrometheusPushgateway, Server, VictoriaMetrics
from tests.servers.debian import why_missing
from tests.servers.kafka import MockKafka
from tests.servers.kafka_broker import KafkaBroker
from tests.servers.kafka_jars import why_no_broker

AnyServer = TypeVar("AnyServer", bound=Server)


class Servers:
    """Servers that are started when the first test wants them, and that all tests share from then on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._exits = ExitStack()
        self._servers: dict[str, Server] = {}
        self._mock_kafka: MockKafka | None = None

    def get(self, kind: type[AnyServer], name: str = "") -> AnyServer:
        """Return the running server of a kind, and of a name where there are several."""
        title = f"{kind.program}{name}"
        server = self._servers.get(title)
        if server is None:
            server = self._servers[title] = self._exits.enter_context(kind(self._directory / title))
        elif not server.running:
            server.start()
        assert isinstance(server, kind)
        return server

    def mock_kafka(self) -> MockKafka:
        """Return running mock brokers, which are well."""
        if self._mock_kafka is None:
            self._mock_kafka = self._exits.enter_context(MockKafka(brokers=3))
        self._mock_kafka.heal()
        return self._mock_kafka

    def close(self) -> None:
        """Stop them all."""
        self._exits.close()


Opener = Callable[[Servers, str, Path], Store]
"""Makes a store for points whose names begin with a root; what it keeps besides lies in a directory."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to deliver, and a store for it."""

    protocol: str
    """The `protocol` of its description."""
    open: Opener
    program: str = ""
    """The server that it needs, a key of tests.servers.PROGRAMS."""
    needs_broker: bool = False

    def why_missing(self) -> str:
        """Return why a test cannot have this store, empty if it can."""
        if self.needs_broker:
            return why_no_broker()
        return why_missing(self.program) if self.program else ""


def _carbon(servers: Servers, root: str, state: Path, *, protocol: str) -> Store:
    # A carbon for each protocol: what one of them brought would hide what the other did not.
    return CarbonStore(root, state, server=servers.get(CarbonCache, protocol), protocol=protocol)


def _influxdb(servers: Servers, root: str, state: Path) -> Store:
    return RealInfluxdbStore(root, state, server=servers.get(Influxdb))


def _victoria(servers: Servers, root: str, state: Path, *, keys: dict[str, object]) -> Store:
    return VictoriaStore(root, state, server=servers.get(VictoriaMetrics), keys=keys)


def _simulated(_servers: Servers, root: str, state: Path, *, version: str, keys: dict[str, object]) -> Store:
    return SimulatedInfluxdbStore(root, state, version=version, keys=keys)


def _pushgateway(servers: Servers, root: str, state: Path) -> Store:
    return PushgatewayStore(root, state, server=servers.get(PrometheusPushgateway))


def _mock_topic(servers: Servers, root: str, state: Path) -> Store:
    return MockTopicStore(root, state, brokers=servers.mock_kafka())


def _topic(servers: Servers, root: str, state: Path) -> Store:
    return TopicStore(root, state, brokers=servers.get(KafkaBroker))


def _local(kind: Callable[[str, Path], Store]) -> Opener:
    return lambda _servers, root, state: kind(root, state)


STORES: Mapping[str, Kind] = {
    "plain": Kind("plain", partial(_carbon, protocol="plain"), "carbon-cache"),
    "pickle": Kind("pickle", partial(_carbon, protocol="pickle"), "carbon-cache"),
    "sqlite": Kind("sqlite", _local(SqliteStore)),
    "file": Kind("file", _local(FileStore)),
    "influxdb 1.6": Kind("influxdb", _influxdb, "influxd"),
    "influxdb 2 of VictoriaMetrics": Kind(
        "influxdb", partial(_victoria, keys={"bucket": "shop", "org": "acme"}), "victoria-metrics"
    ),
    "influxdb 1 simulated": Kind("influxdb", partial(_simulated, version="1.6.7", keys=LOGIN)),
    "influxdb 2 simulated": Kind("influxdb", partial(_simulated, version="2.7.12", keys=BUCKET_OF_2)),
    "influxdb 3 simulated": Kind("influxdb", partial(_simulated, version="3.8.0", keys=BUCKET_OF_3)),
    "influxdb 3 by the interface of 1": Kind("influxdb", partial(_simulated, version="3.8.0", keys=DATABASE_OF_3)),
    "prometheus port": Kind("prometheus", _local(PortStore)),
    "prometheus pushgateway": Kind("prometheus", _pushgateway, "prometheus-pushgateway"),
    "prometheus textfile": Kind("prometheus", _local(TextfileStore)),
    "kafka mock": Kind("kafka", _mock_topic),
    "kafka": Kind("kafka", _topic, needs_broker=True),
    "hosted_graphite http": Kind("hosted_graphite", _local(HostedGraphiteStore)),
    "hosted_graphite tcp": Kind("hosted_graphite", _local(HostedCarbonStore)),
}
"""A title -> how to have it; beside these there is the log, for which each test knows its own place."""
