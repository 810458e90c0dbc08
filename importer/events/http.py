"""The little of ASGI that the service needs: a request, an answer, and the one way in which they meet."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

Scope = Mapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Headers = tuple[tuple[bytes, bytes], ...]

JSON_TYPE = (b"content-type", b"application/json")
MAX_DRAINED_BYTES = 64 * 1024 * 1024
RETRY_AFTER_SECONDS = 5
"""When to try again what could not be kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: int
    body: bytes
    headers: Headers = (JSON_TYPE,)


class HttpError(Exception):
    """A request that is answered with something else than was asked for."""

    def __init__(self, status: int, message: str, *, headers: Headers = ()) -> None:
        self.status = status
        self.message = message
        self.headers = headers
        super().__init__(f"{status}: {message}")

    def answer(self) -> Answer:
        """Return the answer of the specification, 2.1."""
        body = orjson.dumps({"success": False, "data": None, "message": self.message})
        return Answer(self.status, body, (JSON_TYPE, *self.headers))


class TooLarge(HttpError):
    """A body over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the body is larger than {limit} bytes")


def json_answer(content: object, *, status: int = 200) -> Answer:
    """Return content as JSON."""
    return Answer(status, orjson.dumps(content))


@dataclass(slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    """As it was sent, without decoding: an id may hold an encoded slash."""
    query_string: bytes
    headers: dict[bytes, bytes]
    receive: Receive
    _query: dict[str, str] | None = field(default=None)
    _is_read: bool = field(default=False)
    """Whether the body has come to its end."""

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> "Request":
        """Return the request of an ASGI scope; of a header that is repeated the first counts."""
        headers = dict(reversed(scope["headers"]))
        return cls(scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"], headers, receive)

    def header(self, name: bytes) -> str | None:
        """Return the value of a header, None if it is not there."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters behind the `?`; of one that is repeated the last counts."""
        if self._query is None:
            text = self.query_string.decode("latin-1")
            self._query = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
        return self._query

    async def body(self, limit: int) -> bytes:
        """Return the body, whole. Raises TooLarge, and Disconnected when the client goes away before its end."""
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > limit:
            raise TooLarge(limit)
        parts: list[bytes] = []
        size = 0
        while not self._is_read:
            part = await self._part()
            size += len(part)
            if size > limit:
                raise TooLarge(limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def drain(self) -> bool:
        """Read what is left of the body, up to a limit: a client that still sends does not look at the answer.

        One that waits to be asked for its body gets the answer instead. Returns False then: whether the body still
        comes nobody can know, and so not where the next request begins.
        """
        if self._waits_to_be_asked():
            return False
        size = 0
        while not self._is_read and size < MAX_DRAINED_BYTES:
            size += len(await self._part())
        return True

    def _waits_to_be_asked(self) -> bool:
        has_body = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        return has_body and not self._is_read and self.headers.get(b"expect", b"").lower() == b"100-continue"

    async def _part(self) -> bytes:
        message = await self.receive()
        if message["type"] != "http.request":
            raise Disconnected
        self._is_read = not message["more_body"]
        part: bytes = message["body"]
        return part


class Disconnected(Exception):
    """The client has gone: there is nothing to answer, and nothing was accepted."""


async def send_answer(answer: Answer, send: Send, *, is_last: bool = False) -> None:
    """Send an answer, whole; the connection ends with it if it is the last one."""
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    if is_last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
