"""HTTP/1.1 as uvicorn speaks it, with the limits that a server needs which anybody can reach.

What is no HTTP is refused in its turn: what came before it on the same connection is answered first, so that no answer
is taken for that of another request.
"""

import logging
import socket
import struct
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from importer.errors import one_line
from importer.events.http import HttpError
from importer.events.limits import FRAMING, Limits, check_head

logger = logging.getLogger(__name__)

LINGER_SECONDS = 0.5
"""How long a connection without a request stays when the server ends: one that a client is sending is answered."""
_NO_LINGER = struct.pack("ii", 1, 0)


class _Phase(Enum):
    """What of a request comes next."""

    NONE = auto()
    HEAD = auto()
    BODY = auto()


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self, config: Config, server_state: ServerState, *args: object, limits: Limits, **keywords: object
    ) -> None:
        super().__init__(config, server_state, *args, **keywords)  # type: ignore[arg-type]
        self._limits = limits
        self._phase = _Phase.NONE
        self._head_bytes = 0
        self._loose_bytes = 0
        """What came since the last piece of a request was complete."""
        self._waits_since: float | None = time.monotonic()
        self._stuck_since: float | None = None
        """Since when the client does not take what it was answered."""
        self._running: RequestResponseCycle | None = None
        """The request that the application has; those behind it are in `pipeline`."""
        self._refusal: HttpError | None = None
        self._is_last = False
        """Whether no request may come after this one."""
        self._is_repeating = False
        """Whether a parser hears what another one has parsed."""

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._loose_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._refuse(refused if isinstance(refused, HttpError) else HttpError(400, f"no HTTP: {one_line(error)}"))
            return
        if self._loose_bytes > self._limits.head_bytes:
            self._refuse(self._limits.head_too_large())
        elif self._waits_since is None and not self._is_answering():
            self._waits_since = time.monotonic()  # line ends before a request are no request yet

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all requests that nobody is there any more."""
        for cycle in (self._running, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for it
        """Answer what a client asked that sends no more. True: stay connected until then."""
        self._is_last = True
        if self._phase is not _Phase.NONE and self._refusal is None:
            self._refuse(HttpError(400, "the request ends early"))
        return self._is_answering()

    def _parse(self, data: bytes) -> None:
        """Parse requests as if none of them had asked for another protocol, after which the parser stops."""
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                if self._is_tunnel():
                    self._end_with_this_one()
                    return
                rest = rest[upgrade.args[0] :]
                self._parse_body()
            else:
                return

    def _parse_body(self) -> None:
        """Let a parser go on behind the head of a request: it is told where the body ends, and nothing else."""
        framing = [(name, value) for name, value in self.headers if name in FRAMING]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_repeating = True
        lines = [b"POST / HTTP/1.1", *(b"%b: %b" % header for header in framing), b"", b""]
        self.parser.feed_data(b"\r\n".join(lines))
        self._is_repeating = False

    def on_message_begin(self) -> None:
        """Begin to watch a request."""
        if self._is_repeating:
            return
        self._waits_since = time.monotonic()
        self._phase, self._head_bytes, self._loose_bytes = _Phase.HEAD, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Keep the target, or a piece of it."""
        if not self._is_repeating:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. What follows a body does not count as one: proxies do not look there."""
        if self._is_repeating:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._limits.head_bytes:
            raise self._limits.head_too_large()
        if self._phase is _Phase.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application have the request. Raises HttpError for one that others may understand differently."""
        if self._is_repeating:
            return
        is_current = self.parser.get_http_version() == "1.1"
        check_head(self.headers, is_current=is_current)
        self.expect_100_continue = self.expect_100_continue and is_current
        super().on_headers_complete()
        self._phase, self._loose_bytes = _Phase.BODY, 0
        if self._is_last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Let the application have a piece of the body."""
        self._loose_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is there, whole."""
        if self.parser.should_upgrade() and not self._is_tunnel():
            return  # its body is still to come
        self._is_repeating = False
        self._phase, self._loose_bytes, self._waits_since = _Phase.NONE, 0, None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with what came behind the request that is answered now."""
        super().on_response_complete()
        if self._is_answering():
            return
        if self._refusal is not None:
            self._send_refusal(self._refusal)
        elif self._is_last and self._phase is _Phase.NONE:
            self.transport.close()

    def shutdown(self) -> None:
        """Answer what has begun, and what begins within a moment, and then close."""
        self._is_last = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)

    def pause_writing(self) -> None:
        """Note that the client does not take its answer."""
        self._stuck_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it does."""
        self._stuck_since = None
        super().resume_writing()

    def end_if_late(self, now: float) -> None:
        """Give up what has been on its way for too long, in either direction; `now` is of time.monotonic."""
        if self.transport.is_closing() and self._stuck_since is None:
            self._stuck_since = now  # what was written last has to leave, too
        earliest = now - self._limits.request_seconds
        if self._stuck_since is not None and self._stuck_since < earliest:
            self._cut_off()
        elif self._waits_since is not None and self._waits_since < earliest:
            self._refuse(self._limits.too_late())

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless a request is on its way by now."""
        if self._phase is _Phase.NONE:
            super().timeout_keep_alive_handler()

    def _cut_off(self) -> None:
        """Close the connection, and let the system drop what it would still send."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        running = self._running
        if running is None or running.response_complete or running.disconnected:
            return bool(self.pipeline)
        return True

    def _is_tunnel(self) -> bool:
        return bool(self.parser.get_method() == b"CONNECT")

    def _end_with_this_one(self) -> None:
        self._is_last = True
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self._phase is _Phase.NONE and not self._is_answering():
            self.transport.close()

    def _refuse(self, refusal: HttpError) -> None:
        """Refuse what comes from here on; of a request whose body is wrong the application learns that it is gone."""
        self._refusal, self._waits_since = refusal, None
        if self._phase is _Phase.BODY:
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.pipeline and self.pipeline[0][0] is self.cycle:
                self.pipeline.popleft()
        if not self._is_answering():
            self._send_refusal(refusal)

    def _send_refusal(self, refusal: HttpError) -> None:
        if self.transport.is_closing():
            return
        logger.info("refused: status=%d: %s", refusal.status, refusal.message)
        answer = refusal.answer()
        lines = [b"HTTP/1.1 %d " % answer.status, b"connection: close", b"content-length: %d" % len(answer.body)]
        lines += [b"%b: %b" % header for header in answer.headers]
        self.transport.write(b"\r\n".join([*lines, b"", answer.body]))
        self.transport.close()


def protocol_factory(limits: Limits) -> Callable[..., GuardedProtocol]:
    """Return what makes the protocol of each connection."""

    def make(*args: object, **keywords: object) -> GuardedProtocol:
        return GuardedProtocol(*args, limits=limits, **keywords)  # type: ignore[arg-type]

    return make


def end_late_requests(state: ServerState) -> None:
    """Look at every connection of a server."""
    now = time.monotonic()
    for connection in list(state.connections):
        cast(GuardedProtocol, connection).end_if_late(now)
