"""InfluxDB: 1.x by /write, 2.x and 3.x by /api/v2/write; lines of text, packed by gzip.

A point overwrites the one of the same series and time, so that sending a payload again does no harm. InfluxDB 3 Core
alone does not promise that the later one of two different values wins
(https://docs.influxdata.com/influxdb3/core/reference/line-protocol/#duplicate-points, 2026-11-25).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import Rejected
from importer.http_client import HttpClient, RetryPolicy, base_url
from importer.points import Payload, Point
from importer.sinks.base import PointSink, batches
from importer.sinks.http_push import deliver_in_halves
from importer.sinks.influxdb_api import InfluxdbApi
from importer.sinks.influxdb_target import Bucket, Database, Login, Token, UnusableKey
from importer.sinks.line_protocol import SeriesKeys, point_lines
from importer.sinks.plain_text import join_lines

MAX_BUFFER = 5_000
"""Points in a payload: https://docs.influxdata.com/influxdb/v2/write-data/best-practices/optimize-writes/ (2026-11-25)
has the best of a write at 5,000 lines."""
TIMEOUT_SECONDS = 30.0

_FORMAT = "line"
_UNREADABLE = Secret("")
"""What stands for the secret of a file that cannot be read, which is told already."""
_RETRIES = RetryPolicy(extra_attempts=1, max_waits=0)
"""What takes longer than one more try is for the lane to wait for, Retry-After too."""


class InfluxdbSink(PointSink):
    """A database of InfluxDB 1.x, or a bucket of 2.x or 3.x.

    Measurements have the names that Graphite would get, labels are tags, the number is the field `value`.
    Raises ValueError for what is no http(s) address, and for a max_buffer below 1.
    """

    family = "influxdb"

    def __init__(
        self,
        *,
        url: str,
        target: Database | Bucket,
        credentials: Login | Token | None = None,
        max_buffer: int = MAX_BUFFER,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        if max_buffer < 1:
            raise ValueError(f"max_buffer {max_buffer} is not 1 or more")
        parts = urlsplit(base_url(url))
        super().__init__(f"influxdb://{parts.netloc}{parts.path}/{target.lane_path}")
        self._max_buffer = max_buffer
        self._series = SeriesKeys()
        client = HttpClient(url, retries=_RETRIES, timeout_seconds=timeout_seconds)
        self._api = InfluxdbApi(self.lane, client, target=target, credentials=credentials)

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that the keys describe.

        They are url; database and retention_policy, or bucket and org; username and password, or token; max_buffer;
        timeout_seconds.
        """
        return cls(
            url=_url(keys),
            target=_target(keys),
            credentials=_credentials(keys),
            max_buffer=keys.integer("max_buffer", MAX_BUFFER, minimum=1, accept_text=True),
            timeout_seconds=keys.number("timeout_seconds", TIMEOUT_SECONDS, minimum=1, accept_text=True),
        )

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads of at most max_buffer lines, values as floats, times in milliseconds.

        Leaves out a point whose name and labels are longer than InfluxDB takes; the log says so once a series.
        """
        parts = batches(point_lines(points, self._series), self._max_buffer)
        return [Payload(join_lines(part), points=len(part), format=_FORMAT) for part in parts]

    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield the lines that `encode` puts into payloads."""
        yield from point_lines(points, self._series)

    def deliver(self, payload: Payload) -> None:
        """Write a payload; the store has it when this returns.

        Raises SinkUnavailable, SinkRefused, and Rejected with the store's reason where it did not take every line:
        what it could take of the payload is stored then, and can be written again without harm.
        """
        if payload.format != _FORMAT or not payload.data.endswith(b"\n"):
            raise Rejected(self.lane, "the kept payload is not made of lines")
        deliver_in_halves(self._write, payload.data.split(b"\n")[:-1])  # splitlines() would cut at other signs too

    def _write(self, lines: Sequence[bytes]) -> None:
        self._api.write(b"\n".join((*lines, b"")))

    def check(self) -> str:
        """Return which version answers and whether the database is there, having stored nothing.

        Raises SinkUnavailable or SinkRefused.
        """
        return self._api.check()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._api.close()


def _url(keys: ObjectReader) -> str:
    stand_in = "http://localhost"
    text = keys.text("url")
    try:
        return base_url(text)
    except ValueError as error:
        if text:
            keys.problem("url", str(error))
        return stand_in


def _target(keys: ObjectReader) -> Database | Bucket:
    database, retention_policy = keys.text("database", None), keys.text("retention_policy", None)
    bucket, org = keys.text("bucket", None), keys.text("org", None)
    if (database is None) == (bucket is None):
        keys.problem("database", "give either database (InfluxDB 1.x) or bucket (2.x and later)")
    if database is None and retention_policy is not None:
        keys.problem("retention_policy", "goes with database; a bucket has its own")
    if bucket is None and org is not None:
        keys.problem("org", "goes with bucket")
    try:
        return Bucket(bucket, org) if bucket is not None else Database(database or "-", retention_policy)
    except UnusableKey as error:
        keys.problem(error.key, error.reason)
        return Database("-")


def _credentials(keys: ObjectReader) -> Login | Token | None:
    username, password, token = keys.text("username", None), keys.secret("password", None), keys.secret("token", None)
    if token is not None and username is not None:
        keys.problem("token", "is given, and username too: keep one of them")
    if (username is None) != (password is None):
        keys.problem("username", "goes with password, and password with username")
    try:
        if username is not None and password is not None:
            return Login(username, password)
        return Token(token) if token is not None and token != _UNREADABLE else None
    except UnusableKey as error:
        keys.problem(error.key, error.reason)
        return None
