"""From the bytes of a connection to requests, by httptools, within the limits that a public server needs."""

import time
from collections.abc import Callable
from enum import Enum, auto

import httptools

from importer.errors import one_line
from importer.http_server.limits import FRAMING, Limits, check_head
from importer.http_server.message import BodyTooLarge, HttpError, Request

MAX_DROPPED_BYTES = 64 * 2**20
"""How much of a body that is too large is read: who still sends does not look at the answer."""


class _Phase(Enum):
    """What of a request comes next."""

    NONE = auto()
    HEAD = auto()
    BODY = auto()


class RequestParser:
    """Parses the requests of one connection, and hands each on when it is there, whole.

    `begun` is told of each whose head is there and whose body is still to come.
    """

    def __init__(self, limits: Limits, *, arrived: Callable[[Request], None], begun: Callable[[Request], None]) -> None:
        self.is_at_end = False
        """Whether what comes now is no HTTP any more."""
        self.waits_since: float | None = time.monotonic()
        """Since when a request is on its way, or the first one is waited for; of time.monotonic."""
        self._limits = limits
        self._arrived = arrived
        self._begun = begun
        self._parser = self._new_parser()
        self._phase = _Phase.NONE
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._loose_bytes = 0
        """What came since the last piece of a request was complete."""
        self._request: Request | None = None
        """The one whose body is on its way."""
        self._is_repeating = False
        """Whether a parser hears what another one has parsed."""

    @property
    def is_between(self) -> bool:
        """Whether no request is on its way."""
        return self._phase is _Phase.NONE

    def feed(self, data: bytes) -> None:
        """Parse what has come. Raises HttpError for what is not to be gone on from."""
        self._loose_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, HttpError):
                raise error.__context__ from None
            raise HttpError(400, f"no HTTP: {one_line(error)}") from error
        if self._loose_bytes > self._limits.head_bytes:
            raise self._limits.head_too_large()

    def wait(self) -> None:
        """Begin to watch for a request, if it is not being watched for yet."""
        self.waits_since = self.waits_since or time.monotonic()

    def on_message_begin(self) -> None:
        """Begin to watch a request."""
        if self._is_repeating:
            return
        self.waits_since = time.monotonic()
        self._phase, self._url, self._headers = _Phase.HEAD, b"", []
        self._head_bytes = self._loose_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Keep the target, or a piece of it."""
        if not self._is_repeating:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. What follows a body does not count as one: proxies do not look there."""
        if self._is_repeating:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._limits.head_bytes:
            raise self._limits.head_too_large()
        if self._phase is _Phase.HEAD:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Make a request of the head. Raises HttpError for one that others may understand differently."""
        if self._is_repeating:
            return
        parser = self._parser
        is_current = parser.get_http_version() == "1.1"
        check_head(self._headers, is_current=is_current)
        self._phase, self._loose_bytes = _Phase.BODY, 0
        self._request = request = Request(
            parser.get_method().decode("ascii"),
            *_split(self._url),
            dict(reversed(self._headers)),
            body_limit=self._limits.body_bytes,
            is_current=is_current,
            keeps_alive=is_current and parser.should_keep_alive(),
        )
        if request.has_body:
            self._begun(request)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._loose_bytes = 0
        if self._request is not None:
            self._request.add(body)
            if self._request.size > MAX_DROPPED_BYTES:
                raise BodyTooLarge(self._limits.body_bytes)

    def on_message_complete(self) -> None:
        """Hand the request on."""
        if self._parser.should_upgrade() and not self._is_tunnel():
            return  # its body is still to come
        self._is_repeating = False
        self._phase, self._loose_bytes, self.waits_since = _Phase.NONE, 0, None
        if self._request is not None:
            request, self._request = self._request, None
            self._arrived(request)

    def _parse(self, data: bytes) -> None:
        """Parse requests as if none of them had asked for another protocol, after which the parser stops."""
        rest = memoryview(data)
        while rest:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                if self._is_tunnel():
                    self.is_at_end = True
                    return
                rest = rest[upgrade.args[0] :]
                self._parse_body()
            else:
                return

    def _parse_body(self) -> None:
        """Let a parser go on behind the head of a request: it is told where the body ends, and nothing else."""
        self._parser = self._new_parser()
        self._is_repeating = True
        framing = [b"%b: %b" % header for header in self._headers if header[0] in FRAMING]
        self._parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", b""]))
        self._is_repeating = False

    def _is_tunnel(self) -> bool:
        return bool(self._parser.get_method() == b"CONNECT")

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # what comes then is not answered
        return parser


def _split(target: bytes) -> tuple[str, bytes]:
    """Return the path of a target, as it was sent, and its query. Raises HttpError for what is none."""
    if target.startswith(b"/"):
        path, _, query = target.partition(b"#")[0].partition(b"?")
        return path.decode("latin-1"), query
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError as error:
        raise HttpError(400, "the target of the request is no path") from error
    return (url.path or b"/").decode("latin-1"), url.query or b""
