"""What is asked of InfluxDB over HTTP, and what its answers mean for the payload in hand.

Told apart by their text are only those answers whose status misleads. What may heal comes as 5xx, which is treated as
that: influxd 1.6.7 says 500 `timeout`, and 500 `engine: cache-max-memory-size exceeded` even where lines of the same
request are at fault too (both recorded 2026-11-25). A partial write is 400 for 1.x and 3.x
(https://docs.influxdata.com/influxdb3/core/write-data/troubleshoot/) and 422 for 2.x
(https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/, both 2026-11-25): what is not at fault is stored.
"""

import gzip
import logging
from collections.abc import Mapping
from typing import Any

from importer.errors import Rejected, SinkRefused, one_line
from importer.http_client import BadJson, HttpClient, Response
from importer.sinks.http_push import HttpPush
from importer.sinks.influxdb_target import Bucket, Database, Login, Token

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
_QUEUED = "hinted handoff queue not empty"
"""A cluster of InfluxDB Enterprise 1.x has the points, and keeps them for a node that is away, when it says this as an
error: its own clients do not send them again (influxdata/influxdb-client-js #458, telegraf's output, 2026-11-25)."""
_GZIP_LEVEL = 1
"""Six times smaller already; level 6 takes three times as long to make that eight."""


class TooLarge(Rejected):
    """More lines than the store takes at once: fewer may pass."""


class InfluxdbApi:
    """One database or bucket of one server; its failures are errors of the lane.

    Every method raises SinkUnavailable where another try may succeed, and SinkRefused where our configuration is at
    fault.
    """

    def __init__(
        self, lane: str, client: HttpClient, *, target: Database | Bucket, credentials: Login | Token | None
    ) -> None:
        self._lane = lane
        self._push = HttpPush(lane, client, hint=_HINT)
        self._target = target
        self._credentials = credentials

    def write(self, lines: bytes) -> None:
        """Return once the store has these lines; a database that is missing is made first, where 1.x says so.

        Raises Rejected with the store's reason where it took none or some of the lines, and TooLarge.
        """
        response = self._post_lines(lines)
        if self._lacks_database(response):
            self._create_database()
            response = self._post_lines(lines)
        if response.status == 413:
            raise TooLarge(self._lane, f"HTTP 413: {len(lines)} bytes of lines are too large a request")
        self._expect_success(response)

    def version(self) -> str:
        """Return the version of the server, in its own words, or `unknown`: InfluxDB Cloud 2 does not tell.

        All generations have /ping, which 3.x answers only to a good token; the /health of 3.x tells no version.
        https://docs.influxdata.com/influxdb/v2/api/ping/,
        https://docs.influxdata.com/influxdb3/core/api/server-information/ (both 2026-11-25)
        """
        response = self._ask("GET", "/ping")
        self._push.expect_success(response)
        return one_line(response.headers.get("X-Influxdb-Version") or "unknown", limit=80)

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

    def close(self) -> None:
        """Close the connections that are kept."""
        self._push.close()

    def _post_lines(self, lines: bytes) -> Response:
        return self._post(gzip.compress(lines, _GZIP_LEVEL), {"Content-Encoding": "gzip"})

    def _post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        return self._ask(
            "POST",
            self._target.write_path,
            params=self._target.parameters,
            headers={"Content-Type": "text/plain; charset=utf-8", **(headers or {})},
            body=body,
        )

    def _create_database(self) -> None:
        statement = f"CREATE DATABASE {_identifier(self._target.name)}"
        response = self._ask("POST", "/query", form={"q": statement})
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
        if response.status != 204:
            # A proxy's page would otherwise count as delivery.
            raise SinkRefused(self._lane, f"HTTP {response.status}, where InfluxDB says 204; {_HINT}")

    def _ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any) -> Response:
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
    return one_line(text, limit=300) if isinstance(text, str) else ""


def _statement_error(response: Response) -> str:
    """Return why a statement failed, though the answer's status is 200: InfluxQL tells it with the result."""
    match _json(response):
        case {"results": [{"error": str(reason)}, *_]}:
            return one_line(reason, limit=300)
    return ""


def _json(response: Response) -> object:
    try:
        return response.json()
    except BadJson:
        return None
