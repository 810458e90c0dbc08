"""Why an HTTP exchange failed: from the nested exceptions of requests and urllib3 to a few plain words.

Their own texts quote URLs with keys in the query, memory addresses and passwords of proxies; none of it is
passed on.
"""

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from http.client import HTTPException, IncompleteRead
from typing import Final

import requests
from urllib3.exceptions import DecodeError, ProtocolError

from importer.credentials import redact
from importer.errors import TransportError

_CLOSED: Final = (ConnectionError, ssl.SSLEOFError)

_Words = tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]

_NO_CONNECTION: _Words = (
    (ssl.SSLCertVerificationError, "certificate verify failed: {cause.verify_message}"),
    (ssl.SSLError, "TLS failed: {cause.reason}"),
    (socket.gaierror, "name not known: {cause.strerror}"),
    (ConnectionRefusedError, "connection refused"),
    (TimeoutError, "no connection within {connect_timeout_seconds:.3g} s"),
)
_NO_ANSWER: _Words = (
    (TimeoutError, "no answer within {timeout_seconds:.3g} s"),
    (_CLOSED, "connection closed without an answer"),
)
_HALF_AN_ANSWER: _Words = (
    (TimeoutError, "answer not complete after {timeout_seconds:.3g} s ({progress})"),
    (DecodeError, "answer cannot be unpacked: its compression is damaged"),
    ((IncompleteRead, *_CLOSED), "answer cut off after {progress}"),
    (HTTPException, "answer is not HTTP"),
    (ProtocolError, "answer cut off after {progress}"),
)


class ExchangeError(TransportError):
    """A TransportError that says whether another try makes sense."""

    def __init__(
        self,
        host: str,
        reason: str,
        *,
        unreachable: bool = False,
        may_heal: bool = False,
        stale: bool = False,
        timed_out: bool = False,
        too_large: bool = False,
    ) -> None:
        super().__init__(host, reason, unreachable=unreachable)
        self.may_heal = may_heal
        """The same request may be answered in a moment."""
        self.stale = stale
        """The server had closed the kept connection before it saw the request: repeat it at once."""
        self.timed_out = timed_out
        """There was no connection, or no whole answer, in time."""
        self.too_large = too_large
        """The answer has more bytes than the client takes."""


def explain(
    error: Exception, host: str, *, connecting: bool, connected: bool, received_bytes: int, facts: Mapping[str, object]
) -> ExchangeError:
    """Return error as an ExchangeError.

    A connection was begun if `connecting`, came about if `connected`; of the answer `received_bytes` were
    seen, header included. `facts` fills the words: timeout_seconds, connect_timeout_seconds, progress.
    """
    causes = list(_causes(error))
    no_connection = connecting and not connected
    words = _NO_CONNECTION if no_connection else _HALF_AN_ANSWER if received_bytes else _NO_ANSWER
    reason = _in_words(causes, words, facts)
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        reason = f"proxy: {reason}"
    unusable = _is_unusable(error)
    untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
    too_slow = received_bytes and not no_connection and any(isinstance(cause, TimeoutError) for cause in causes)
    closed = any(isinstance(cause, _CLOSED) for cause in causes)
    return ExchangeError(
        host,
        reason,
        unreachable=unusable or no_connection,
        may_heal=not (unusable or untrusted or too_slow),
        stale=closed and not connecting and not received_bytes,
        timed_out=any(isinstance(cause, TimeoutError) for cause in causes),
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield error and what it wraps, outermost first; requests and urllib3 nest in several ways.

    Not `__context__`: it may lead to an error that our caller is dealing with.
    """
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        wrapped = (*cause.args, getattr(cause, "reason", None), cause.__cause__)
        waiting.extend(inner for inner in wrapped if isinstance(inner, BaseException))


def _is_unusable(error: Exception) -> bool:
    """Whether our own address, proxy or file of certificates is at fault, whatever the server does."""
    # requests raises InvalidURL, InvalidSchema, ..., all ValueErrors, and a bare OSError for the file
    return isinstance(error, ValueError) or type(error) is OSError


def _in_words(causes: list[BaseException], words: _Words, facts: Mapping[str, object]) -> str:
    for kinds, template in words:
        for cause in causes:
            if isinstance(cause, kinds):
                return template.format(cause=cause, **facts)
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
        if type(cause) is OSError and cause.args:
            return redact(str(cause.args[0]))  # "Tunnel connection failed: 407 ...", a missing file of certificates
    if isinstance(causes[0], ValueError):
        return f"address or proxy cannot be used ({type(causes[0]).__name__})"
    return f"not possible ({type(causes[-1]).__name__})"
