"""A client's connection to an HTTP simulator, and the requests in hand on it.

Everything here runs on the simulator's event loop, in its one thread, and must not block.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, cast

from importer.simulators.http_wire import MAX_HEAD_BYTES, Answer, BadRequest, Head, Request, head_of, parse_head

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time: closing sends a reset instead of a regular end."""


class Server(Protocol):
    """What connections need of the simulator that they belong to."""

    latency_seconds: float
    """How long each proper answer takes."""
    busy_count: int
    """How many requests are being answered now."""

    def answer(self, request: Request) -> Answer:
        """Return the proper answer to a request."""

    def accept(self, head: Head, body: bytes, connection: int) -> "tuple[Request, Fault]":
        """Record a request and return it with what is to be done about it."""

    def add_connection(self, connection: "Connection") -> int:
        """Return the number of a new connection."""

    def remove_connection(self, connection: "Connection") -> None:
        """Forget a closed connection."""


class Exchange:
    """A request in hand and the means to answer it; all methods are for the simulator's own thread."""

    def __init__(self, simulator: Server, connection: "Connection", request: Request) -> None:
        self.request = request
        self._simulator = simulator
        self._connection = connection
        self._chunks: Iterator[bytes] = iter(())
        self._interval_seconds = 0.0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The simulator's event loop, for `call_soon_threadsafe`."""
        return self._connection.loop

    def answer(self) -> Answer:
        """Return what would be answered if nothing were wrong."""
        return self._simulator.answer(self.request)

    def proceed(self) -> None:
        """Answer as if nothing were wrong, after the simulator's latency."""
        answer = self.answer()
        if self._simulator.latency_seconds > 0:
            self.later(self._simulator.latency_seconds, lambda: self.send(answer))
        else:
            self.send(answer)

    def send(self, answer: Answer) -> None:
        """Send a whole answer and go on to the next request."""
        body = b"" if self.request.method == "HEAD" else answer.body
        self.write(head_of(answer, len(answer.body)) + body)
        self.finish()

    def write(self, data: bytes) -> None:
        """Send raw bytes; does nothing once the connection is gone."""
        if not self._connection.transport.is_closing():
            self._connection.transport.write(data)

    def stream(self, chunks: Iterable[bytes], *, interval_seconds: float = 0.0) -> None:
        """Send chunks as fast as the client reads, or one each interval, then finish."""
        self._chunks = iter(chunks)
        self._interval_seconds = interval_seconds
        self._pump()

    def _pump(self) -> None:
        for chunk in self._chunks:
            if self._connection.transport.is_closing():
                return
            self.write(chunk)
            if self._interval_seconds:
                self.later(self._interval_seconds, self._pump)
                return
            if self._connection.when_writable(self._pump):
                return
        self.finish()

    def finish(self) -> None:
        """Take the next request of this connection."""
        self._connection.next_request()

    def close(self) -> None:
        """Close the connection once what was written is sent."""
        self._connection.transport.close()

    def reset(self) -> None:
        """Break the connection at once: the client sees a reset."""
        self._connection.reset()

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back after that many seconds unless the simulator stops first."""
        self.loop.call_later(seconds, callback)


Fault = Callable[[Exchange], None]
"""What is done about a request; `Exchange.proceed` where nothing is wrong."""


class Connection(asyncio.Protocol):
    """One client's connection: cuts the bytes into requests and has them answered one after the other."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop

    def __init__(self, simulator: Server) -> None:
        self._simulator = simulator
        self._number = 0
        self._buffer = bytearray()
        self._head: Head | None = None
        self._close_after = False
        self._busy = False
        self._taking = False
        self._blocked = False
        self._on_writable: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # asyncio sets TCP_NODELAY itself.
        self.transport = cast(asyncio.Transport, transport)
        self.loop = asyncio.get_running_loop()
        self._number = self._simulator.add_connection(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, whoever closed it."""
        self._set_busy(False)
        self._simulator.remove_connection(self)

    def data_received(self, data: bytes) -> None:
        """Take the next bytes, and whatever requests are whole with them."""
        self._buffer += data
        self._take_requests()

    def pause_writing(self) -> None:
        """Note that the client reads too slowly."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Go on with what waited for the client to catch up."""
        self._blocked = False
        callback, self._on_writable = self._on_writable, None
        if callback:
            self.loop.call_soon(callback)  # not from here: a write that fails now would end the transport twice

    def when_writable(self, callback: Callable[[], None]) -> bool:
        """Return whether the client reads too slowly; if so, call back once it has caught up."""
        if self._blocked:
            self._on_writable = callback
        return self._blocked

    def reset(self) -> None:
        """Close with a TCP reset."""
        connection = cast(socket.socket, self.transport.get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def next_request(self) -> None:
        """Go on after an answer."""
        self._set_busy(False)
        if self._close_after:
            self.transport.close()
        elif not self._taking:  # else an answer given at once, or each of many would nest a call deeper
            self._take_requests()

    def _take_requests(self) -> None:
        self._taking = True
        while not self._busy and not self.transport.is_closing() and self._take_request():
            pass
        self._taking = False

    def _take_request(self) -> bool:
        try:
            head = self._head or self._read_head()
        except BadRequest as error:
            self.transport.write(head_of(error.answer, len(error.answer.body)) + error.answer.body)
            self.transport.close()
            return False
        self._head = head
        if head is None or len(self._buffer) < head.body_bytes:
            return False
        body = bytes(self._buffer[: head.body_bytes])
        del self._buffer[: head.body_bytes]
        self._head, self._close_after = None, head.close_after
        self._set_busy(True)
        request, fault = self._simulator.accept(head, body, self._number)
        fault(Exchange(self._simulator, self, request))
        return True

    def _read_head(self) -> Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if max(end, 0 if end >= 0 else len(self._buffer)) > MAX_HEAD_BYTES:
            raise BadRequest(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            return None
        head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if head.headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return head

    def _set_busy(self, busy: bool) -> None:
        self._simulator.busy_count += busy - self._busy
        self._busy = busy
