"""A request and its answer, whoever brings them from one end to the other."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

Headers = tuple[tuple[bytes, bytes], ...]

JSON_TYPE = (b"content-type", b"application/json")


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


RETRY_AFTER: Headers = ((b"retry-after", b"5"),)
"""When to try again what could not be kept, in seconds."""
ENDING = HttpError(503, "the service ends; try again", headers=RETRY_AFTER)


class BodyTooLarge(HttpError):
    """A body over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the body is larger than {limit} bytes")


def json_answer(content: object, *, status: int = 200, headers: Headers = ()) -> Answer:
    """Return content as JSON."""
    return Answer(status, orjson.dumps(content), (JSON_TYPE, *headers))


@dataclass(slots=True)
class Request:
    """One request; header names are in lower case, and of one that is repeated the first counts."""

    method: str
    path: str
    """As it was sent, without decoding: an id may hold an encoded slash."""
    query_string: bytes
    headers: dict[bytes, bytes]
    body_limit: int
    is_current: bool = True
    """Whether the client speaks HTTP/1.1."""
    keeps_alive: bool = True
    """Whether the client wants to go on with the connection."""
    refusal: Answer | None = None
    """What it is answered with, whatever the body: then that is counted and dropped."""
    is_authorized: bool = False
    size: int = 0
    """How much of the body has come."""
    _body: bytes | bytearray = b""

    def header(self, name: bytes) -> str | None:
        """Return the value of a header, None if it is not there."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters behind the `?`; of one that is repeated the last counts."""
        return dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True, errors="replace"))

    @property
    def has_body(self) -> bool:
        """Whether the head says that a body follows."""
        return b"content-length" in self.headers or b"transfer-encoding" in self.headers

    @property
    def waits_to_be_asked(self) -> bool:
        """Whether the client does not send the body before it hears that this is of use."""
        return self.has_body and self.is_current and self.headers.get(b"expect", b"").lower() == b"100-continue"

    def add(self, part: bytes) -> None:
        """Take a part of the body; what is over the limit, or refused, is not kept."""
        self.size += len(part)
        if self.refusal is not None or self.size > self.body_limit:
            self._body = b""
        elif not self._body:
            self._body = part
        elif isinstance(self._body, bytearray):
            self._body += part
        else:
            self._body = bytearray(self._body + part)

    def check_size(self) -> None:
        """Raise BodyTooLarge for a body that is over the limit, or says that it will be."""
        declared = self.headers.get(b"content-length", b"")
        if self.size > self.body_limit or (declared.isdigit() and int(declared[:20]) > self.body_limit):
            raise BodyTooLarge(self.body_limit)

    def body(self) -> bytes | bytearray:
        """Return the body. Raises BodyTooLarge."""
        self.check_size()
        return self._body
