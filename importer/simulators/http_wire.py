"""HTTP/1.1 as the simulators read and write it: requests from bytes, and bytes from answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
_NO_HEADERS: Mapping[str, str] = {}
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in."""

    index: int
    """0 for the first request since the simulator was made."""
    time: float
    """When its last byte was read, in seconds of `time.monotonic`."""
    connection: int
    """Which connection it came on; kept connections repeat theirs."""
    method: str
    target: str
    """As written in the request line; a whole URL where the simulator is used as a proxy."""
    path: str
    """Without the query, percent signs decoded."""
    query: Mapping[str, str]
    """The last value of each name."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    path_values: Mapping[str, str] = field(default_factory=dict)
    """What stood for each `{name}` of the route."""

    def json(self) -> object:
        """Return the body read as JSON. Raises ValueError where it is none."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body read as an HTML form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: Content-Length is added, everything else is here."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def json(cls, value: object, *, status: int = 200, headers: Mapping[str, str] = _NO_HEADERS) -> "Answer":
        """Return an answer whose body is value as JSON."""
        return cls(status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode())


Handler = Callable[[Request], Answer]
"""What a simulator does for a route."""
Predicate = Callable[[Request], bool]
"""Which requests are meant."""


def head_of(answer: Answer, length: int | None) -> bytes:
    """Return status line and headers as they are sent, with Content-Length unless length is None."""
    lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Unknown')}"]
    if length is not None and answer.status not in {204, 304}:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


class Head(NamedTuple):
    """What comes before a request's body, looked at."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body_bytes: int
    """How long the body is."""
    close_after: bool
    """Whether the client wants the connection closed once it has its answer."""


class BadRequest(ValueError):
    """What came is no request that we take; `answer` says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer.json({"message": message}, status=status, headers={"Connection": "close"})


def parse_head(data: bytes) -> Head:
    """Return what the bytes before the empty line say. Raises BadRequest."""
    # By hand: the standard library's reader goes through email.parser, which costs more than all the rest.
    request_line, *lines = data.decode("latin-1").split("\r\n")
    try:
        method, target, version = request_line.split(" ")
        parts = urlsplit(target)
    except ValueError as error:
        raise BadRequest(400, "the request line is not: method, URL, version") from error
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise BadRequest(411, "this simulator takes no chunked bodies")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(400, "Content-Length is not a number")
    if int(length) > MAX_BODY_BYTES:
        raise BadRequest(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    return Head(
        method,
        target,
        unquote(parts.path),
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers,
        int(length),
        version == "HTTP/1.0" or headers.get("connection", "").lower() == "close",
    )
