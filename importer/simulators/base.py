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
import json
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from itertools import chain, repeat
from types import TracebackType
from typing import NamedTuple, Self, cast
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
_NO_HEADERS: Mapping[str, str] = {}
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time: closing sends a reset instead of a regular end."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in."""

    index: int
    """0 for the first request since the simulator was made."""
    time: float
    """When its last byte was read, in seconds of `time.monotonic`."""
    connection: int
    """Which connection it came on; kept connections repeat theirs."""
    method: str
    target: str
    """As written in the request line; a whole URL where the simulator is used as a proxy."""
    path: str
    """Without the query, percent signs decoded."""
    query: Mapping[str, str]
    """The last value of each name."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    path_values: Mapping[str, str] = field(default_factory=dict)
    """What stood for each `{name}` of the route."""

    def json(self) -> object:
        """Return the body read as JSON. Raises ValueError where it is none."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body read as an HTML form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: Content-Length is added, everything else is here."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def json(cls, value: object, *, status: int = 200, headers: Mapping[str, str] = _NO_HEADERS) -> "Answer":
        """Return an answer whose body is value as JSON."""
        return cls(status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode())


Handler = Callable[[Request], Answer]
Predicate = Callable[[Request], bool]
Fault = Callable[["Exchange"], None]


class Exchange:
    """A request in hand and the means to answer it; all methods are for the simulator's own thread."""

    def __init__(self, simulator: "HttpSimulator", connection: "_Connection", request: Request) -> None:
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


HTML_PAGE = Answer(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html><body>Maintenance</body></html>")
"""Wrong kind of answer: what a captive portal or a proxy says with status 200."""
BROKEN_JSON = Answer(200, {"Content-Type": "application/json"}, b'{"data": [1, 2')
"""JSON that ends too early although all bytes arrived."""


def deep_json(depth: int = 10**6) -> Answer:
    """Return an answer of that many brackets, which exhausts a recursive parser."""
    return Answer(200, {"Content-Type": "application/json"}, b"[" * depth + b"]" * depth)


def reset(exchange: Exchange) -> None:
    """Fault: break the connection without an answer."""
    exchange.reset()


def never(_exchange: Exchange) -> None:
    """Fault: do not answer until the simulator stops or the client gives up."""


def delay(seconds: float) -> Fault:
    """Return a fault that answers properly, but that much later."""
    return lambda exchange: exchange.later(seconds, exchange.proceed)


def cut_off(*, after_bytes: int = 1, with_reset: bool = False) -> Fault:
    """Return a fault that promises the whole body, sends its first bytes and closes (or resets)."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.write(head_of(answer, max(len(answer.body), after_bytes + 1)) + answer.body[:after_bytes])
        if with_reset:
            exchange.reset()
        else:
            exchange.close()

    return fault


def huge_body(size_bytes: int, *, chunked: bool = False) -> Fault:
    """Return a fault that streams a body of blanks, with its length declared or, chunked, without."""
    piece = b" " * 65536
    pieces, rest = divmod(size_bytes, len(piece))
    headers = {"Content-Type": "application/json"}

    def fault(exchange: Exchange) -> None:
        body = chain(repeat(piece, pieces), [piece[:rest]] if rest else [])
        if chunked:
            frames = (b"%x\r\n%b\r\n" % (len(part), part) for part in body)
            head = head_of(Answer(headers={**headers, "Transfer-Encoding": "chunked"}), None)
            exchange.stream(chain([head], frames, [b"0\r\n\r\n"]))
        else:
            exchange.stream(chain([head_of(Answer(headers=headers), size_bytes)], body))

    return fault


def drip(*, interval_seconds: float = 0.05) -> Fault:
    """Return a fault that sends the proper answer, head and all, a byte each interval."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.answer()
        whole = head_of(answer, len(answer.body)) + answer.body
        exchange.stream((bytes((byte,)) for byte in whole), interval_seconds=interval_seconds)

    return fault


class Hold:
    """Fault: keep requests waiting until `release()`, which any thread may call; they are then answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._released = False
        self._waiting: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> None:
        """Keep or, once released, answer."""
        with self._lock:
            if not self._released:
                self._waiting.append(exchange)
                return
        exchange.proceed()

    def release(self) -> None:
        """Answer what waits and whatever comes after. Call it before the simulator stops."""
        with self._lock:
            self._released = True
            waiting, self._waiting = self._waiting, []
        for exchange in waiting:
            exchange.loop.call_soon_threadsafe(exchange.proceed)


@dataclass(slots=True)
class Rule:
    """Which requests a fault meets, and how often it has."""

    fault: Fault
    when: Predicate
    left: int | None
    """How many more requests; None for all."""
    hits: int = 0

    def takes(self, request: Request) -> bool:
        """Return whether the fault is for this request, and count it."""
        if self.left == 0 or not self.when(request):
            return False
        self.hits += 1
        if self.left is not None:
            self.left -= 1
        return True


class HttpSimulator(AbstractContextManager["HttpSimulator"]):
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
        self.latency_seconds = latency_seconds
        """How long each proper answer takes; may be changed at any time."""
        self.peak_requests = 0
        """The most requests that were being answered at the same time."""
        self.busy_count = 0
        """How many requests are being answered now; a client may have its answer a moment before this falls."""
        self._address = (host, port)
        self._changed = threading.Condition()
        self._requests: deque[Request] = deque(maxlen=keep_requests)
        self._count = 0
        self._rules: list[Rule] = []
        self._exact: dict[str, dict[str, Handler]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Handler]]] = []
        self._connections: set[_Connection] = set()
        self._connection_count = 0
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

    @property
    def requests(self) -> tuple[Request, ...]:
        """Everything asked until now, oldest first, whole requests only."""
        with self._changed:
            return tuple(self._requests)

    @property
    def request_count(self) -> int:
        """How many requests came, also those that `keep_requests` let go."""
        with self._changed:
            return self._count

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        with self._changed:
            return len(self._connections)

    def requests_to(self, pattern: str, *, method: str | None = None) -> tuple[Request, ...]:
        """Return the requests whose path fits the shell pattern, oldest first."""
        return tuple(
            request
            for request in self.requests
            if fnmatchcase(request.path, pattern) and method in {None, request.method}
        )

    def wait_for(self, what: int | Predicate = 1, *, timeout_seconds: float = 10.0) -> tuple[Request, ...]:
        """Return all requests once there are `what` of them; for a predicate those that fit, once one does.

        Raises TimeoutError.
        """

        def found() -> tuple[Request, ...]:
            if callable(what):
                return tuple(filter(what, self._requests))
            return tuple(self._requests) if self._count >= what else ()

        with self._changed:
            result = self._changed.wait_for(found, timeout_seconds)
            if not result:
                raise TimeoutError(f"{self._count} requests in {timeout_seconds:g} s, none of them {what}")
            return result

    def wait_for_connections(self, count: int, *, timeout_seconds: float = 10.0) -> None:
        """Return once exactly that many connections are open. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._connections) == count, timeout_seconds):
                raise TimeoutError(f"{len(self._connections)} connections are open, not {count}")

    def fail(self, fault: Answer | Fault, *, times: int | None = 1, when: str | Predicate = "*") -> Rule:
        """Let the next `times` requests (None: all) meet a fault, and return the rule that counts them.

        `when` is a shell pattern for the path or a predicate. Older rules come first.
        """
        rule = Rule(_as_fault(fault), _as_predicate(when), times)
        with self._changed:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Forget all faults."""
        with self._changed:
            self._rules.clear()

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
        server = await self._loop.create_server(lambda: _Connection(self), sock=listener, backlog=1024)
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

    # Between the connections and the record

    def add_connection(self, connection: "_Connection") -> int:
        """Return the number of a new connection."""
        with self._changed:
            self._connections.add(connection)
            self._connection_count += 1
            self._changed.notify_all()
            return self._connection_count

    def remove_connection(self, connection: "_Connection") -> None:
        """Forget a closed connection."""
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def accept(self, head: "_Head", body: bytes, connection: int) -> tuple[Request, Fault]:
        """Record a request and return it with what is to be done about it."""
        with self._changed:
            request = Request(
                index=self._count,
                time=time.monotonic(),
                connection=connection,
                method=head.method,
                target=head.target,
                path=head.path,
                query=head.query,
                headers=head.headers,
                body=body,
                path_values=self._methods(head.path)[1],
            )
            self._count += 1
            self._requests.append(request)
            self.peak_requests = max(self.peak_requests, self.busy_count)
            self._changed.notify_all()
            rule = next((rule for rule in self._rules if rule.takes(request)), None)
        return request, rule.fault if rule else Exchange.proceed


def _as_fault(fault: Answer | Fault) -> Fault:
    if isinstance(fault, Answer):
        return lambda exchange: exchange.send(fault)
    return fault


def _as_predicate(when: str | Predicate) -> Predicate:
    if isinstance(when, str):
        return lambda request: fnmatchcase(request.path, when)
    return when


def head_of(answer: Answer, length: int | None) -> bytes:
    """Return status line and headers as they are sent, with Content-Length unless length is None."""
    lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Unknown')}"]
    if length is not None and answer.status not in {204, 304}:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


class _Head(NamedTuple):
    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body_bytes: int
    close_after: bool


class _BadRequest(ValueError):
    """What came is no request that we take; `answer` says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer.json({"message": message}, status=status, headers={"Connection": "close"})


def _parse_head(data: bytes) -> _Head:
    # By hand: the standard library's reader goes through email.parser, which costs more than all the rest.
    request_line, *lines = data.decode("latin-1").split("\r\n")
    try:
        method, target, version = request_line.split(" ")
        parts = urlsplit(target)
    except ValueError as error:
        raise _BadRequest(400, "the request line is not: method, URL, version") from error
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise _BadRequest(411, "this simulator takes no chunked bodies")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise _BadRequest(400, "Content-Length is not a number")
    if int(length) > MAX_BODY_BYTES:
        raise _BadRequest(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    return _Head(
        method,
        target,
        unquote(parts.path),
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers,
        int(length),
        version == "HTTP/1.0" or headers.get("connection", "").lower() == "close",
    )


class _Connection(asyncio.Protocol):
    """One client's connection: cuts the bytes into requests and has them answered one after the other."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop

    def __init__(self, simulator: HttpSimulator) -> None:
        self._simulator = simulator
        self._number = 0
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._close_after = False
        self._busy = False
        self._taking = False
        self._blocked = False
        self._on_writable: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio sets TCP_NODELAY itself.
        self.transport = cast(asyncio.Transport, transport)
        self.loop = asyncio.get_running_loop()
        self._number = self._simulator.add_connection(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_busy(False)
        self._simulator.remove_connection(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._take_requests()

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        callback, self._on_writable = self._on_writable, None
        if callback:
            callback()

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
        except _BadRequest as error:
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

    def _read_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if max(end, 0 if end >= 0 else len(self._buffer)) > MAX_HEAD_BYTES:
            raise _BadRequest(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            return None
        head = _parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if head.headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return head

    def _set_busy(self, busy: bool) -> None:
        self._simulator.busy_count += busy - self._busy
        self._busy = busy


def serve_until_signalled(server: AbstractContextManager[object], describe: Callable[[], str]) -> None:
    """Run a simulator as a process: start it, print one line about it, stop it at SIGTERM or SIGINT."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the threads start, which inherit it
    with server:
        sys.stdout.write(describe() + "\n")
        sys.stdout.flush()
        signal.sigwait(signals)
