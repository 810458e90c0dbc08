"""Ask the Pingdom API, 3.1 with a token or 2.0 with a password. Whatever goes wrong is a SourceError in one line."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from importer.collector.vendor import RETRIES, Vendor
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.sources.pingdom.config import Access
from importer.sources.pingdom.parse import Check, Hour, Result, parse_checks, parse_hours, parse_results

SOURCE = "pingdom"
PAGE_RESULTS = 1000
MAX_OFFSET = 43_200
"""The most that the API takes as limit and as offset."""

Parsed = TypeVar("Parsed")


class PingdomApi:
    """One account's view of the API. Raises ValueError for what is no address."""

    def __init__(self, access: Access, *, retries: RetryPolicy = RETRIES, stop: threading.Event | None = None) -> None:
        self._access = access
        self._vendor = Vendor(SOURCE, access.url, proxies=access.proxies, retries=retries, stop=stop)

    def check(self) -> str:
        """List the checks, and return what was found in one line; raises SourceError."""
        return f"{self._access.url} answers: logged in, {len(self.checks())} checks"

    def checks(self) -> list[Check]:
        """Return the account's checks; raises SourceError."""
        return self._ask("checks", {}, parse_checks)

    def check_id(self, name: str) -> int:
        """Return the id of the first check of that name; raises BadAnswer if there is none, else SourceError."""
        for check in self.checks():
            if check.name == name:
                return check.id
        raise BadAnswer(SOURCE, f'no check is called "{name}"; the query\'s name must be that of a check')

    def hours(self, check_id: int, start: datetime, end: datetime) -> list[Hour]:
        """Return each hour of a check between two times, of which one without a zone is UTC; raises SourceError."""
        params: dict[str, str | int] = {
            "includeuptime": "true",
            "from": _unix(start),
            "to": _unix(end),
            "resolution": "hour",
        }
        return self._ask(f"summary.performance/{check_id}", params, parse_hours)

    def results(self, check_id: int, start: int, end: int) -> list[Result]:
        """Return the tests of a check from start to end (both included, in seconds since 1970 UTC), oldest first.

        Pingdom gives the newest first, a page at a time. Raises SourceError.
        """
        found: list[Result] = []
        while True:
            params: dict[str, str | int] = {"from": start, "to": end, "limit": PAGE_RESULTS, "offset": len(found)}
            page = self._ask(f"results/{check_id}", params, parse_results)
            found = page + found
            if len(page) < PAGE_RESULTS or len(found) > MAX_OFFSET:
                return found

    def close(self) -> None:
        """Close the connections."""
        self._vendor.close()

    def _ask(self, path: str, params: Mapping[str, str | int], parse: Callable[[object], Parsed]) -> Parsed:
        answer = self._vendor.ask_json(path, params=params, **_login(self._access))
        try:
            return parse(answer)
        except ValueError as error:
            raise BadAnswer(SOURCE, str(error)) from error


def _login(access: Access) -> dict[str, Any]:
    """Return what a request needs to be let in."""
    if access.token is not None:
        return {"bearer": access.token.reveal()}
    headers = {"App-Key": access.app_key.reveal()} if access.app_key is not None else {}
    if access.account_email is not None:
        headers["Account-Email"] = access.account_email
    password = access.password.reveal() if access.password is not None else ""
    return {"basic": (access.user, password), "headers": headers}


def _unix(moment: datetime) -> int:
    return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())
