"""The one HTTP client: time-outs, retries, our name and version, no secrets in logs or errors.

    client = HttpClient(base_url("developers.crittercism.com"))
    answer = client.request("POST", "/v1.0/token", basic=(client_id, ""), form={"grant_type": "password"})
    if answer.status == 200:
        token = answer.json()

Every status comes back as a `Response`; only an exchange that brings no whole answer raises. Requests are
repeated after network errors and 5xx, POST too: what we ask of vendors reads, and what we send to stores
overwrites itself.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakSet

from importer import __version__, http_request
from importer.errors import Stopped
from importer.http_counts import PROCESS_COUNTS, RequestCounts
from importer.http_request import Outgoing, Parameters, base_url, build_body, build_request, build_url
from importer.http_response import BadJson, Headers, Response
from importer.rate_limit import RateLimit, asked_pause

if TYPE_CHECKING:
    from importer.http_transport import Transport

__all__ = [
    "USER_AGENT",
    "BadJson",
    "Headers",
    "HttpClient",
    "HttpClients",
    "Parameters",
    "Response",
    "RetryPolicy",
    "base_url",
]

logger = logging.getLogger(__name__)

USER_AGENT = f"metrics-importer/{__version__}"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is repeated, and how long we wait for that."""

    extra_attempts: int = 1
    """After network errors, 5xx, and a 429 that does not say how long to wait.

    Not after an answer that was begun, and not complete when its time was over: another one would take as long.
    """
    pause_seconds: float = 0.5
    """The longest pause before the first of them, doubled for each that follows; a random part of it is used."""
    max_wait_seconds: float = 60.0
    """The longest wait that a server may ask for with 429 or 503; a longer one is not waited for."""
    max_waits: int = 3
    """How many such waits one request is worth."""
    waits_for_all: bool = True
    """Whether such a wait holds all requests of those who share the rate limit, or this request alone."""


class _Patience:
    """What is left of a RetryPolicy for one request."""

    def __init__(
        self,
        policy: RetryPolicy,
        uniform: Callable[[float, float], float],
        *,
        stop: threading.Event,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self.stop = stop
        """Ends the waits."""
        self._policy = policy
        self._uniform = uniform
        self._deadline = deadline
        self._clock = clock
        self._attempts = 0
        self._waits = 0

    def seconds_left(self) -> float:
        """How long all that is left to be done may take."""
        return self._deadline - self._clock()

    def accepts_wait(self, seconds: float) -> bool:
        """Whether a wait that the server asks for is still worth it."""
        self._waits += 1
        longest = min(self._policy.max_wait_seconds, self.seconds_left())
        return self._waits <= self._policy.max_waits and 0 <= seconds <= longest

    def pause_seconds(self) -> float | None:
        """The pause before the next attempt; None when there is none left, or no time for it."""
        if self._attempts >= self._policy.extra_attempts:
            return None
        self._attempts += 1
        seconds = self._uniform(0.0, self._policy.pause_seconds * 2.0 ** (self._attempts - 1))
        return seconds if seconds < self.seconds_left() else None


class HttpClient:
    """Requests to one host, from any number of threads: each keeps its own connection.

    Proxies of the environment are used unless `proxies` (scheme -> URL, may be empty) is given, and
    certificates are checked: with the file REQUESTS_CA_BUNDLE names if there is one, unless `verify` names
    another or is False. ~/.netrc is never read. `retry_after` reads from an error answer how many seconds to
    wait (None: it does not say); the wait holds `rate_limit`, thus everyone who shares it, unless `retries` says
    that it does not. Each exchange is counted in `counts`.
    `timeout_seconds` is for one whole exchange, but looking a name up takes as long as the system lets it.
    Raises ValueError if `base_url` is not one (see `base_url()`).
    """

    def __init__(
        self,
        base_url: str,
        *,
        user_agent: str = USER_AGENT,
        connect_timeout_seconds: float = 10.0,
        timeout_seconds: float = 30.0,
        max_response_bytes: int = 32 * 2**20,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str | Path = True,
        retries: RetryPolicy = RetryPolicy(),
        retry_after: Callable[[Response], float | None] = asked_pause,
        rate_limit: RateLimit | None = None,
        counts: RequestCounts = PROCESS_COUNTS,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.base_url = http_request.base_url(base_url)
        self.host = urlsplit(self.base_url).netloc
        """With its port if one is given, for messages."""
        self._user_agent = user_agent
        self._limits = (connect_timeout_seconds, timeout_seconds, max_response_bytes)
        self._proxies = proxies
        self._verify = str(verify) if isinstance(verify, Path) else verify
        self._retries = retries
        self._retry_after = retry_after
        self._rate_limit = rate_limit or RateLimit()
        self._counts = counts
        self._stop = stop or threading.Event()
        self._clock = clock
        self._uniform = uniform
        self._local = threading.local()
        self._transports: WeakSet[Transport] = WeakSet()  # those of threads that are gone go too
        self._lock = threading.Lock()
        if verify is False:
            logger.warning("certificates are not checked host=%s", self.host)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        json: object = ...,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
        retries: RetryPolicy | None = None,
        within_seconds: float = math.inf,
        stop: threading.Event | None = None,
    ) -> Response:
        """Return the last answer to this request, whatever its status; redirects are not followed.

        `path` starts with a slash and has its parts quoted already. Of json, form and body at most one is
        sent. All tries together take no longer than `within_seconds`; `stop` ends the waits between them, in
        place of the client's, which ends an exchange too. Raises TransportError when no whole answer came or a
        header cannot be sent, Stopped when the process is asked to stop, and ValueError for a path or body that is
        none.
        """
        outgoing = build_request(
            method,
            build_url(self.base_url, path, params),
            content=build_body(json, form, body),
            headers={"User-Agent": self._user_agent, **(headers or {})},
            basic=basic,
            bearer=bearer,
        )
        patience = _Patience(
            retries or self._retries,
            self._uniform,
            stop=self._stop if stop is None else stop,
            deadline=self._clock() + within_seconds,
            clock=self._clock,
        )
        while True:
            self._rate_limit.acquire(patience.stop)
            response = self._attempt(outgoing, patience)
            if response is not None:
                return response

    def close(self) -> None:
        """Close the connections of all threads that are not in use; the client can be used again."""
        with self._lock:
            for transport in self._transports:
                transport.close()

    def _attempt(self, outgoing: Outgoing, patience: _Patience) -> Response | None:
        """Return the answer, or None once it is time to try again."""
        from importer.http_failure import ExchangeError  # on use: it imports requests

        try:
            response = self._exchange(outgoing, patience)
        except ExchangeError as error:
            if error.may_heal and self._pause(patience, error.reason):
                return None
            raise
        return None if self._is_worth_repeating(response, patience) else response

    def _exchange(self, outgoing: Outgoing, patience: _Patience) -> Response:
        from importer.http_failure import ExchangeError  # on use: it imports requests

        begin = self._clock()
        try:
            response = Response(*self._transport().send(outgoing, within_seconds=patience.seconds_left()))
        except ExchangeError as error:
            if not error.stale:
                self._counts.unanswered()
                raise
            return self._exchange(outgoing, patience)  # not for ever: each time it costs a kept connection
        self._counts.answered(self.host, response.status, response.headers)
        logger.debug(
            "request method=%s host=%s path=%s status=%d milliseconds=%.0f bytes=%d",
            outgoing.method,
            self.host,
            outgoing.path,
            response.status,
            (self._clock() - begin) * 1000,
            len(response.body),
        )
        return response

    def _transport(self) -> "Transport":
        from importer.http_transport import ExchangeLimits, Transport  # on use: it imports requests

        transport: Transport | None = getattr(self._local, "transport", None)
        if transport is not None:
            return transport
        transport = Transport(
            self.host,
            limits=ExchangeLimits(*self._limits),
            proxies=self._proxies,
            verify=self._verify,
            stop=self._stop,
            clock=self._clock,
        )
        self._local.transport = transport
        with self._lock:
            self._transports.add(transport)
        return transport

    def _is_worth_repeating(self, response: Response, patience: _Patience) -> bool:
        """Whether to ask again after this answer; has waited for that, or makes everybody wait."""
        if response.status < 400:
            return False
        seconds = self._retry_after(response)
        if seconds is None:
            may_heal = response.status == 429 or response.status >= 500
            return may_heal and self._pause(patience, f"status {response.status}")
        if not patience.accepts_wait(seconds):
            return False
        logger.warning("server wants a pause host=%s status=%d seconds=%.1f", self.host, response.status, seconds)
        if self._retries.waits_for_all:
            self._rate_limit.hold(seconds)
        else:
            self._wait(seconds, patience)
        return True

    def _pause(self, patience: _Patience, reason: str) -> bool:
        seconds = patience.pause_seconds()
        if seconds is None:
            return False
        logger.warning("request is repeated host=%s reason=%r seconds=%.1f", self.host, reason, seconds)
        self._wait(seconds, patience)
        return True

    def _wait(self, seconds: float, patience: _Patience) -> None:
        if patience.stop.wait(seconds):
            raise Stopped(f"stopped while waiting for {self.host}")


class HttpClients:
    """One client for each host, made at the first use and shared from then on; may be used from several threads.

    `make` returns a new client of a base URL, and raises ValueError if it is none. No more than `limit` are kept: a
    vendor that sends us to ever new hosts does not fill the memory.
    """

    def __init__(self, make: Callable[[str], HttpClient] = HttpClient, *, limit: int = 1000) -> None:
        self._make = make
        self._limit = limit
        self._clients: dict[str, HttpClient] = {}
        self._lock = threading.Lock()

    def get(self, base_url: str) -> HttpClient:
        """Return the client of a base URL."""
        with self._lock:
            client = self._clients.pop(base_url, None) or self._make(base_url)
            self._clients[base_url] = client  # behind the others: the first is the one unused for longest
            if len(self._clients) > self._limit:
                self._clients.pop(next(iter(self._clients))).close()
            return client

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            for client in self._clients.values():
                client.close()
