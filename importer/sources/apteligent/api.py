"""Ask the Apteligent REST API v1.0: log in, list the apps, fetch figures.

Whatever goes wrong is a SourceError in one line. A refused login or an unreachable host is remembered until the
next cycle, so that it is not repeated for each app.
"""

import json
import logging
import math
import time
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from importer.credentials import Secret
from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable, TransportError
from importer.http_client import HttpClient
from importer.http_response import Response
from importer.sources.apteligent.config import OLD_HOSTS, Account
from importer.sources.apteligent.parse import parse_apps
from importer.sources.apteligent.tokens import Tokens
from importer.stores import read_json_cache, write_private

logger = logging.getLogger(__name__)

SOURCE = "apteligent"
APPS_MAX_AGE_SECONDS = 24 * 3600.0
MAX_RESET_SECONDS = 1e9
"""More than this is not meant, and could not be waited for."""
LIMIT_LOG_SECONDS = 1.0
APP_ATTRIBUTES = "appName,linkToAppStore,appVersions,latestVersionString,iconURL"


def rate_limit_reset(response: Response) -> float | None:
    """Return how many seconds a 429 asks us to wait: `reset` in its body, as the v1.0 API gives it, or the header's.

    None for other errors than 429 and 503, and where these do not say.
    """
    if response.status not in (429, 503):
        return None
    try:
        answer = response.json()
    except ValueError:
        answer = None
    reset = answer.get("reset") if isinstance(answer, dict) else None
    if isinstance(reset, bool) or not isinstance(reset, int | float):
        return response.retry_after_seconds()
    return float(min(max(0.0, reset), MAX_RESET_SECONDS))


class ApteligentApi:
    """One account's view of the API; its methods may be called from any number of threads."""

    def __init__(
        self, account: Account, client: HttpClient, *, cache: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._account = account
        self._client = client
        self._clock = clock
        self._apps_path = cache / "apps.json"
        self._tokens = Tokens(self._log_in, cache, source=SOURCE, clock=clock)
        self._unreachable: SourceUnavailable | None = None
        self._limit_logged_at = -math.inf

    def begin_cycle(self) -> None:
        """Forget refusals and unreachable hosts of the last cycle."""
        self._unreachable = None
        self._tokens.begin_cycle()

    def check(self) -> str:
        """Log in and list the apps, and return what was found in one line; raises SourceError."""
        apps = self._fetch_apps()
        return f"{self._account.url} answers: logged in, {len(apps)} apps"

    def apps(self, *, allowed: Callable[[str], bool], unless_older_than: float) -> dict[str, str]:
        """Return the account's apps that are allowed, id -> name, from apps.json where that is younger than a day.

        `unless_older_than` is a time, in seconds since 1970 UTC, that makes an older file worthless: that of the
        blacklist. Raises SourceError when there is no list at all; an old one is better than none.
        """
        try:
            age = self._clock() - self._apps_path.stat().st_mtime
        except OSError:
            age = math.inf
        cached = read_json_cache(self._apps_path)
        fresh = 0 <= age < APPS_MAX_AGE_SECONDS and self._clock() - age >= unless_older_than
        apps = cached if cached is not None and fresh else self._renewed_apps(cached, allowed)
        names = {app_id: _name(app_id, attributes) for app_id, attributes in apps.items() if allowed(app_id)}
        logger.info("apps tracked: %d", len(names))
        return names

    def graph(self, app_id: str, metric: str, *, minutes: int) -> object:
        """Return the answer to a graph of one metric over the last minutes, a value a day."""
        params = {"graph": metric, "duration": minutes, "appId": app_id}
        return self._ask("/v1.0/errorMonitoring/graph", body={"params": params})

    def pie(self, app_id: str, metric: str, *, group_by: str) -> object:
        """Return the answer to a metric's running total of the day, by version, carrier and so on."""
        params = {"graph": metric, "duration": 1440, "appId": app_id, "groupBy": group_by}
        return self._ask("/v1.0/errorMonitoring/pie", body={"params": params})

    def services(self, app_id: str, metric: str) -> object:
        """Return the answer to a metric of the last 15 minutes by web service."""
        params = {"appIds": [app_id], "graph": metric, "duration": 15, "groupBy": "service"}
        return self._ask("/v1.0/performanceManagement/pie", body={"params": params})

    def live(self, app_id: str) -> object:
        """Return the answer to the last five minutes of an app, a bucket for each ten seconds."""
        path = f"/v1.0/liveStats/periodic/{urllib.parse.quote(app_id, safe='')}"
        return self._ask(path, params={"app_version": "total", "initialize": "1"})

    def _renewed_apps(
        self, cached: Mapping[str, object] | None, allowed: Callable[[str], bool]
    ) -> Mapping[str, object]:
        try:
            apps = self._fetch_apps()
        except (SourceUnavailable, BadAnswer) as error:
            if cached is None or self._unreachable is not None:
                raise
            logger.warning("app list not renewed, the old one is used: %s", error)
            return cached
        kept = {app_id: attributes for app_id, attributes in apps.items() if allowed(app_id)}
        try:
            write_private(self._apps_path, json.dumps(kept, indent=4))
        except OSError as error:
            logger.warning("app list not cached: file=%s: %s", self._apps_path, error.strerror)
        return kept

    def _fetch_apps(self) -> dict[str, dict[str, object]]:
        answer = self._ask("/v1.0/apps", method="GET", params={"attributes": APP_ATTRIBUTES})
        try:
            return parse_apps(answer)
        except ValueError as error:
            raise BadAnswer(SOURCE, f"app list: {error}") from error

    def _ask(
        self, path: str, *, method: str = "POST", params: Mapping[str, str] | None = None, body: object = None
    ) -> object:
        """Return the JSON answer to a request with our token, which is renewed once if it is refused."""
        token = self._tokens.current()
        response = self._send(token, path, method=method, params=params, body=body)
        if response.status in (401, 403):
            logger.info("token refused, renewing it: status=%d", response.status)
            response = self._send(self._tokens.renew(token), path, method=method, params=params, body=body)
        if response.status in (401, 403):
            raise self._tokens.refuse(SourceRefused(SOURCE, f"{path}: a new token is refused: {_failure(response)}"))
        if response.status != 200:
            raise _error(path, response)
        self._log_rate_limit(response)
        return _json(path, response)

    def _send(
        self, token: Secret, path: str, *, method: str, params: Mapping[str, str] | None, body: object
    ) -> Response:
        if body is None:
            headers = {"Content-Type": "application/json"}
            return self._exchange(method, path, params=params, headers=headers, bearer=token.reveal())
        return self._exchange(method, path, params=params, json=body, bearer=token.reveal())

    def _log_in(self) -> object:
        """Return the vendor's token answer; raises SourceRefused where the account is at fault."""
        path = "/v1.0/token"
        form = {
            "grant_type": "password",
            "username": self._account.username,
            "password": self._account.password.reveal(),
        }
        response = self._exchange("POST", path, form=form, basic=(self._account.client_id.reveal(), ""))
        if response.status in (400, 401, 403):
            hint = "mend username, password or clientID in apteligent.json"
            raise SourceRefused(SOURCE, f"login refused by {self._account.url}: {_failure(response)}; {hint}")
        if response.status != 200:
            raise _error(path, response)
        return _json(path, response)

    def _exchange(self, method: str, path: str, **request: Any) -> Response:
        """Send one request, unless the host was found to be unreachable in this cycle."""
        if self._unreachable is not None:
            raise self._unreachable
        try:
            return self._client.request(method, path, **request)
        except TransportError as error:
            reason = f"{path}: {error}" if not error.unreachable else f"{error}{self._retired_hint()}"
            unavailable = SourceUnavailable(SOURCE, reason, unreachable=error.unreachable)
            if error.unreachable:
                self._unreachable = unavailable
            raise unavailable from error

    def _log_rate_limit(self, response: Response) -> None:
        """Log what is left of the rate limit, though not for each of hundreds of answers a second."""
        remaining = response.headers.get("Rate-Limit-Remaining")
        if remaining is None or 0 <= self._clock() - self._limit_logged_at < LIMIT_LOG_SECONDS:
            return
        self._limit_logged_at = self._clock()
        limit, reset = response.headers.get("Rate-Limit-Limit"), response.headers.get("Rate-Limit-Reset")
        logger.info("rate limit left: %s of %s, reset in %s s", remaining, limit, reset)

    def _retired_hint(self) -> str:
        if not any(host in self._account.url for host in OLD_HOSTS):
            return ""
        return " (the vendor has retired its v1.0 hosts: set hostname in apteligent.json to one that still speaks v1.0)"


def _name(app_id: str, attributes: object) -> str:
    name = attributes.get("appName") if isinstance(attributes, Mapping) else None
    if isinstance(name, str) and name:
        return name
    logger.warning("app without a name, its id is used: app=%s", app_id)
    return app_id


def _json(path: str, response: Response) -> object:
    try:
        return response.json()
    except ValueError as error:
        raise BadAnswer(SOURCE, f"{path}: {error}") from error


def _error(path: str, response: Response) -> SourceError:
    reason = f"{path}: {_failure(response)}"
    if response.status == 429:
        reset = rate_limit_reset(response)
        wait = "" if reset is None else f"; it resets in {reset:g} s"
        return SourceUnavailable(SOURCE, f"{reason}{wait}")
    return SourceUnavailable(SOURCE, reason) if response.status >= 500 else BadAnswer(SOURCE, reason)


def _failure(response: Response) -> str:
    """Return the status of a refusal, with what the vendor says about it where it says something."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    texts = answer if isinstance(answer, Mapping) else {}
    said = [texts[key] for key in ("error", "error_description", "message") if isinstance(texts.get(key), str)]
    if 300 <= response.status < 400:
        said.append(f"redirects to {response.headers.get('Location', 'nowhere')}")
    return ": ".join([f"HTTP {response.status}", *said])
