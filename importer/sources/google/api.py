"""Requests to Google with a token: refreshed once when it is refused, repeated as Google asks, errors in one line."""

import logging
import threading
from collections.abc import Mapping
from typing import Any, Protocol, cast

from importer.collector.vendor import RETRIES, count_answer, pause_of, vendor_client
from importer.collector.vendor_failure import failure_of, unreachable, vendor_text
from importer.errors import BadAnswer, SourceError, SourceUnavailable, Stopped, TransportError
from importer.http_client import RetryPolicy
from importer.http_request import split_url
from importer.http_response import BadJson, Response
from importer.sources.google.names import SOURCE

logger = logging.getLogger(__name__)

RATE_REASONS = ("userRateLimitExceeded", "quotaExceeded", "rateLimitExceeded")
"""With status 403: too fast, and not forbidden."""

MAX_RESPONSE_BYTES = 256 * 2**20
"""A page of 250,000 rows has room in it."""

Answer = Mapping[str, object]
"""A JSON object."""


class TokenSource(Protocol):
    """Where access tokens come from."""

    def token(self) -> str:
        """Return one that has not expired."""

    def renew(self) -> None:
        """Get a new one."""


class GoogleApi:
    """Google's APIs below one address; whatever goes wrong is a SourceError in one line."""

    def __init__(
        self,
        url: str,
        tokens: TokenSource,
        *,
        proxies: Mapping[str, str] | None = None,
        retries: RetryPolicy = RETRIES,
        stop: threading.Event | None = None,
    ) -> None:
        base, root = split_url(url)
        self._root = root.rstrip("/")
        self._tokens = tokens
        self._retries = retries
        self._stop = stop or threading.Event()
        self._client = vendor_client(
            base, proxies=proxies, retries=retries, max_response_bytes=MAX_RESPONSE_BYTES, stop=self._stop
        )

    def ask(self, method: str, path: str, **request: Any) -> Answer:
        """Return the JSON object that answers a request for `path`, which begins with a slash.

        `request` is what `HttpClient.request` takes. Raises SourceError, which shows Google's own text.
        """
        path = f"{self._root}{path}"
        address = f"{self._client.base_url}{path}"
        response = self._authorized(method, path, request)
        if response.status >= 300:
            raise self._failure(method, address, response)
        count_answer()
        try:
            answer = response.json()
        except BadJson as error:
            raise BadAnswer(SOURCE, f"{address}: HTTP {response.status}: {error}") from error
        if not isinstance(answer, dict):
            raise BadAnswer(SOURCE, f"{address}: HTTP {response.status}: the answer is not a JSON object")
        return cast(Answer, answer)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _authorized(self, method: str, path: str, request: Mapping[str, Any]) -> Response:
        response = self._patient(method, path, request)
        if response.status != 401:
            return response
        logger.info("token is refused, and renewed")
        self._tokens.renew()
        return self._patient(method, path, request)

    def _patient(self, method: str, path: str, request: Mapping[str, Any]) -> Response:
        """Return the last answer, once Google no longer says that we are too fast, or has said so too often."""
        for attempt in range(self._retries.extra_attempts):
            response = self._exchange(method, path, request)
            if not _is_too_fast(response):
                return response
            seconds = self._retries.pause_seconds * 2**attempt
            logger.warning("request is repeated reason=%r seconds=%.1f", vendor_text(response), seconds)
            if self._stop.wait(seconds):
                raise Stopped(f"stopped while waiting for {SOURCE}")
        return self._exchange(method, path, request)

    def _exchange(self, method: str, path: str, request: Mapping[str, Any]) -> Response:
        token = self._tokens.token()
        try:
            return self._client.request(method, path, bearer=token, **request)
        except TransportError as error:
            raise unreachable(SOURCE, f"{self._client.base_url}{path}", error) from error

    def _failure(self, method: str, address: str, response: Response) -> SourceError:
        """Return the error of a bad answer, with the reason by which Google's documentation knows it."""
        reason = reason_of(response)
        known_as = f" ({reason})" if reason else ""
        if _is_too_fast(response):
            text = f"HTTP {response.status}: {vendor_text(response)}{known_as}"
            return SourceUnavailable(SOURCE, f"Max retries exceeded for {address}: {text}")
        pause = pause_of(response)
        repeated = pause is None or pause <= self._retries.max_wait_seconds
        error = failure_of(SOURCE, address, response, pause_seconds=pause, repeated=repeated)
        asked = "" if isinstance(error, SourceUnavailable) else f"{method} "
        return type(error)(SOURCE, f"{asked}{error.reason}{known_as}")


def _is_too_fast(response: Response) -> bool:
    return response.status == 403 and reason_of(response) in RATE_REASONS


def reason_of(response: Response) -> str:
    """Return the reason that an error answer gives beside its text: v3's `reason`, or the Data API's `status`."""
    try:
        answer = response.json()
    except BadJson:
        return ""
    match answer:
        case {"error": {"errors": [{"reason": str(reason)}, *_]}}:
            return reason
        case {"error": {"status": str(status)}}:
            return status
    return ""
