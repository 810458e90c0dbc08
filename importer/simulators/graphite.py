"""A TCP server that plays carbon's receivers, plain or pickle, well behaved or not.

It keeps what arrives on each connection, byte for byte and as points, and reads it as strictly as carbon does: a
plain line counts once its line feed is there, a pickle may name no global.

>>> import socket
>>> with GraphiteReceiver() as receiver:
...     with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as client:
...         client.sendall(b"shop.dau 48213 1462147200.000\\n")
...         client.shutdown(socket.SHUT_WR)
...         end_of_file = client.recv(1)
...     receiver.wait_for_points(1)
(ReceivedPoint(name='shop.dau', timestamp=1462147200.0, value=48213.0),)
>>> end_of_file
b''

How a connection is treated is a function of it; set `mode` for those that come later:

    receiver.mode = reset_after(100)

As a process, for benchmarks: the port is the first line of its output.

    python -m importer.simulators.graphite --port 0 --discard
"""

import argparse
import io
import math
import pickle
import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Literal, NamedTuple, Self

from importer.simulators.base import serve_until_signalled

Protocol = Literal["plain", "pickle"]

MAX_LINE_BYTES = 16_384
"""carbon drops a connection that sends a longer line."""
MAX_FRAME_BYTES = 2**20
"""carbon drops a connection that announces a longer pickle."""
_READ_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ReceivedPoint(NamedTuple):
    """One point as carbon would store it."""

    name: str
    timestamp: float
    value: float


class Parsed(NamedTuple):
    """What carbon makes of some bytes."""

    used_bytes: int
    """Up to the end of the last whole line or pickle; the rest waits for more."""
    points: list[ReceivedPoint]
    problems: list[str]
    """What carbon would throw away, and why."""
    broken: bool
    """Whether carbon would drop the connection."""


def parse_plain(data: bytes) -> Parsed:
    """Read plain lines as carbon does.

    >>> parse_plain(b"a.b 1 1462147200\\na.b one 1462147200\\na.b 3")
    ... # doctest: +NORMALIZE_WHITESPACE
    Parsed(used_bytes=36, points=[ReceivedPoint(name='a.b', timestamp=1462147200.0, value=1.0)],
           problems=["b'a.b one 1462147200': could not convert string to float: 'one'"], broken=False)
    """
    points: list[ReceivedPoint] = []
    problems: list[str] = []
    used_bytes = 0
    *lines, rest = data.split(b"\n")
    for line in lines:
        if len(line) > MAX_LINE_BYTES:
            break
        used_bytes += len(line) + 1
        try:
            name, value, timestamp = line.decode().split()
            points += _stored(name, float(timestamp), float(value))
        except ValueError as error:
            problems.append(f"{line!r:.200}: {error}")
    else:
        if len(rest) <= MAX_LINE_BYTES:
            return Parsed(used_bytes, points, problems, broken=False)
    return Parsed(used_bytes, points, [*problems, f"a line of more than {MAX_LINE_BYTES} bytes"], broken=True)


def parse_pickle(data: bytes) -> Parsed:
    """Read length-prefixed pickles as carbon does, refusing whatever names a global."""
    points: list[ReceivedPoint] = []
    problems: list[str] = []
    used_bytes = 0
    while len(data) - used_bytes >= 4:
        (length,) = struct.unpack_from(">I", data, used_bytes)
        end = used_bytes + 4 + length
        if length > MAX_FRAME_BYTES:
            problems.append(f"a pickle of {length} bytes")
            return Parsed(used_bytes, points, problems, broken=True)
        if end > len(data):
            break
        _read_frame(data[used_bytes + 4 : end], points, problems)
        used_bytes = end
    return Parsed(used_bytes, points, problems, broken=False)


def _read_frame(frame: bytes, points: list[ReceivedPoint], problems: list[str]) -> None:
    try:
        items = _SafeUnpickler(io.BytesIO(frame)).load()
    # The list is that of the pickle module's documentation, and what its opcodes were seen to raise on rubbish.
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        LookupError,
        EOFError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        problems.append(f"{frame!r:.200}: {error!r}")
        return
    for item in items if isinstance(items, list) else [items]:
        try:
            name, (timestamp, value) = item
            if not isinstance(name, str):
                raise TypeError(f"the name is {type(name).__name__}")
            points += _stored(name, float(timestamp), float(value))
        except (TypeError, ValueError) as error:
            problems.append(f"{item!r:.200}: {error}")


def _stored(name: str, timestamp: float, value: float) -> list[ReceivedPoint]:
    # carbon passes over what is not a number without a word.
    return [] if math.isnan(value) else [ReceivedPoint(name, timestamp, value)]


class _SafeUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"the pickle names the global {module}.{name}")


class ReceivedConnection:
    """What came on one connection. Read it from any thread; it may still grow.

    Only the thread that serves it closes its socket; others ask for that by `abort`.
    """

    def __init__(self, receiver: "GraphiteReceiver", client: socket.socket) -> None:
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
        parse = parse_plain if self._receiver.protocol == "plain" else parse_pickle
        parsed = parse(bytes(self._raw[self._parsed_bytes :]))
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


class GraphiteReceiver(AbstractContextManager["GraphiteReceiver"]):
    """A TCP server on loopback that plays carbon; `with` starts and stops it.

    `host` is 127.0.0.1 or ::1; port 0 takes a free one, which later starts of this receiver take again.
    `receive_buffer_bytes` keeps the kernel from taking much that we have not read. `discard` reads as fast as it can
    and keeps nothing, not even that there was a connection.
    """

    def __init__(
        self,
        protocol: Protocol = "plain",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        mode: Mode = normal,
        receive_buffer_bytes: int | None = None,
        discard: bool = False,
    ) -> None:
        self.protocol = protocol
        self.mode = mode
        """How connections that come from now on are treated."""
        self.discard = discard
        self.changed = threading.Condition()
        """Guards all that is recorded, and is notified when any of it changes."""
        self._address = (host, port)
        self._receive_buffer_bytes = receive_buffer_bytes
        self._points: list[ReceivedPoint] = []
        self._connections: list[ReceivedConnection] = []
        self._ticks = 0
        self._threads: dict[ReceivedConnection, threading.Thread] = {}
        self._acceptor: threading.Thread | None = None
        self._stop_signal: socket.socket | None = None

    @property
    def host(self) -> str:
        """The address listened on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The TCP port; known once started."""
        return self._address[1]

    @property
    def points(self) -> tuple[ReceivedPoint, ...]:
        """All points of all connections, in the order in which they were read."""
        with self.changed:
            return tuple(self._points)

    @property
    def connections(self) -> tuple[ReceivedConnection, ...]:
        """All connections until now, oldest first, also those of before a stop."""
        with self.changed:
            return tuple(self._connections)

    def wait_until(self, happened: Callable[[], bool], *, timeout_seconds: float = 10.0) -> None:
        """Return once `happened()` is true; it is asked whenever something changed. Raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(happened, timeout_seconds):
                raise TimeoutError(
                    f"not in {timeout_seconds:g} s; connections={len(self._connections)} points={len(self._points)}"
                )

    def wait_for_points(self, count: int, *, timeout_seconds: float = 10.0) -> tuple[ReceivedPoint, ...]:
        """Return all points once there are that many. Raises TimeoutError."""
        self.wait_until(lambda: len(self._points) >= count, timeout_seconds=timeout_seconds)
        return self.points

    def wait_for_connections(self, count: int = 1, *, timeout_seconds: float = 10.0) -> tuple[ReceivedConnection, ...]:
        """Return all connections once that many were accepted. Raises TimeoutError."""
        self.wait_until(lambda: len(self._connections) >= count, timeout_seconds=timeout_seconds)
        return self.connections

    def tick(self, count: int = 1) -> None:
        """Let slow connections read that many times in all."""
        with self.changed:
            self._ticks += count
            self.changed.notify_all()

    def reset_connections(self) -> None:
        """Break all open connections; new ones are accepted as before."""
        with self.changed:
            for connection in self._threads:
                connection.abort(with_reset=True)

    # Life

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Listen and return. Raises OSError where the port is taken."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
        if self._receive_buffer_bytes is not None:  # connections get it from the listener
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        self._address = (host, listener.getsockname()[1])
        self._stop_signal, stopped = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, args=(listener, stopped), daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Refuse new connections, close the open ones and return when that is done. May be repeated."""
        if self._stop_signal is None or self._acceptor is None:
            return
        self._stop_signal.close()
        self._stop_signal = None
        self._acceptor.join()
        with self.changed:
            threads = dict(self._threads)
        for connection, thread in threads.items():
            connection.abort()
            thread.join()

    def _accept(self, listener: socket.socket, stopped: socket.socket) -> None:
        with listener, stopped:
            while stopped not in select.select([listener, stopped], [], [])[0]:
                client, _ = listener.accept()
                self._add(ReceivedConnection(self, client))

    def _add(self, connection: ReceivedConnection) -> None:
        thread = threading.Thread(target=connection.serve, args=(self.mode,), daemon=True)
        with self.changed:
            self._threads[connection] = thread
            if not self.discard:
                self._connections.append(connection)
            self.changed.notify_all()
        thread.start()

    def remove(self, connection: ReceivedConnection) -> None:
        """Forget the thread of a closed connection."""
        with self.changed:
            del self._threads[connection]

    # For connections, which hold the lock

    def add_points(self, points: Sequence[ReceivedPoint]) -> None:
        """Take a connection's points into the whole."""
        self._points += points

    def has_tick(self) -> bool:
        """Return whether a slow connection may read."""
        return self._ticks > 0

    def use_tick(self) -> None:
        """Count a read of a slow connection."""
        self._ticks = max(0, self._ticks - 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Receive until SIGTERM; the first line on standard output is the port."""
    parser = argparse.ArgumentParser(prog="importer.simulators.graphite", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--protocol", choices=("plain", "pickle"), default="plain")
    parser.add_argument("--discard", action="store_true", help="read, but keep and parse nothing")
    options = parser.parse_args(arguments)
    receiver = GraphiteReceiver(options.protocol, host=options.host, port=options.port, discard=options.discard)
    serve_until_signalled(receiver, lambda: str(receiver.port))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
