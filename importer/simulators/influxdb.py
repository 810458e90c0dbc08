"""A simulator of InfluxDB: /write, /query and /ping of 1.x, /api/v2/write and /health of 2.x, and 3.x with both.

`version` says which it plays. The answers of 1.x are those of influxd 1.6.7, recorded 2026-11-25; those of 2.x and 3.x
follow their documentation: https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/ and
https://docs.influxdata.com/influxdb3/core/write-data/troubleshoot/ (2026-11-25).

>>> from urllib.request import Request as UrlRequest, urlopen
>>> with InfluxdbSimulator(databases=("shop",)) as simulator:
...     request = UrlRequest(simulator.url + "/write?db=shop&precision=ms", b"dau,zone=eu value=48213.0 1462147200000")
...     with urlopen(request, timeout=10) as answer:
...         status = answer.status
>>> status, simulator.points[0].measurement, simulator.points[0].fields, simulator.points[0].nanoseconds
(204, 'dau', {'value': 48213.0}, 1462147200000000000)

As a process, for benchmarks: the URL is the first line of its output.

    python -m importer.simulators.influxdb --port 0 --version 2.7.12 --database shop
"""

import gzip
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

from importer.simulators.http_wire import Answer, Request
from importer.simulators.influxdb_access import PASSWORD, TOKEN, USERNAME, InfluxdbAccess, InfluxdbOptions
from importer.simulators.influxdb_lines import FieldValue, Line, parse_lines
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["PASSWORD", "TOKEN", "USERNAME", "InfluxdbSimulator", "StoredPoint", "main"]

_NANOSECONDS = {"ns": 1, "n": 1, "us": 10**3, "u": 10**3, "ms": 10**6, "s": 10**9}
_KINDS = {str: "string", int: "integer", float: "float", bool: "boolean"}
_COLUMN = "iox::column_type::field::"
_CREATE = re.compile(r'CREATE DATABASE "((?:\\.|[^"\\])+)"')


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """What is stored under one series and time."""

    database: str
    """Of 2.x the bucket."""
    measurement: str
    tags: tuple[tuple[str, str], ...]
    """In the order of their keys."""
    fields: dict[str, FieldValue]
    nanoseconds: int
    """Since 1970-01-01 UTC."""


class InfluxdbSimulator(InfluxdbAccess):
    """One server, whose attributes, those of `InfluxdbAccess` too, may be changed at any time."""

    def __init__(self, **options: Unpack[InfluxdbOptions]) -> None:
        super().__init__(**options)
        self.earliest_nanoseconds = 0
        """Older points are beyond the retention policy."""
        self.max_body_bytes = 25_000_000
        """A larger body, as it travels, is answered with 413."""
        self._points: dict[tuple[str, str, tuple[tuple[str, str], ...], int], dict[str, FieldValue]] = {}
        self._types: dict[tuple[str, str, str], type] = {}
        self._add_routes()

    def _add_routes(self) -> None:
        self.route("GET", "/ping", self._ping)
        if self.generation != 2:
            self.route("POST", "/write", self._write)
        if self.generation == 1:
            self.route("POST", "/query", self._query)
        else:
            self.route("POST", "/api/v2/write", self._write)
            self.route("GET", "/health", self._health)

    @property
    def points(self) -> tuple[StoredPoint, ...]:
        """All that is stored, in the order in which it was first written."""
        with self._changed:
            return tuple(
                StoredPoint(database, measurement, tags, dict(fields), nanoseconds)
                for (database, measurement, tags, nanoseconds), fields in self._points.items()
            )

    def wait_for_points(self, count: int, *, timeout_seconds: float = 10.0) -> tuple[StoredPoint, ...]:
        """Return all points once there are that many. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._points) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self._points)} points in {timeout_seconds:g} s, not {count}")
        return self.points

    # Routes

    def _ping(self, request: Request) -> Answer:
        headers = {"X-Influxdb-Version": self.version, "X-Influxdb-Build": "OSS"}
        if self.generation < 3:
            return Answer(204, headers)
        return self.refusal(request) or Answer.json({"version": self.version, "revision": "0"}, headers=headers)

    def _health(self, _request: Request) -> Answer:
        if self.generation == 3:
            return Answer(200, {"Content-Type": "text/plain"}, b"OK")
        return Answer.json({"name": "influxdb", "status": "pass", "version": f"v{self.version}"})

    def _query(self, request: Request) -> Answer:
        statement = {**request.query, **request.form}.get("q", "")
        if refusal := self.refusal(request):
            return refusal
        if not self.may_create:
            return self.error(403, f"error authorizing query: not authorized to execute statement '{statement}'")
        match = _CREATE.fullmatch(statement)
        name = re.sub(r"\\(.)", r"\1", match[1]) if match else ""
        if not name or "/" in name or "\\" in name:
            return Answer.json({"results": [{"statement_id": 0, "error": "invalid name"}]})
        self.databases.add(name)
        return Answer.json({"results": [{"statement_id": 0}]})

    def _write(self, request: Request) -> Answer:
        of_v1 = request.path == "/write"
        database = request.query.get("db" if of_v1 else "bucket", "")
        if refusal := self.refusal(request) or self.unknown(database, request):
            return refusal
        if len(request.body) > self.max_body_bytes:
            return self.error(413, "Request Entity Too Large")
        try:
            good, complaints = parse_lines(_unpacked(request))
            factor = _NANOSECONDS[request.query.get("precision", "ns")]
        except (OSError, EOFError, zlib.error, ValueError, KeyError) as error:
            return self.error(400, f"unable to read the request: {error}")
        if not good and not complaints and self.generation > 1:
            return self.error(400, "writing requires points")
        if complaints and (self.generation == 2 or not good):
            return self.error(400, complaints[0])
        return self._partial(complaints, self._store_all(database, good, factor))

    # The store

    def _store_all(self, database: str, lines: Sequence[Line], factor: int) -> dict[int, str]:
        """Store what can be stored, and return a complaint for each other line, by its number from 1."""
        with self._changed:
            reasons = {number: self._store(database, line, factor) for number, line in enumerate(lines, start=1)}
            complaints = {number: reason for number, reason in reasons.items() if reason}
            self._changed.notify_all()
        return complaints

    def _store(self, database: str, line: Line, factor: int) -> str:
        nanoseconds = (line.timestamp or 0) * factor
        keys = dict(line.tags).keys()
        if "time" in keys:
            return f'invalid tag key: input tag "time" on measurement "{line.measurement}" is invalid'
        if self.generation == 3 and keys & line.fields.keys():
            return "a tag and a field have the same name"
        if nanoseconds < self.earliest_nanoseconds:
            return "points beyond retention policy"
        for name, value in line.fields.items():
            known = self._types.setdefault((database, line.measurement, name), type(value))
            if known is not type(value):
                return self._conflict(line.measurement, name, type(value), known)
        series = (database, line.measurement, line.tags, nanoseconds)
        self._points.setdefault(series, {}).update(line.fields)
        return ""

    def _conflict(self, measurement: str, name: str, sent: type, known: type) -> str:
        if self.generation == 3:
            kinds = f"expected {_COLUMN}{_KINDS[known]}, got {_COLUMN}{_KINDS[sent]}"
            return f"invalid column type for column '{name}', {kinds}"
        kinds = f"is type {_KINDS[sent]}, already exists as type {_KINDS[known]}"
        return f'field type conflict: input field "{name}" on measurement "{measurement}" {kinds}'

    def _partial(self, unparsed: Collection[str], dropped: Mapping[int, str]) -> Answer:
        complaints = [*unparsed, *dropped.values()]
        if not complaints:
            return Answer(204)
        reason = f"partial write: {complaints[0]} dropped={len(dropped)}"
        if self.generation == 1:
            return self.error(400, reason)
        if self.generation == 2:
            message = f"failure writing points to database: {reason}"
            return Answer.json({"code": "unprocessable entity", "message": message}, status=422)
        data: list[dict[str, object]] = [{"error_message": complaint} for complaint in unparsed]
        data += [{"error_message": complaint, "line_number": number} for number, complaint in dropped.items()]
        return Answer.json({"error": "partial write of line protocol occurred", "data": data}, status=400)


def _unpacked(request: Request) -> bytes:
    """Raises what gzip raises for a body that is not what its header says."""
    packed = request.headers.get("content-encoding") == "gzip"
    return gzip.decompress(request.body) if packed else request.body


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.influxdb", main.__doc__)
    parser.add_argument("--version", default="1.6.7", help="what to play: 1.x, 2.x or 3.x")
    parser.add_argument("--database", action="append", default=[], help="one that exists, or a bucket of 2.x; repeat")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    simulator = InfluxdbSimulator(
        version=options.version,
        databases=options.database,
        host=options.host,
        port=options.port,
        latency_seconds=options.latency,
        keep_requests=0,
    )
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
