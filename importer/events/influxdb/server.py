"""Where the events of a service are in InfluxDB, and how it is spoken to."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from importer.http_request import base_url
from importer.sinks.influxdb_target import Bucket, Database, Login, Token

V1, V2, V3 = APIS = ("v1", "v2", "v3")
"""By which interface InfluxDB is written to, and asked."""


@dataclass(frozen=True, slots=True)
class InfluxdbServer:
    """A database of InfluxDB 1.x, or a bucket of 2.x or 3.x."""

    url: str
    api: str
    """One of APIS."""
    target: Database | Bucket
    credentials: Login | Token | None

    @property
    def lane(self) -> str:
        """Its name, without secrets. Raises ValueError for no http(s) address."""
        parts = urlsplit(base_url(self.url))
        return f"influxdb://{parts.netloc}{parts.path}/{self.target.lane_path}"
