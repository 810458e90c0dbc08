"""Simulators of Hosted Graphite: its HTTP sink, and a TLS variant of the TCP receiver.

https://docs.hostedgraphite.com/sending-metrics/supported-protocols (checked 2026-11-25): 202 without a body for lines
that were taken, 400 with the reason for others. The vendor lets a line end after the value; this simulator does not,
because the importer always sends a time.

>>> import base64
>>> from urllib.request import Request as UrlRequest, urlopen
>>> headers = {"Authorization": "Basic " + base64.b64encode(f"{API_KEY}:".encode()).decode()}
>>> with HostedGraphiteSimulator() as simulator:
...     request = UrlRequest(simulator.url + SINK_PATH, b"web.requests 12.0 1700000040\\n", headers, method="PUT")
...     with urlopen(request, timeout=10) as answer:
...         status = answer.status
>>> status, simulator.points
(202, (ReceivedPoint(name='web.requests', timestamp=1700000040.0, value=12.0),))

As a process, for benchmarks: the URL is the first line of its output.

    python -m importer.simulators.hosted_graphite --port 0
"""

import math
import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.basic_auth import basic_credentials
from importer.simulators.graphite import GraphiteReceiver, Mode, ReceivedPoint, normal
from importer.simulators.http_wire import Answer, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["API_KEY", "SINK_PATH", "HostedGraphiteSimulator", "TlsGraphiteReceiver", "main", "parse_lines"]

API_KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
"""Made up."""
SINK_PATH = "/api/v1/sink"
_NAME = re.compile(r"[^\s.]+(\.[^\s.]+)*")
_TIME = re.compile(r"[0-9]{1,10}")


def parse_lines(data: bytes) -> list[ReceivedPoint]:
    """Return the points of lines `NAME VALUE EPOCH`, each ended by a line feed.

    Raises ValueError, saying why, for anything else, fractions of a second too.
    """
    *lines, rest = data.decode().split("\n")
    if rest or not lines:
        raise ValueError("the data does not end with a line feed" if rest else "there are no metrics")
    return [_parse_line(line) for line in lines]


def _parse_line(line: str) -> ReceivedPoint:
    name, value, time = _fields(line)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r:.100} is not the name of a metric")
    number = float(value)
    if not math.isfinite(number) or not _TIME.fullmatch(time):
        raise ValueError(f"{line!r:.100} does not end with a finite number and whole seconds")
    return ReceivedPoint(name, float(time), number)


def _fields(line: str) -> tuple[str, str, str]:
    match line.split(" "):
        case [name, value, time]:
            return name, value, time
    raise ValueError(f"{line!r:.100} is not: name value time")


class HostedGraphiteSimulator(HttpSimulator):
    """The HTTP sink of one account; `api_key` may be changed to refuse the old one from now on."""

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        max_body_bytes: int = 2**20,
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.api_key = api_key
        self.max_body_bytes = max_body_bytes
        """A larger body is answered with 413."""
        self._points: list[ReceivedPoint] = []
        for method in ("PUT", "POST"):
            self.route(method, SINK_PATH, self._take)

    @property
    def points(self) -> tuple[ReceivedPoint, ...]:
        """What was taken, in that order."""
        with self._changed:
            return tuple(self._points)

    def wait_for_points(self, count: int, *, timeout_seconds: float = 10.0) -> tuple[ReceivedPoint, ...]:
        """Return all points once there are that many. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._points) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self._points)} points in {timeout_seconds:g} s, not {count}")
            return tuple(self._points)

    def _take(self, request: Request) -> Answer:
        if basic_credentials(request) != (self.api_key, ""):
            return _refused(401, "Unauthorized")
        if len(request.body) > self.max_body_bytes:
            return _refused(413, f"the data is larger than {self.max_body_bytes} bytes")
        try:
            points = parse_lines(request.body)
        except ValueError as error:
            return _refused(400, str(error))
        if any(point.name.startswith(f"{self.api_key}.") for point in points):
            return _refused(400, "over HTTP the API key is no part of a name")
        with self._changed:
            self._points += points
            self._changed.notify_all()
        return Answer(202)


def _refused(status: int, reason: str) -> Answer:
    return Answer(status, {"Content-Type": "text/plain"}, reason.encode())


class TlsGraphiteReceiver(GraphiteReceiver):
    """A GraphiteReceiver behind TLS; `context` has its certificate. It says close_notify before it closes.

    A connection on which the handshake fails is seen as one without bytes, which the client broke off.
    """

    def __init__(self, context: ssl.SSLContext, *, host: str = "127.0.0.1", port: int = 0, mode: Mode = normal) -> None:
        super().__init__("plain", host=host, port=port, mode=mode)
        context.sslsocket_class = _ServerSocket
        self._context = context

    def _accept(self, listener: socket.socket, stopped: socket.socket) -> None:
        # The handshake comes with the first read, in the thread of its connection.
        super()._accept(self._context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False), stopped)


class _ServerSocket(ssl.SSLSocket):
    """What accepts connections, and a connection: failures of TLS are those of a connection."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except ssl.SSLError as error:
            raise ConnectionAbortedError("TLS failed") from error

    def close(self) -> None:
        if self.fileno() >= 0 and self.version():
            self.setblocking(False)  # or it would wait for the client's close_notify
            with suppress(OSError):
                self.unwrap()
        super().close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the HTTP sink until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.hosted_graphite", main.__doc__)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    simulator = HostedGraphiteSimulator(
        host=options.host, port=options.port, latency_seconds=options.latency, keep_requests=0
    )
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
