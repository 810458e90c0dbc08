"""A UDP receiver of Graphite's lines: it keeps each datagram, byte for byte, and what carbon makes of it.

>>> import socket
>>> with DatagramReceiver() as receiver:
...     with socket.socket(type=socket.SOCK_DGRAM) as client:
...         sent = client.sendto(b"shop.dau 48213 1462147200\\n", ("127.0.0.1", receiver.port))
...     datagrams = receiver.wait_for_datagrams(1)
>>> datagrams, receiver.points
((b'shop.dau 48213 1462147200\\n',), (ReceivedPoint(name='shop.dau', timestamp=1462147200.0, value=48213.0),))

As a process, for benchmarks: the port is the first line of its output.

    python -m importer.simulators.udp --port 0
"""

import select
import socket
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from importer.simulators.graphite_wire import ReceivedPoint, parse_plain
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["DatagramReceiver", "main"]

_RECEIVE_BUFFER_BYTES = 4 * 2**20
"""What the kernel keeps for us while we are slow; it may give less."""
_MAX_DATAGRAM_BYTES = 65_535


class DatagramReceiver(AbstractContextManager["DatagramReceiver"]):
    """A UDP socket on loopback; `with` starts and stops it.

    `host` is 127.0.0.1 or ::1; port 0 takes a free one, which later starts of this receiver take again. `discard`
    keeps nothing but the count of datagrams.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, discard: bool = False) -> None:
        self._address = (host, port)
        self._discard = discard
        self._changed = threading.Condition()
        self._datagrams: list[bytes] = []
        self._count = 0
        self._thread: threading.Thread | None = None
        self._stop_signal: socket.socket | None = None

    @property
    def host(self) -> str:
        """The address listened on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The UDP port; known once started."""
        return self._address[1]

    @property
    def points(self) -> tuple[ReceivedPoint, ...]:
        """The points in all datagrams until now; a line that its datagram does not end is none."""
        with self._changed:
            return tuple(point for datagram in self._datagrams for point in parse_plain(datagram).points)

    def wait_for_datagrams(self, count: int, *, timeout_seconds: float = 10.0) -> tuple[bytes, ...]:
        """Return all datagrams once that many came. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, timeout_seconds):
                raise TimeoutError(f"{self._count} datagrams in {timeout_seconds:g} s, not {count}")
            return tuple(self._datagrams)

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
        """Bind and return. Raises OSError where the port is taken."""
        host, port = self._address
        receiving = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            receiving.bind((host, port))
        except OSError:
            receiving.close()
            raise
        self._address = (host, receiving.getsockname()[1])
        self._stop_signal, stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._receive, args=(receiving, stopped), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take what has come, refuse what comes from now on, and return when that is done. May be repeated."""
        if self._stop_signal is None or self._thread is None:
            return
        self._stop_signal.close()
        self._stop_signal = None
        self._thread.join()

    def _receive(self, receiving: socket.socket, stopped: socket.socket) -> None:
        with receiving, stopped:
            while receiving in (ready := select.select([receiving, stopped], [], [])[0]) or stopped not in ready:
                datagram = receiving.recv(_MAX_DATAGRAM_BYTES)
                with self._changed:
                    self._count += 1
                    if not self._discard:
                        self._datagrams.append(datagram)
                    self._changed.notify_all()


def main(arguments: Sequence[str] | None = None) -> int:
    """Receive until SIGTERM; the first line on standard output is the port."""
    parser = build_parser("importer.simulators.udp", main.__doc__)
    parser.add_argument("--discard", action="store_true", help="keep nothing")
    options = parser.parse_args(arguments)
    receiver = DatagramReceiver(host=options.host, port=options.port, discard=options.discard)
    serve_until_signalled(receiver, lambda: str(receiver.port))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
