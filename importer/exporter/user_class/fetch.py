"""A GET for a user's class as requests makes it, with a deadline, a bound on its size, and no secrets in messages."""

import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import requests

from importer import credentials
from importer.errors import SourceError
from importer.exporter.exchange import Tries, refusal_text
from importer.exporter.url_text import url_told
from importer.http_client import USER_AGENT, BadJson, Response
from importer.http_counts import PROCESS_COUNTS
from importer.http_failure import ExchangeError
from importer.http_request import Outgoing
from importer.http_transport import ExchangeLimits, Transport
from importer.rate_limit import asked_pause

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 10.0
MAX_RESPONSE_BYTES = 32 * 2**20
MAX_RETRY_AFTER_SECONDS = 3600.0

_SECRET_HEADER = re.compile(r"auth|key|token|secret|password|cookie|api-id", re.I)


class FetchError(SourceError, requests.RequestException):
    """An API did not give what was asked for; an exception of requests too, since users' code may catch those."""

    def __init__(self, url: str, reason: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(url, reason)
        self.retry_after_seconds = retry_after_seconds
        """For how long the API does not want to be asked."""


class Unreachable(FetchError, requests.ConnectionError):
    """No connection came about, or it was cut off."""


class TooSlow(FetchError, requests.Timeout):
    """No whole answer came in time."""


class BadStatus(FetchError, requests.HTTPError):
    """The status of the answer is none of success."""

    def __str__(self) -> str:
        return self.reason


class Unreadable(FetchError, requests.exceptions.InvalidJSONError, ValueError):
    """The answer is not JSON, or too large."""


@dataclass(frozen=True, slots=True)
class _Asked(Outgoing):
    """A request as a user's class has it: anything that requests takes."""

    params: Any = field(default=None, repr=False)


class _Transport(Transport):
    """Sends what requests makes of params and headers, and follows redirects as requests does."""

    def _open(self, outgoing: Outgoing, timeout_seconds: float) -> requests.Response:
        asked = cast(_Asked, outgoing)
        self._session.cookies.clear()  # each request is one of its own, as it always was
        self._session.headers["User-Agent"] = USER_AGENT
        timeout = (min(self._limits.connect_timeout_seconds, timeout_seconds), timeout_seconds)
        return self._session.get(asked.url, params=asked.params, headers=asked.headers, timeout=timeout, stream=True)


class Fetcher:
    """Asks for JSON over kept connections."""

    def __init__(
        self,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        stop: threading.Event | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        """`timeout_seconds` is for one exchange, redirects included."""
        self.stop = stop or threading.Event()
        self._transport = _Transport(
            "",
            limits=ExchangeLimits(CONNECT_TIMEOUT_SECONDS, timeout_seconds, max_response_bytes),
            proxies=None,
            verify=True,
            stop=self.stop,
            clock=time.monotonic,
        )
        self._secrets: dict[str, str] = {}
        """The newest value of each header: a class may send another one with each request."""

    def get(self, url: str, params: object, headers: Mapping[str, Any] | None, tries: Tries) -> object:
        """Return what an API answers as JSON; raises FetchError, and Stopped."""
        self._mask(headers or {})
        asked = _Asked("GET", url, cast(Mapping[str, str], headers), None, params)
        while True:
            try:
                response = self._exchange(asked)
            except ExchangeError as error:
                if error.may_heal and not error.timed_out and not error.too_large and tries.again():
                    continue
                raise _failure(url, error) from error
            if 200 <= response.status < 300:
                return _content(url, response)
            if response.status < 500 or asked_pause(response) is not None or not tries.again():
                raise _refusal(url, response)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _exchange(self, asked: _Asked) -> Response:
        while True:
            try:
                response = Response(*self._transport.send(asked))
            except ExchangeError as error:
                if not error.stale:  # else it is repeated, not for ever: each time it costs a kept connection
                    PROCESS_COUNTS.unanswered()
                    raise
            else:
                PROCESS_COUNTS.answered(urlsplit(str(asked.url)).netloc, response.status, response.headers)
                logger.debug("request url=%s status=%d", url_told(asked.url), response.status)
                return response

    def _mask(self, headers: Mapping[str, Any]) -> None:
        for name, value in headers.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            former = self._secrets.get(name)
            if value is not None and text != former and _SECRET_HEADER.search(str(name)):
                self._secrets[name] = text
                for secret in (text, text.rpartition(" ")[2]):
                    credentials.register(secret, is_passing=former is not None)


def _failure(url: str, error: ExchangeError) -> FetchError:
    kind = TooSlow if error.timed_out else Unreadable if error.too_large else Unreachable
    return kind(url_told(url), error.reason)


def _refusal(url: str, response: Response) -> FetchError:
    pause = asked_pause(response)
    where = url_told(url)
    return BadStatus(
        where,
        refusal_text(response, where),
        retry_after_seconds=None if pause is None else min(pause, MAX_RETRY_AFTER_SECONDS),
    )


def _content(url: str, response: Response) -> object:
    try:
        return response.json()
    except BadJson as error:
        try:
            return json.loads(response.body)  # NaN, UTF-16: not JSON by the book, but requests takes it
        except (ValueError, RecursionError):
            raise Unreadable(url_told(url), str(error)) from error
