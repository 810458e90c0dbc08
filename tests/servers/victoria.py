"""VictoriaMetrics with its graphite listener, read back through its HTTP interface."""

import json
import urllib.parse
import urllib.request
from pathlib import Path

from tests.servers.process import Server, wait_until

FROM_SECONDS = 0
UNTIL_SECONDS = 2**32 - 1
"""Newer versions take a greater number for milliseconds."""


class VictoriaMetrics(Server):
    """VictoriaMetrics on one machine; keeps a hundred years and rounds values to about 15 digits."""

    program = "victoria-metrics"

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        super().__init__(directory, host=host)
        self.plain_port = self.claim_port()
        self.http_port = self.claim_port()
        # The proxies of the environment are none of our business on loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def address(self) -> str:
        """The address as it stands before a port."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def command(self) -> list[str]:
        """Return the words that start VictoriaMetrics."""
        return [
            self.program,
            f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr={self.address}:{self.http_port}",
            f"-graphiteListenAddr={self.address}:{self.plain_port}",
            "-retentionPeriod=100y",
            "-enableTCP6",
            "-memory.allowedBytes=128MB",
            "-loggerLevel=WARN",
        ]

    def read(self, name: str) -> dict[int, float]:
        """Return every point of a metric that can be queried by now: whole seconds since 1970 -> value."""
        points: dict[int, float] = {}
        for line in self.export("{__name__=" + json.dumps(name, ensure_ascii=False) + "}").splitlines():
            series = json.loads(line)
            points.update(
                (milliseconds // 1000, value)
                for milliseconds, value in zip(series["timestamps"], series["values"], strict=True)
            )
        return points

    def export(self, selector: str) -> str:
        """Return the series that a selector finds and can be queried by now, an object of JSON each on a line."""
        self._get("/internal/force_flush")
        query = urllib.parse.urlencode({"match[]": selector, "start": FROM_SECONDS, "end": UNTIL_SECONDS})
        return self._get(f"/api/v1/export?{query}")

    def wait_for(self, name: str, points: int = 1, *, deadline_seconds: float = 30) -> dict[int, float]:
        """Return read(name) once it has that many points. Raises ServerFailed at the deadline."""
        wait_until(
            lambda: len(self.read(name)) >= points,
            lambda: f"{name} has {self.read(name)}, wanted {points} points",
            deadline_seconds=deadline_seconds,
        )
        return self.read(name)

    def _get(self, path: str) -> str:
        url = f"http://{self.address}:{self.http_port}{path}"
        with self._opener.open(url, timeout=10) as response:
            return str(response.read(), "utf-8")
