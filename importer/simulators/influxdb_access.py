"""Who may ask the simulated InfluxDB, and for which databases: logins, tokens, organisations and buckets."""

import re
from collections.abc import Iterable
from typing import Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.basic_auth import basic_credentials
from importer.simulators.http_wire import Answer, Request

USERNAME = "importer"
PASSWORD = "open: sesame"  # noqa: S105 - made up, for loopback
TOKEN = "bWFkZSB1cA-rkZ2JhZ_w=="  # noqa: S105 - made up, for loopback
ORG = "acme"

_CODES = {400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not found", 413: "request too large"}
_NAME_OF_3 = re.compile(r"[A-Za-z0-9_-]+")


class InfluxdbOptions(ServerOptions, total=False):
    """What an InfluxdbAccess can be told."""

    version: str
    databases: Iterable[str]
    with_login: bool


class InfluxdbAccess(HttpSimulator):
    """A simulator that knows databases; of 2.x they are the buckets of the organisation ORG."""

    def __init__(
        self,
        *,
        version: str = "1.6.7",
        databases: Iterable[str] = (),
        with_login: bool = False,
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.version = version
        self.generation = int(version.partition(".")[0])
        """1, 2 or 3."""
        self.databases = set(databases)
        self.with_login = with_login
        """Whether USERNAME and PASSWORD (1.x) or TOKEN (later) are asked for."""
        self.may_create = True
        """Whether that user may make databases."""
        self.retention_policies = {"autogen"}
        """Of every database."""

    def refusal(self, request: Request) -> Answer | None:
        """Return the answer to who may not ask, None to others."""
        if not self.with_login:
            return None
        if self.generation == 1:
            known = basic_credentials(request) == (USERNAME, PASSWORD)
            return None if known else self.error(401, "authorization failed")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return None if (scheme, token) == ("Token", TOKEN) else self.error(401, "unauthorized access")

    def unknown(self, database: str, request: Request) -> Answer | None:
        """Return the answer where the request names what is not there, else None; 3.x makes the database."""
        if self.generation == 1:
            return self._unknown_to_1(database, request.query.get("rp", "autogen"))
        if self.generation == 2:
            return self._unknown_to_2(database, request.query.get("org", ""))
        if _NAME_OF_3.fullmatch(database) is None:
            return self.error(400, "invalid character in database name: must be ASCII")
        self.databases.add(database)
        return None

    def _unknown_to_1(self, database: str, retention_policy: str) -> Answer | None:
        if database not in self.databases:
            return self.error(404, f'database not found: "{database}"')
        if retention_policy not in self.retention_policies:
            return self.error(500, f"retention policy not found: {retention_policy}")
        return None

    def _unknown_to_2(self, bucket: str, org: str) -> Answer | None:
        if not org:
            return self.error(400, "Please provide either orgID or org")
        if org != ORG:
            return self.error(404, f'organization name "{org}" not found')
        return None if bucket in self.databases else self.error(404, f'bucket "{bucket}" not found')

    def error(self, status: int, message: str) -> Answer:
        """Return an answer that says what went wrong, as this generation writes it."""
        if self.generation == 2:
            return Answer.json({"code": _CODES.get(status, "internal error"), "message": message}, status=status)
        return Answer.json({"error": message}, status=status)
