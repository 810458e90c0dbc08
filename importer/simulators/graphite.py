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

import select
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from importer.simulators.graphite_connection import (
    Mode,
    ReceivedConnection,
    accept_then_close,
    never_reads,
    no_close,
    normal,
    reset_after,
    slow,
)
from importer.simulators.graphite_wire import (
    MAX_FRAME_BYTES,
    MAX_LINE_BYTES,
    PARSERS,
    Parsed,
    Protocol,
    ReceivedPoint,
    parse_pickle,
    parse_plain,
)
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = [
    "MAX_FRAME_BYTES",
    "MAX_LINE_BYTES",
    "GraphiteReceiver",
    "Mode",
    "Parsed",
    "Protocol",
    "ReceivedConnection",
    "ReceivedPoint",
    "accept_then_close",
    "main",
    "never_reads",
    "no_close",
    "normal",
    "parse_pickle",
    "parse_plain",
    "reset_after",
    "slow",
]


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

    def parse(self, data: bytes) -> Parsed:
        """Return what carbon makes of these bytes."""
        return PARSERS[self.protocol](data)

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
    parser = build_parser("importer.simulators.graphite", main.__doc__)
    parser.add_argument("--protocol", choices=("plain", "pickle"), default="plain")
    parser.add_argument("--discard", action="store_true", help="read, but keep and parse nothing")
    options = parser.parse_args(arguments)
    receiver = GraphiteReceiver(options.protocol, host=options.host, port=options.port, discard=options.discard)
    serve_until_signalled(receiver, lambda: str(receiver.port))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
