"""Bytes to a carbon receiver over TCP, and certainty that it has read them all.

Graphite's protocols acknowledge nothing. What can be known is this: we close our side, the receiver reads up to that
end-of-file, closes its side too, and we see it. Its kernel answers with a reset instead where the process died or
closed with bytes unread. So a payload counts as delivered once

- no end-of-file or reset had come before we closed our side,
- the receiver's end-of-file came after it,
- and the receiver's TCP had acknowledged everything by then, our end-of-file included.

One window stays open, and no sender can close it: what the receiver's process had read but not yet stored when it died.
"""

import fcntl
import math
import select
import socket
import struct
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from importer.errors import SinkError, SinkRefused, SinkUnavailable

_OTHER_PROTOCOLS = {b"HTTP/": "HTTP", b"<": "HTTP", b"\x15\x03": "TLS"}
"""What answers of other servers begin with."""
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_INT = struct.Struct("i")

_Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, _Address]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where to send to, and how long to wait for it. Makes one connection a payload."""

    lane: str
    """The name of the destination in errors."""
    host: str
    """A name or an IPv4 or IPv6 address; all addresses of a name are tried in turn, looked up each time."""
    port: int
    connect_timeout_seconds: float
    """For each address."""
    timeout_seconds: float
    """For a payload as a whole, however slowly the receiver reads."""
    clock: Callable[[], float] = time.monotonic

    def send(self, data: bytes) -> None:
        """Return once the receiver has read all of data.

        Raises SinkUnavailable where it did not, or where that is uncertain, and SinkRefused where
        something answers that is no Graphite receiver.
        """
        deadline = self.clock() + self.timeout_seconds
        with self.connect(deadline) as connection:
            try:
                _PlainExchange(self, connection, deadline).run(data)
            except OSError as error:
                discard(connection)
                raise SinkUnavailable(self.lane, f"{reason_of(error)} before everything was read") from error
            except SinkError:
                discard(connection)
                raise

    def connect(self, deadline: float) -> socket.socket:
        """Return a new connection that does not block; `deadline` is a time of `clock`. Raises SinkUnavailable."""
        failures: dict[str, str] = {}
        for family, kind, protocol, _, address in self._addresses():
            seconds = max(min(self.connect_timeout_seconds, deadline - self.clock()), 0.001)
            try:
                return _open(socket.socket(family, kind, protocol), address, seconds)
            except TimeoutError:
                failures[str(address[0])] = f"no answer within {seconds:.3g} s"
            except OSError as error:
                failures[str(address[0])] = reason_of(error)
        raise SinkUnavailable(self.lane, _summary(failures))

    def _addresses(self) -> Sequence[_AddressInfo]:
        if numeric := _numeric_addresses(self.host, self.port):
            return numeric
        try:
            return socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise SinkUnavailable(self.lane, f"host name does not resolve: {reason_of(error)}") from error


@lru_cache(maxsize=64)
def _numeric_addresses(host: str, port: int) -> tuple[_AddressInfo, ...]:
    """Return where a numeric address leads, which never changes; nothing for a name, which is looked up each time."""
    try:
        return tuple(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    except OSError:
        return ()


def _open(connection: socket.socket, address: _Address, timeout_seconds: float) -> socket.socket:
    try:
        connection.settimeout(timeout_seconds)
        connection.connect(address)
        connection.setblocking(False)
    except OSError:
        connection.close()
        raise
    return connection


class Exchange:
    """One connection, which one deadline holds for: what plain and TLS exchanges have in common."""

    def __init__(self, receiver: Receiver, connection: socket.socket, deadline: float) -> None:
        self._receiver = receiver
        self._connection = connection
        self._deadline = deadline
        self._poll = select.poll()
        self._poll.register(connection, 0)

    def _wait(self, events: int, complaint: str) -> int:
        """Return which of the events, or which failure, the connection is ready for. Raises after the deadline."""
        self._poll.modify(self._connection, events)
        remaining_seconds = self._deadline - self._receiver.clock()
        ready = self._poll.poll(math.ceil(remaining_seconds * 1000)) if remaining_seconds > 0 else []
        for _, found in ready:
            return found
        seconds = self._receiver.timeout_seconds
        raise SinkUnavailable(self._receiver.lane, f"the receiver {complaint} within {seconds:g} s")

    def _expect_acknowledged(self) -> None:
        """Return if the other side's TCP has everything, our end-of-file included."""
        if unacknowledged_bytes(self._connection):
            raise self._closed_early()

    def _closed_early(self) -> SinkUnavailable:
        return SinkUnavailable(self._receiver.lane, "the receiver closed before it had read everything")


class _PlainExchange(Exchange):
    """A connection from the first byte to the receiver's end-of-file."""

    def run(self, data: bytes) -> None:
        self._write(memoryview(data))
        self._connection.shutdown(socket.SHUT_WR)
        self._await_end()
        self._expect_acknowledged()

    def _write(self, unsent: memoryview) -> None:
        """Hand all bytes to the kernel, looking for the receiver's end-of-file before each write and after them."""
        while unsent:
            events = self._wait(select.POLLIN | select.POLLOUT, "did not read everything")
            self._expect_open(events)
            if events & select.POLLOUT:
                unsent = unsent[self._connection.send(unsent) :]
        self._poll.modify(self._connection, select.POLLIN)
        for _, events in self._poll.poll(0):
            self._expect_open(events)

    def _await_end(self) -> None:
        self._wait(select.POLLIN, "did not close the connection, which alone shows that it has everything,")
        self._read_end()

    def _expect_open(self, events: int) -> None:
        if events & ~select.POLLOUT:
            self._read_end()
            raise self._closed_early()

    def _read_end(self) -> None:
        """Return at the receiver's end-of-file. Raises SinkRefused if it says anything: Graphite never does."""
        answer = self._connection.recv(4096)
        if answer:
            protocol = next((name for start, name in _OTHER_PROTOCOLS.items() if answer.startswith(start)), "")
            does = f"speaks {protocol}" if protocol else "answers, as Graphite never does,"
            raise SinkRefused(self._receiver.lane, f"a server that {does} listens there; correct host or port")


def unacknowledged_bytes(connection: socket.socket) -> int:
    """Return how much of what we sent, our end-of-file included, the other side has not acknowledged."""
    (count,) = _INT.unpack(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(_INT.size)))
    return int(count)


def discard(connection: socket.socket) -> None:
    """Let closing reset the connection: after an orderly end the receiver could take half a last line for a whole."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)


def reason_of(error: OSError) -> str:
    """Return what the system says about an error, for the middle of a sentence."""
    return (error.strerror or str(error)).lower()


def _summary(failures: dict[str, str]) -> str:
    reasons = set(failures.values())
    if len(reasons) == 1:
        return reasons.pop()
    return "; ".join(f"{address}: {reason}" for address, reason in failures.items())
