"""Graphite receivers that do one thing, right or wrong, with every connection."""

import queue
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

WAIT_SECONDS = 30.0
"""How long a test waits for what ought to happen at once."""

Behaviour = Callable[["Receiver", socket.socket], None]


class Receiver:
    """A TCP server on a free loopback port that treats each connection, one after another, by its behaviour."""

    def __init__(self, behaviour: Behaviour, *, host: str = "127.0.0.1", port: int = 0, window_bytes: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        if window_bytes:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        """What came over each connection that ended well."""
        self._seen: list[bytes] = []
        self.closing = threading.Event()
        self._behaviour = behaviour
        self._thread = threading.Thread(target=self._serve)

    def next_received(self) -> bytes:
        """Wait for the next connection to end, and return what came over it."""
        return self.received.get(timeout=WAIT_SECONDS)

    def all_received(self) -> list[bytes]:
        """Return what came over each connection so far; it is remembered."""
        with suppress(queue.Empty):
            while True:
                self._seen.append(self.received.get_nowait())
        return self._seen

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_SECONDS)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._behaviour(self, connection)


def read_everything(receiver: Receiver, connection: socket.socket) -> None:
    """Do as carbon does: read to the end-of-file, then close."""
    received = bytearray()
    while chunk := connection.recv(65536):
        received += chunk
    receiver.received.put(bytes(received))


def read_in_crumbs(receiver: Receiver, connection: socket.socket) -> None:
    """Read everything, a few bytes at a time, through a small window."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    received = bytearray()
    while chunk := connection.recv(997):
        received += chunk
    receiver.received.put(bytes(received))


def answer_with(answer: bytes) -> Behaviour:
    """Read everything, then answer; no Graphite receiver does."""

    def behaviour(receiver: Receiver, connection: socket.socket) -> None:
        read_everything(receiver, connection)
        connection.sendall(answer)

    return behaviour


def babble(receiver: Receiver, connection: socket.socket) -> None:
    """Read nothing and talk without end."""
    with suppress(ConnectionError):
        while not receiver.closing.is_set():
            connection.sendall(b"x" * 65536)


def never_read(receiver: Receiver, connection: socket.socket) -> None:
    """Let the sender's bytes pile up in the kernel."""
    receiver.closing.wait(WAIT_SECONDS)


def drip(receiver: Receiver, connection: socket.socket) -> None:
    """Take a little now and then: never silent for long, and never done."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    with suppress(ConnectionResetError):
        while not receiver.closing.wait(0.02):
            connection.recv(1000)


def never_close(receiver: Receiver, connection: socket.socket) -> None:
    """Read everything and keep the connection open."""
    read_everything(receiver, connection)
    receiver.closing.wait(WAIT_SECONDS)


def close_unread(receiver: Receiver, connection: socket.socket) -> None:
    """Wait for the first bytes and close without reading them: the kernel sends a reset."""
    connection.recv(1, socket.MSG_PEEK)


def close_at_once(receiver: Receiver, connection: socket.socket) -> None:
    """Close before anything can have come."""


def close_after_some(receiver: Receiver, connection: socket.socket) -> None:
    """Read the first bytes and close."""
    connection.recv(10)


def stop_writing_at_once(receiver: Receiver, connection: socket.socket) -> None:
    """Send the end-of-file first, then read everything: at that time it shows nothing."""
    connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionResetError):
        while connection.recv(65536):
            pass


def reset(receiver: Receiver, connection: socket.socket) -> None:
    """Read the first bytes and reset the connection."""
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
