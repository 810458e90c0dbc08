"""The requests of the stats client: a session for each thread, a limit to every wait, failures in plain words.

They go through requests itself, not through `importer.http_client`: `Analytics.ping` and `Analytics.get` have
always promised the exceptions of requests, and programs catch them. Those of `post` stay in here.
"""

import logging
import math
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPException
from urllib.parse import urlsplit

import requests
import requests.auth
import urllib3

from importer.errors import one_line
from importer.http_failure import ExchangeError, explain
from importer.http_response import BadJson, Response

_LATER = frozenset({429, 502, 503, 504})
"""Statuses that tell of the service, or of a proxy before it, and not of what was posted."""
_NOT_SENT = (OSError, urllib3.exceptions.HTTPError, HTTPException, ValueError)
"""What requests raises: its own exceptions, all of them OSErrors, and now and then one of what it stands on."""


class Retry(Enum):
    """Whether it makes sense to post the same thing again."""

    NEVER = "never"
    SOMETIMES = "sometimes"
    """The service has a fault, perhaps with this very event: not without end."""
    ALWAYS = "always"
    """The service cannot be reached, or asks us to come back."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a post."""

    answer: str | None = None
    """The id of the event, or OK; None if it was not stored."""
    reason: str = ""
    """Why it was not, in one line."""
    level: int = logging.ERROR
    """How to log that."""
    retry: Retry = Retry.NEVER
    retry_after_seconds: float = 0.0
    """The least pause before another try, if the service names one."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a request waits. Raises ValueError for what is no number of seconds above 0."""

    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    """For each part of the answer."""

    def __post_init__(self) -> None:
        for seconds in (self.connect_seconds, self.read_seconds):
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"a timeout of {seconds!r:.40} is not a number of seconds above 0")

    def within(self, seconds: float) -> "Timeouts":
        """Return timeouts that are over after so many seconds (above 0) in all."""
        return Timeouts(min(self.connect_seconds, seconds / 2), min(self.read_seconds, seconds / 2))


class StatsSession:
    """Requests from any number of threads and processes, none of which shares a connection with another."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._local = threading.local()

    def get(self, url: str, *, headers: Mapping[str, str], auth: requests.auth.AuthBase | None = None) -> object:
        """Return the JSON of the answer.

        Raises HTTPError for a status of 400 and above, ConnectionError or another RequestException of requests.
        """
        response = self._send("GET", url, headers=headers, auth=auth, timeouts=self._timeouts)
        response.raise_for_status()
        answer: object = response.json()
        return answer

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        auth: requests.auth.AuthBase | None,
        within_seconds: float | None = None,
    ) -> Reply:
        """Return what came of posting body, whatever that was."""
        timeouts = self._timeouts if within_seconds is None else self._timeouts.within(within_seconds)
        try:
            response = self._send("POST", url, headers=headers, auth=auth, timeouts=timeouts, body=body)
        except _NOT_SENT as error:
            failure = explain_failure(error, url, timeouts)
            retry = Retry.ALWAYS if failure.may_heal else Retry.NEVER
            return Reply(reason=str(failure), level=logging.WARNING, retry=retry)
        return _reply(_host(url), Response(response.status_code, response.headers, response.content))

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        auth: requests.auth.AuthBase | None,
        timeouts: Timeouts,
        body: bytes | None = None,
    ) -> requests.Response:
        return self._session().request(
            method,
            url,
            data=body,
            headers=headers,
            auth=auth or _keep_authorization,
            timeout=(timeouts.connect_seconds, timeouts.read_seconds),
        )

    def _session(self) -> requests.Session:
        """Return this thread's session; a forked process must not write to the connections of its parent."""
        local = self._local
        if getattr(local, "process_id", None) != os.getpid():
            local.session, local.process_id = requests.Session(), os.getpid()
        session: requests.Session = local.session
        return session


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the request as it is: without an auth object, requests would look into ~/.netrc."""
    return request


def explain_failure(error: Exception, url: str, timeouts: Timeouts = Timeouts()) -> ExchangeError:
    """Return why requests brought no answer from url, and whether that may heal."""
    wrapped = error.args[0] if error.args else None
    in_the_answer = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
    return explain(
        error,
        _host(url),
        connecting=True,
        connected=not isinstance(wrapped, urllib3.exceptions.MaxRetryError),  # so it wraps failures to connect alone
        received_bytes=int(isinstance(error, in_the_answer)),
        facts={
            "connect_timeout_seconds": timeouts.connect_seconds,
            "timeout_seconds": timeouts.read_seconds,
            "progress": "a part of it",
        },
    )


def _host(url: str) -> str:
    """Return host and port, for messages: a url may hold a password."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return "stats service"


def _reply(host: str, response: Response) -> Reply:
    if response.status >= 400:
        return Reply(
            reason=f"{host}: status {response.status}{told(response.body)}",
            retry=_retry(response.status),
            retry_after_seconds=response.retry_after_seconds() or 0.0,
        )
    try:
        answer = response.json()
    except BadJson as error:
        return Reply(reason=f"{host}: {error}")
    if not isinstance(answer, str):
        return Reply(reason=f"{host}: the answer is neither an event's id nor OK: something else listens there")
    return Reply(answer)


def _retry(status: int) -> Retry:
    if status in _LATER:
        return Retry.ALWAYS
    return Retry.SOMETIMES if status >= 500 else Retry.NEVER


def told(body: bytes) -> str:
    """Return `: ` and what an error answer says, if that is text to be read."""
    text = one_line(body[:2000].decode("utf-8", "replace"), limit=300)
    return f": {text}" if text and not text.startswith("<") else ""
