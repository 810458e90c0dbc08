"""InfluxDB: a real 1.x, VictoriaMetrics with the interface of 2.x, and simulators of 2.x and 3.x."""

import json
import re
from pathlib import Path

from importer.simulators.influxdb import PASSWORD, TOKEN, USERNAME, InfluxdbSimulator
from tests.contract.stores.base import Held, Key, Store
from tests.servers import Influxdb, VictoriaMetrics

FIELD = "value"


class RealInfluxdbStore(Store):
    """A database of an influxd 1.x, read back by InfluxQL."""

    def __init__(self, root: str, state: Path, *, server: Influxdb) -> None:
        super().__init__(root, state)
        self._server = server

    def description(self) -> dict[str, object]:
        return {"protocol": "influxdb", "url": self._server.url, "database": self.root}

    def time(self, timestamp: float) -> float:
        return round(timestamp, 3)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        found = self._server.query(f'SELECT "{FIELD}" FROM /.*/ GROUP BY *', database=self.root)
        return {
            Key(series["name"], _given(series.get("tags", {})), milliseconds / 1000): value
            for series in found
            if wanted.match(series["name"])
            for milliseconds, value in series["values"]
        }

    def start(self) -> None:
        if not self._server.running:
            self._server.start()

    def stop(self) -> None:
        self._server.kill()


class SimulatedInfluxdbStore(Store):
    """One version's simulator, which keeps what it has while it is away."""

    def __init__(self, root: str, state: Path, *, version: str, keys: dict[str, object]) -> None:
        super().__init__(root, state)
        self._simulator = InfluxdbSimulator(version=version, databases=("shop",), with_login=True)
        self._simulator.start()
        self._keys = keys

    def description(self) -> dict[str, object]:
        return {"protocol": "influxdb", "url": self._simulator.url, **self._keys}

    def time(self, timestamp: float) -> float:
        return round(timestamp, 3)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        return {
            Key(point.measurement, point.tags, point.nanoseconds / 10**9): float(point.fields[FIELD])
            for point in self._simulator.points
            if wanted.match(point.measurement)
        }

    def start(self) -> None:
        self._simulator.start()

    def stop(self) -> None:
        self._simulator.stop()

    def close(self) -> None:
        self._simulator.stop()


LOGIN: dict[str, object] = {"database": "shop", "username": USERNAME, "password": PASSWORD}
BUCKET_OF_2: dict[str, object] = {"bucket": "shop", "org": "acme", "token": TOKEN}
BUCKET_OF_3: dict[str, object] = {"bucket": "shop", "token": TOKEN}
DATABASE_OF_3: dict[str, object] = {"database": "shop", "token": TOKEN}


class VictoriaStore(Store):
    """VictoriaMetrics, which takes /write and /api/v2/write too: a series is called MEASUREMENT_FIELD there.

    It rounds values to 12 digits at the worst, and keeps both of two values for one time until it merges them.
    """

    digits = 12

    def __init__(self, root: str, state: Path, *, server: VictoriaMetrics, keys: dict[str, object]) -> None:
        super().__init__(root, state)
        self._server = server
        self._keys = keys

    def description(self) -> dict[str, object]:
        url = f"http://{self._server.address}:{self._server.http_port}"
        return {"protocol": "influxdb", "url": url, **self._keys}

    def time(self, timestamp: float) -> float:
        return round(timestamp, 3)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        held: Held = {}
        for line in self._server.export('{__name__=~".+_value"}').splitlines():
            series = json.loads(line)
            labels = dict(series["metric"])
            name = labels.pop("__name__").removesuffix(f"_{FIELD}")
            labels.pop("db", None)  # the database, which it keeps as a label
            if wanted.match(name):
                for milliseconds, value in zip(series["timestamps"], series["values"], strict=True):
                    held[Key(name, _given(labels), milliseconds / 1000)] = value
        return held

    def start(self) -> None:
        if not self._server.running:
            self._server.start()

    def stop(self) -> None:
        self._server.stop()


def _given(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the labels that a series has: one that others of its name have is empty."""
    return tuple(sorted((name, text) for name, text in labels.items() if text))
