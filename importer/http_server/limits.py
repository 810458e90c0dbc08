"""What a server has to refuse that anybody can reach: too much, too slow, or not to be understood in one way alone."""

import math
from dataclasses import dataclass

from importer.http_server.message import HttpError

FRAMING = (b"content-length", b"transfer-encoding")
"""The headers that say where a body ends."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What requests may take."""

    head_bytes: int = 64 * 1024
    """How long request line and headers may be together."""
    body_bytes: int = 2**20
    request_seconds: float = 60.0
    """How long a request may take to arrive, from its first byte to its last; a connection, to say its first; a client,
    to take its answer."""
    keep_alive_seconds: int = 75
    """How long a connection is kept for the next request: longer than clients and proxies keep theirs."""
    connections: float = math.inf
    """How many there may be at a time; one more is cut off."""

    def head_too_large(self) -> HttpError:
        """Return the answer to headers over the limit."""
        return HttpError(431, f"the headers are larger than {self.head_bytes} bytes")

    def too_late(self) -> HttpError:
        """Return the answer to a request that does not arrive."""
        return HttpError(408, f"the request did not arrive within {self.request_seconds:g} seconds")


def check_head(headers: list[tuple[bytes, bytes]], *, is_current: bool) -> None:
    """Look at what decides where a request goes and where it ends: a proxy must not see it differently.

    `is_current` tells HTTP/1.1 from what was before. Raises HttpError.
    """
    hosts = 0
    codings: list[bytes] = []
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            codings.append(value.strip().lower())
    if codings not in ([], [b"chunked"]):
        raise HttpError(400, "the transfer coding of a body is chunked, or none")
    if hosts > 1 or (is_current and not hosts):
        raise HttpError(400, "a request has one Host header")
