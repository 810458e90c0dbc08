"""The promises of every sink, kept by InfluxdbSink against simulators of all generations of InfluxDB."""

import pytest

from importer.credentials import Secret
from importer.simulators.influxdb import PASSWORD, TOKEN, USERNAME, InfluxdbSimulator
from importer.sinks.base import PointSink
from importer.sinks.influxdb import InfluxdbSink
from importer.sinks.influxdb_target import Bucket, Database, Login, Token
from tests.contract.test_sinks import Held, OutageContract, Store


class InfluxdbStore(Store):
    """Stores as the simulator of one version does, and keeps what it has while it is away."""

    def __init__(
        self, version: str, target: Database | Bucket, credentials: Login | Token, *, databases: tuple[str, ...] = ()
    ) -> None:
        self._simulator = InfluxdbSimulator(version=version, databases=databases, with_login=True)
        self._target = target
        self._credentials = credentials

    def sink(self) -> PointSink:
        return InfluxdbSink(url=self._simulator.url, target=self._target, credentials=self._credentials, max_buffer=3)

    def start(self) -> None:
        self._simulator.start()

    def stop(self) -> None:
        self._simulator.stop()

    def held(self) -> Held:
        return {
            (point.measurement, point.nanoseconds / 10**9): float(point.fields["value"])
            for point in self._simulator.points
        }


class TestInfluxdb1(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return InfluxdbStore("1.6.7", Database("shop"), Login(USERNAME, Secret(PASSWORD)))


class TestInfluxdb2(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return InfluxdbStore("2.7.12", Bucket("shop", "acme"), Token(Secret(TOKEN)), databases=("shop",))


class TestInfluxdb3(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return InfluxdbStore("3.8.0", Bucket("shop"), Token(Secret(TOKEN)))


class TestInfluxdb3ByTheInterfaceOf1(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return InfluxdbStore("3.8.0", Database("shop"), Token(Secret(TOKEN)))
