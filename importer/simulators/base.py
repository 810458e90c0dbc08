"""The frame that every HTTP simulator stands on: a small HTTP/1.1 server on loopback that can be told to fail.

A simulator adds routes, each with a function from `Request` to `Answer`; the frame keeps a record of what was
asked, waits for requests on a test's behalf and injects faults. All connections live on one event loop in one
thread, so that many slow answers cost no threads. Handlers and faults run there and must not block.

>>> from urllib.request import urlopen
>>> simulator = HttpSimulator()
>>> simulator.route("GET", "/hello/{name}", lambda request: Answer.json({"hello": request.path_values["name"]}))
>>> with simulator:
...     with urlopen(simulator.url + "/hello/Ada?polite=1", timeout=10) as answer:
...         body = answer.read()
>>> body
b'{"hello": "Ada"}'
>>> simulator.requests[0].method, simulator.requests[0].path, simulator.requests[0].query
('GET', '/hello/Ada', {'polite': '1'})

Faults are answers or functions; they meet the next request, or the next `times`, or all until `heal()`:

    simulator.fail(Answer.json({"message": "later"}, status=503), times=2)
    simulator.fail(cut_off(after_bytes=10), when="/v1.0/apps*", times=None)
"""

import asyncio
import re
import socket
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TypedDict

from importer.simulators.faults import (
    BROKEN_JSON,
    HTML_PAGE,
    Hold,
    Rule,
    cut_off,
    deep_json,
    delay,
    drip,
    huge_body,
    never,
    reset,
)
from importer.simulators.http_connection import Connection, Exchange, Fault
from importer.simulators.http_record import RequestRecord
from importer.simulators.http_wire import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Answer,
    Handler,
    Head,
    Predicate,
    Request,
    head_of,
)
from importer.simulators.process import serve_until_signalled

__all__ = [
    "BROKEN_JSON",
    "HTML_PAGE",
    "MAX_BODY_BYTES",
    "MAX_HEAD_BYTES",
    "Answer",
    "Exchange",
    "Fault",
    "Handler",
    "Hold",
    "HttpSimulator",
    "Predicate",
    "Request",
    "Rule",
    "ServerOptions",
    "cut_off",
    "deep_json",
    "delay",
    "drip",
    "head_of",
    "huge_body",
    "never",
    "reset",
    "serve_until_signalled",
]


class ServerOptions(TypedDict, total=False):
    """What every simulator can be told about its server; see HttpSimulator."""

    host: str
    port: int
    latency_seconds: float
    keep_requests: int | None


class HttpSimulator(RequestRecord, AbstractContextManager["HttpSimulator"]):
    """An HTTP server on loopback; `with` starts and stops it.

    `host` is 127.0.0.1 or ::1; port 0 takes a free one, which later starts of this simulator take again.
    `keep_requests` bounds the record for long runs. Leaving the `with` block raises what a handler or a fault
    raised, if anything did.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency_seconds: float = 0.0,
        keep_requests: int | None = None,
    ) -> None:
        super().__init__(keep_requests=keep_requests)
        self.latency_seconds = latency_seconds
        """How long each proper answer takes; may be changed at any time."""
        self._address = (host, port)
        self._exact: dict[str, dict[str, Handler]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Handler]]] = []
        self._errors: list[BaseException] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    # What a simulator defines

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        """Answer method at a path by handler; `{name}` in the pattern stands for one path segment."""
        if "{" not in pattern:
            self._exact.setdefault(pattern, {})[method] = handler
            return
        names = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern))
        for expression, methods in self._patterns:
            if expression.pattern == names:
                methods[method] = handler
                return
        self._patterns.append((re.compile(names), {method: handler}))

    def answer(self, request: Request) -> Answer:
        """Return the proper answer to a request: a handler's, 404 or 405."""
        methods = self._methods(request.path)[0]
        if not methods:
            return Answer.json({"message": f"no such path: {request.path}"}, status=404)
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            allowed = ", ".join(sorted(methods))
            return Answer.json({"message": "method not allowed"}, status=405, headers={"Allow": allowed})
        return methods[method](request)

    def _methods(self, path: str) -> tuple[Mapping[str, Handler], Mapping[str, str]]:
        methods = self._exact.get(path)
        if methods is not None:
            return methods, {}
        for expression, handlers in self._patterns:
            if match := expression.fullmatch(path):
                return handlers, match.groupdict()
        return {}, {}

    # What a test uses

    @property
    def url(self) -> str:
        """The base URL without a slash at the end. Known once started."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def port(self) -> int:
        """The TCP port. Known once started."""
        return self._address[1]

    # Life

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; raise what a handler raised unless something else is being raised."""
        self.stop()
        if error is None and self._errors:
            raise self._errors[0]

    def start(self) -> None:
        """Listen and return; afterwards `url` is right. Raises OSError where the port is taken."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
        self._address = (host, listener.getsockname()[1])
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="simulator", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close all connections at once, whatever waits in them, and return when they are. May be repeated."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._remember)
        self._stopping = asyncio.Event()
        server = await self._loop.create_server(lambda: Connection(self), sock=listener, backlog=1024)
        ready.set()
        await self._stopping.wait()
        server.close()
        while self._connections:
            for connection in tuple(self._connections):
                connection.transport.abort()
            await asyncio.sleep(0)

    def _remember(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        # asyncio has closed the connection; the test learns at the end of its `with` block.
        error = context.get("exception")
        self._errors.append(error if isinstance(error, BaseException) else RuntimeError(context.get("message")))

    # For connections

    def accept(self, head: Head, body: bytes, connection: int) -> tuple[Request, Fault]:
        """Record a request and return it with what is to be done about it."""
        return self.record(head, body, connection=connection, path_values=self._methods(head.path)[1])
