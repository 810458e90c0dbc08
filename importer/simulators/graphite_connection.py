"""A connection to the simulated carbon, and the modes in which it may be treated, well or badly."""

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from importer.simulators.graphite_wire import Parsed, ReceivedPoint

_READ_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time: closing sends a reset instead of a regular end."""


class Receiver(Protocol):
    """What connections need of the receiver that they belong to; `changed` is held for the calls."""

    changed: threading.Condition
    """Guards all that is recorded, and is notified when any of it changes."""
    discard: bool
    """Whether nothing is to be kept."""

    def parse(self, data: bytes) -> Parsed:
        """Return what carbon makes of these bytes."""

    def add_points(self, points: Sequence[ReceivedPoint]) -> None:
        """Take a connection's points into the whole."""

    def has_tick(self) -> bool:
        """Return whether a slow connection may read."""

    def use_tick(self) -> None:
        """Count a read of a slow connection."""

    def remove(self, connection: "ReceivedConnection") -> None:
        """Forget the thread of a closed connection."""


class ReceivedConnection:
    """What came on one connection. Read it from any thread; it may still grow.

    Only the thread that serves it closes its socket; others ask for that by `abort`.
    """

    def __init__(self, receiver: Receiver, client: socket.socket) -> None:
        self.ended = False
        """Whether the client closed at least its side: its end-of-file was read."""
        self.closed = False
        """Whether we have closed ours."""
        self.byte_count = 0
        self._receiver = receiver
        self._client = client
        self._raw = bytearray()
        self._parsed_bytes = 0
        self._points: list[ReceivedPoint] = []
        self._problems: list[str] = []
        self._aborted = False

    @property
    def raw(self) -> bytes:
        """All bytes read until now; none where the receiver discards them."""
        with self._receiver.changed:
            return bytes(self._raw)

    @property
    def unparsed(self) -> bytes:
        """What came after the last whole line or pickle: carbon forgets it when the connection ends."""
        with self._receiver.changed:
            return bytes(self._raw[self._parsed_bytes :])

    @property
    def points(self) -> tuple[ReceivedPoint, ...]:
        """The points of this connection."""
        with self._receiver.changed:
            return tuple(self._points)

    @property
    def problems(self) -> tuple[str, ...]:
        """Lines and pickles that carbon would throw away, and why."""
        with self._receiver.changed:
            return tuple(self._problems)

    # For modes

    @property
    def aborted(self) -> bool:
        """Whether a mode is to come to its end."""
        return self._aborted

    def read(self, max_bytes: int = _READ_BYTES) -> bytes:
        """Return and record the next bytes; nothing at the client's end-of-file or once aborted."""
        try:
            data = b"" if self._aborted else self._client.recv(max_bytes)
        except ConnectionError:  # the client broke it off; that is no end-of-file
            return b""
        with self._receiver.changed:
            self.byte_count += len(data)
            self.ended = not data and not self._aborted
            if data and not self._receiver.discard:
                self._raw += data
                self._parse()
            self._receiver.changed.notify_all()
        return data

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Return once that has happened or the connection is aborted."""
        with self._receiver.changed:
            self._receiver.changed.wait_for(lambda: happened() or self._aborted)

    def take_tick(self) -> None:
        """Wait for `GraphiteReceiver.tick` and use it up, or return when aborted."""
        with self._receiver.changed:
            self.wait_until(self._receiver.has_tick)
            self._receiver.use_tick()

    def abort(self, *, with_reset: bool = False) -> None:
        """Have the connection closed now, whatever its mode; with_reset: so that the client sees a reset."""
        with self._receiver.changed:
            if self.closed:
                return
            self._aborted = True
            if with_reset:
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            with suppress(OSError):  # the client has reset it before us
                self._client.shutdown(socket.SHUT_RD)  # wakes the thread that reads; nothing goes out
            self._receiver.changed.notify_all()

    def serve(self, mode: "Mode") -> None:
        """Treat the connection as the mode says, then close it. Runs in a thread of its own."""
        try:
            mode(self)
        finally:
            with self._receiver.changed:
                self._client.close()
                self.closed = True
                self._receiver.changed.notify_all()
            self._receiver.remove(self)

    def _parse(self) -> None:
        parsed = self._receiver.parse(bytes(self._raw[self._parsed_bytes :]))
        self._parsed_bytes += parsed.used_bytes
        self._points += parsed.points
        self._problems += parsed.problems
        self._receiver.add_points(parsed.points)
        if parsed.broken:
            self.abort()


Mode = Callable[[ReceivedConnection], None]


def normal(connection: ReceivedConnection) -> None:
    """Mode: read to the client's end-of-file, then close."""
    while connection.read():
        pass


def no_close(connection: ReceivedConnection) -> None:
    """Mode: read all, but never close our side."""
    normal(connection)
    never_reads(connection)


def never_reads(connection: ReceivedConnection) -> None:
    """Mode: accept and leave the bytes in the kernel's buffers."""
    connection.wait_until(lambda: False)


def accept_then_close(_connection: ReceivedConnection) -> None:
    """Mode: close at once."""


def reset_after(byte_count: int) -> Mode:
    """Return a mode that reads that many bytes and then breaks the connection."""

    def mode(connection: ReceivedConnection) -> None:
        while connection.byte_count < byte_count:
            if not connection.read(min(_READ_BYTES, byte_count - connection.byte_count)):
                return
        connection.abort(with_reset=True)

    return mode


def slow(bytes_per_tick: int) -> Mode:
    """Return a mode that reads that many bytes for each `GraphiteReceiver.tick`."""

    def mode(connection: ReceivedConnection) -> None:
        connection.take_tick()
        while connection.read(bytes_per_tick):
            connection.take_tick()

    return mode
