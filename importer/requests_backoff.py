"""Patience for those who must give back what `requests` gives: a Response of it, or an exception of it.

Everybody else asks by `importer.http_client`. The texts of the exceptions are ours: those of requests quote addresses
with keys in their query.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import MaxRetryError

from importer import http_failure
from importer.credentials import redact
from importer.errors import one_line
from importer.http_counts import PROCESS_COUNTS
from importer.http_response import Response
from importer.rate_limit import asked_pause

logger = logging.getLogger(__name__)

REPEATED_STATUSES = frozenset({429, 500, 502, 503, 504})
TIMEOUT_SECONDS = 60.0

_CONNECTION_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


def whole(_shortest: float, longest: float) -> float:
    """Return the longest pause: no jitter."""
    return longest


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often a request is repeated that may yet succeed, and what its failure says."""

    said: Callable[[Response], str]
    """What a server tells in an error answer, in one line."""
    pauses_seconds: Sequence[float]
    """The longest pause before each further try."""
    asked: Callable[[Response], float | None] = asked_pause
    """How long an error answer asks us to wait instead, if it does."""
    longest_wait_seconds: float = 300.0
    """A longer one is not waited for."""
    uniform: Callable[[float, float], float] = whole
    """Picks a pause from nothing to the longest."""
    sleep: Callable[[float], None] = time.sleep

    def single(self) -> "Backoff":
        """Return one that tries once."""
        return replace(self, pauses_seconds=())

    def sleeping_by(self, sleep: Callable[[float], None] | None) -> "Backoff":
        """Return one whose pauses are made by `sleep`, if it is given."""
        return self if sleep is None else replace(self, sleep=sleep)

    def send(self, address: str, send: Callable[[], requests.Response], *, timeout: Any = None) -> requests.Response:
        """Return the first answer below 400 to what `send` sends.

        Raises requests.HTTPError, with the last answer as its `response`, and what requests raises where no answer
        comes. `timeout` is what `send` gives to requests, for the message.
        """
        where = public_address(address)
        pauses = iter(self.pauses_seconds)
        while True:
            pause_seconds = next(pauses, None)
            try:
                response = send()
            except _CONNECTION_ERRORS as error:
                PROCESS_COUNTS.unanswered()
                self._after_error(where, error, pause_seconds, timeout)
                continue
            PROCESS_COUNTS.answered(urlsplit(where).netloc, response.status_code, response.headers)
            if response.status_code < 400:
                return response
            self._after_answer(where, response, pause_seconds)

    def _after_error(
        self, where: str, error: requests.RequestException, pause_seconds: float | None, timeout: Any
    ) -> None:
        failure = _explained(where, error, timeout)
        if failure.may_heal and pause_seconds is not None:
            self._wait(where, failure.reason, self.uniform(0.0, pause_seconds))
            return
        given_up = "Max retries exceeded for " if failure.may_heal and self.pauses_seconds else ""
        text = f"{given_up}{where}: {failure.reason}"
        raise type(error)(text, request=error.request, response=error.response) from None

    def _after_answer(self, where: str, answer: requests.Response, pause_seconds: float | None) -> None:
        response = Response(answer.status_code, answer.headers, answer.content)
        reason = f"HTTP {answer.status_code}: {self.said(response)}"
        if answer.status_code not in REPEATED_STATUSES:
            _fail(f"{where}: {reason}", answer)
        asked_seconds = self.asked(response)
        if asked_seconds is not None and asked_seconds > self.longest_wait_seconds:
            _fail(
                f"Max retries exceeded for {where}: {reason}; it asks us to wait until {_time_in(asked_seconds)}",
                answer,
            )
        if pause_seconds is None:
            given_up = "Max retries exceeded for " if self.pauses_seconds else ""
            _fail(f"{given_up}{where}: {reason}", answer)
        self._wait(where, reason, self.uniform(0.0, pause_seconds) if asked_seconds is None else asked_seconds)

    def _wait(self, where: str, reason: str, seconds: float) -> None:
        logger.warning("request is repeated url=%s reason=%r seconds=%.1f", where, reason, seconds)
        self.sleep(seconds)


def public_address(address: str) -> str:
    """Return what may be shown of an address: no user, no password, and nothing of the query.

    >>> public_address("https://user:secret@matomo.example/index.php?token_auth=abc")
    'https://matomo.example/index.php'
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "an address that cannot be read"
    return redact(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl())


def _fail(text: str, answer: requests.Response) -> NoReturn:
    raise requests.HTTPError(text, request=answer.request, response=answer)


def _explained(where: str, error: requests.RequestException, timeout: Any) -> http_failure.ExchangeError:
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    cut_off = isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError)
    return http_failure.explain(
        error,
        urlsplit(where).netloc,
        connecting=bool(error.args) and isinstance(error.args[0], MaxRetryError),
        connected=isinstance(error, requests.ReadTimeout),
        received_bytes=int(cut_off),
        facts={
            "connect_timeout_seconds": float("inf") if connect is None else connect,
            "timeout_seconds": float("inf") if read is None else read,
            "progress": "a part",
        },
    )


def _time_in(seconds: float) -> str:
    try:
        return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return one_line(f"{seconds:g} s from now")
