"""InfluxDB 1.x, read back by InfluxQL."""

import base64
import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.servers.process import Server

CONFIGURATION = """\
reporting-disabled = true
bind-address = "{address}:{rpc_port}"

[meta]
dir = "{directory}/meta"

[data]
dir = "{directory}/data"
wal-dir = "{directory}/wal"
cache-max-memory-size = {cache_bytes}
max-values-per-tag = {max_values_per_tag}

[http]
bind-address = "{address}:{http_port}"
auth-enabled = {with_login}
max-body-size = {max_body_bytes}
log-enabled = false

[monitor]
store-enabled = false
"""


class Influxdb(Server):
    """influxd 1.x without a database; `with_login` it has one user, its administrator, with these two words."""

    program = "influxd"
    username = "admin"
    password = "change: me"

    def __init__(
        self,
        directory: Path,
        *,
        host: str = "127.0.0.1",
        with_login: bool = False,
        max_body_bytes: int = 25_000_000,
        cache_bytes: int = 100_000_000,
        max_values_per_tag: int = 100_000,
    ) -> None:
        super().__init__(directory, host=host)
        self.http_port = self.claim_port()
        self._rpc_port = self.claim_port()
        self._with_login = with_login
        self._max_body_bytes = max_body_bytes
        self._cache_bytes = cache_bytes
        self._max_values_per_tag = max_values_per_tag
        # The proxies of the environment are none of our business on loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def address(self) -> str:
        """The address as it stands before a port."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.address}:{self.http_port}"

    def command(self) -> list[str]:
        """Return the words that start influxd; writes its configuration."""
        path = self.directory / "influxdb.conf"
        path.write_text(
            CONFIGURATION.format(
                address=self.address,
                directory=self.directory,
                rpc_port=self._rpc_port,
                http_port=self.http_port,
                with_login=str(self._with_login).lower(),
                max_body_bytes=self._max_body_bytes,
                cache_bytes=self._cache_bytes,
                max_values_per_tag=self._max_values_per_tag,
            )
        )
        return [self.program, "run", "-config", str(path)]

    def start(self) -> None:
        """Start influxd and, with a login, make its administrator where there is none."""
        super().start()
        if self._with_login:
            self.query(f"CREATE USER {self.username} WITH PASSWORD '{self.password}' WITH ALL PRIVILEGES")

    def query(self, statement: str, *, database: str = "") -> list[dict[str, Any]]:
        """Return the series that a statement of InfluxQL gives, times in milliseconds. Raises URLError."""
        form = urllib.parse.urlencode({"q": statement, "db": database, "epoch": "ms"}).encode()
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"} if self._with_login else {}
        request = urllib.request.Request(f"{self.url}/query", form, headers)
        with self._opener.open(request, timeout=10) as response:
            (result,) = json.load(response)["results"]
        return list(result.get("series", []))

    def read(self, measurement: str, *, database: str, retention_policy: str = "autogen") -> dict[int, float]:
        """Return every point of a measurement's field `value`: milliseconds since 1970 -> value, whatever the tags."""
        found = self.query(f'SELECT "value" FROM "{retention_policy}"."{measurement}"', database=database)
        return {time: value for series in found for time, value in series["values"]}
