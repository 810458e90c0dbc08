"""What is asked of InfluxDB over HTTP, and what its answers mean for the payload in hand.

Told apart by their text are only those answers whose status misleads. What may heal comes as 5xx, which is treated as
that: influxd 1.6.7 says 500 `timeout`, and 500 `engine: cache-max-memory-size exceeded` even where lines of the same
request are at fault too (both recorded 2026-11-25). A partial write is 400 for 1.x and 3.x
(https://docs.influxdata.com/influxdb3/core/write-data/troubleshoot/) and 422 for 2.x
(https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/, both 2026-11-25): what is not at fault is stored.
"""

import gzip
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer.credentials import redact
from importer.errors import Rejected, SinkRefused, one_line
from importer.http_client import BadJson, HttpClient, Response
from importer.sinks.http_push import HttpPush, TooLarge, told
from importer.sinks.influxdb_target import PRECISION, Bucket, Database, Login, Token

logger = logging.getLogger(__name__)

_HINT = "correct url, database or bucket, or the credentials of influxdb"
_DATABASE_NOT_FOUND = "database not found"
_MISCONFIGURED = (
    "retention policy not found",  # 500; influxd 1.6.7, recorded 2026-11-25
    "Please provide either orgID or org",  # 400; influxdata/influxdb 2.x, organization.go, 2026-11-25
    "invalid character in database name",  # 400; this and the next: influxdb3 Core, tests of its server, 2026-11-25
    "db name did not start with",
)
"""How messages begin that are about our configuration, with a status that says something else."""
_BEYOND_RETENTION = "partial write: points beyond retention policy"
"""Early 2.x says it with 500 (dojot/dojot #2216, 2026-11-28), where another try would change nothing."""
_NOT_THERE = re.compile(r"database not found|bucket .*not found|could not find bucket")
"""404; the last by Flux: https://github.com/influxdata/vsflux/issues/69 (2026-11-28)."""
_QUEUED = "hinted handoff queue not empty"
"""A cluster of InfluxDB Enterprise 1.x has the points, and keeps them for a node that is away, when it says this as an
error: its own clients do not send them again (influxdata/influxdb-client-js #458, telegraf's output, 2026-11-25)."""
_GZIP_LEVEL = 1
"""Six times smaller already; level 6 takes three times as long to make that eight."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the store says against a line."""

    text: str
    """Whole, and in the store's own words."""
    line: int | None = None
    """Which line of the request it is about, counted from 0; None where the store does not tell."""


class LinesRefused(Rejected):
    """The store did not take some of the lines, or none of them."""

    def __init__(self, sink: str, reason: str, complaints: Sequence[Complaint]) -> None:
        super().__init__(sink, reason)
        self.complaints = tuple(complaints)


class InfluxdbApi:
    """One database or bucket of one server; its failures are errors of the lane.

    Every method raises SinkUnavailable where another try may succeed, and SinkRefused where our configuration is at
    fault.
    """

    def __init__(
        self,
        lane: str,
        client: HttpClient,
        *,
        target: Database | Bucket,
        credentials: Login | Token | None,
        precision: str = PRECISION,
    ) -> None:
        """`precision` is the unit of the timestamps, `ms` or `ns`."""
        self._lane = lane
        self._push = HttpPush(lane, client, hint=_HINT)
        self._target = target
        self._credentials = credentials
        self._precision = precision

    def write(self, lines: bytes) -> None:
        """Return once the store has these lines; a database that is missing is made first, where 1.x says so.

        Raises LinesRefused with the store's reason where it took none or some of the lines, and TooLarge.
        """
        response = self._post_lines(lines)
        if self._lacks_database(response):
            self._create_database()
            response = self._post_lines(lines)
        if response.status == 500 and _BEYOND_RETENTION in _message(response):
            raise LinesRefused(self._lane, f"HTTP 500{told(response)}", tuple(_complaints(response)))
        if response.status == 413:
            raise TooLarge(self._lane, f"HTTP 413: {len(lines)} bytes of lines are too large a request")
        try:
            self._expect_success(response)
        except Rejected as error:
            raise LinesRefused(self._lane, error.reason, tuple(_complaints(response))) from error

    def version(self) -> str:
        """Return the version of the server, in its own words, or `unknown`: InfluxDB Cloud 2 does not tell.

        All generations have /ping, which 3.x answers only to a good token; the /health of 3.x tells no version.
        https://docs.influxdata.com/influxdb/v2/api/ping/,
        https://docs.influxdata.com/influxdb3/core/api/server-information/ (both 2026-11-25)
        """
        response = self.ask("GET", "/ping")
        self._push.expect_success(response)
        return one_line(redact(response.headers.get("X-Influxdb-Version") or "unknown"), limit=80)

    def has_target(self) -> bool:
        """Return whether the database or bucket is there and may be written to; False if it would have to be made.

        Asks by writing no line at all: 1.x takes that (1.6.7, recorded 2026-11-25), the others say 400, once they have
        looked at credentials and bucket (influxdata/influxdb 2.x, http/write_handler.go; 2026-11-25).
        """
        response = self._post(b"")
        if self._lacks_database(response):
            return False
        if response.status != 400 or self._is_misconfigured(response):
            self._expect_success(response)
        return True

    def read(self, method: str, path: str, **request: Any) -> Response | None:
        """Return the answer to a question about what is stored, None where the database or bucket is not there.

        Raises Rejected where the question is not understood.
        """
        response = self.ask(method, path, **request)
        if response.status == 404 and _NOT_THERE.search(_message(response)):
            return None
        self._push.expect_success(response)
        return response

    def check(self) -> str:
        """Return which version answers and whether the database is there, having stored nothing."""
        try:
            version = self.version()
            state = "can be written to" if self.has_target() else "does not exist, and will be made"
        except Rejected as error:  # there is no payload that could be at fault
            raise SinkRefused(self._lane, error.reason) from error
        return f"{self._lane} {state}; the version of InfluxDB is {version}"

    def stop(self) -> None:
        """Wait no more between tries."""
        self._push.stop()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._push.close()

    def _post_lines(self, lines: bytes) -> Response:
        return self._post(gzip.compress(lines, _GZIP_LEVEL), {"Content-Encoding": "gzip"})

    def _post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        return self.ask(
            "POST",
            self._target.write_path,
            params={**self._target.parameters, "precision": self._precision},
            headers={"Content-Type": "text/plain; charset=utf-8", **(headers or {})},
            body=body,
        )

    def _create_database(self) -> None:
        statement = f"CREATE DATABASE {_identifier(self._target.name)}"
        response = self.ask("POST", "/query", form={"q": statement})
        try:
            self._push.expect_success(response)
        except (SinkRefused, Rejected) as error:
            raise self._uncreated(error.reason) from error
        if reason := _statement_error(response):
            raise self._uncreated(reason)
        logger.info("database is made sink=%s", self._lane)

    def _uncreated(self, reason: str) -> SinkRefused:
        return SinkRefused(self._lane, f"the database does not exist, and making it failed: {reason}")

    def _lacks_database(self, response: Response) -> bool:
        return (
            isinstance(self._target, Database)
            and response.status == 404
            and _message(response).startswith(_DATABASE_NOT_FOUND)
        )

    def _is_misconfigured(self, response: Response) -> bool:
        return response.status >= 400 and _message(response).startswith(_MISCONFIGURED)

    def _expect_success(self, response: Response) -> None:
        if self._is_misconfigured(response):
            raise SinkRefused(self._lane, f"HTTP {response.status}: {_message(response)}; {_HINT}")
        if response.status >= 400 and _QUEUED in _message(response):
            logger.info("points wait inside the cluster sink=%s", self._lane)
            return
        self._push.expect_success(response)
        if response.status != 204 and (response.status != 200 or response.body.strip()):
            # A proxy's page would otherwise count as delivery.
            raise SinkRefused(self._lane, f"HTTP {response.status}, where InfluxDB says 204; {_HINT}")

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any) -> Response:
        """Return the answer to a request with our credentials, whatever its status."""
        match self._credentials:
            case Login(username, password):
                request["basic"] = (username, password.reveal())
            case Token(secret):
                headers = {**(headers or {}), "Authorization": f"Token {secret.reveal()}"}
        return self._push.ask(method, path, headers=headers, **request)


def _identifier(name: str) -> str:
    """Return a name as InfluxQL reads it: https://docs.influxdata.com/influxdb/v1/query_language/spec/ (2026-11-25)."""
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _message(response: Response) -> str:
    """Return what an answer says about itself: `error` of 1.x and 3.x, `message` of 2.x."""
    answer = _json(response)
    if not isinstance(answer, dict):
        return ""
    text = answer.get("error") or answer.get("message")
    return one_line(redact(text), limit=300) if isinstance(text, str) else ""


def _statement_error(response: Response) -> str:
    """Return why a statement failed, though the answer's status is 200: InfluxQL tells it with the result."""
    match _json(response):
        case {"results": [{"error": str(reason)}, *_]}:
            return one_line(redact(reason), limit=300)
    return ""


def _complaints(response: Response) -> Iterator[Complaint]:
    """Yield what an answer says of lines: 3.x tells it of each of them, the others of one."""
    answer = _json(response)
    if not isinstance(answer, dict):
        return
    told = answer.get("data")
    for entry in told if isinstance(told, list) else [told]:
        match entry:
            case {"error_message": str(complaint), "line_number": int(number)}:
                yield Complaint(complaint, number - 1)
            case {"error_message": str(complaint)}:
                yield Complaint(complaint)
    whole = answer.get("error") or answer.get("message")
    if isinstance(whole, str):
        yield Complaint(whole)


def _json(response: Response) -> object:
    try:
        return response.json()
    except BadJson:
        return None
