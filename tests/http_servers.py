"""Small servers on 127.0.0.1 for tests of the HTTP client: one that answers by the book, one that does anything."""

import gzip
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

WAIT_SECONDS = 20.0
"""How long a test waits for what ought to happen at once."""


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: Message
    body: bytes
    connection: int
    """Counts the connections, from 1."""


@dataclass(frozen=True)
class Answer:
    """What to answer; Content-Length is added."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def gzipped(cls, body: bytes) -> "Answer":
        return cls(200, gzip.compress(body), {"Content-Encoding": "gzip"})


class BookServer(ThreadingHTTPServer):
    """Gives its answers one after the other, the last of them for ever; keeps connections."""

    daemon_threads = False  # server_close() waits for them, so that no test leaves one behind

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers) or [Answer()]
        self.seen: list[Seen] = []
        self.open: set[socket.socket] = set()
        self._tls = tls
        self._connections = count(1)
        super().__init__(("127.0.0.1", 0), _BookHandler)

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> set[int]:
        return {seen.connection for seen in self.seen}

    def next_connection(self) -> int:
        return next(self._connections)

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is not None:
            try:
                request = self._tls.wrap_socket(request, server_side=True)
            except OSError:
                return  # a client that does not trust us hangs up
        self.open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.open.discard(request)
            request.close()

    def drop_connections(self) -> None:
        """Close the kept connections."""
        for connection in list(self.open):
            with suppress(OSError):  # a client may have ended it meanwhile
                connection.shutdown(socket.SHUT_RDWR)


class _BookHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BookServer

    def setup(self) -> None:
        super().setup()
        self.connection_number = self.server.next_connection()

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            return  # the client has had enough

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(Seen(self.command, self.path, self.headers, body, self.connection_number))
        answer = self.server.next_answer()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def book_server(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[BookServer]:
    """Run a BookServer."""
    with BookServer(*answers, tls=tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            server.drop_connections()


Script = Callable[[socket.socket, threading.Event], None]
"""What to do with a connection; the event is set when the server is about to close."""


class ScriptServer:
    """Meets its n-th connection with the n-th script, and later ones with the last."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.accepted = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "ScriptServer":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed by its script
        for thread in self._threads:
            thread.join(WAIT_SECONDS)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            self._open.append(connection)
            self._start(self._run, script, connection)

    def _run(self, script: Script, connection: socket.socket) -> None:
        with connection:
            try:
                script(connection, self._closing)
            except OSError:
                return  # the client has had enough


def read_request(connection: socket.socket) -> bytes:
    """Read one request, body included; nothing if the client has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return b""
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def says(*parts: bytes) -> Script:
    """Answer a request with these bytes, and close."""

    def script(connection: socket.socket, closing: threading.Event) -> None:
        if read_request(connection):
            connection.sendall(b"".join(parts))

    return script


def says_then_hangs(*parts: bytes) -> Script:
    """Answer a request with these bytes, and leave the connection open."""

    def script(connection: socket.socket, closing: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"".join(parts))
        closing.wait(WAIT_SECONDS)

    return script


def drips(begin: bytes, drop: bytes, interval_seconds: float = 0.02) -> Script:
    """Answer with `begin`, and then with `drop` again and again."""

    def script(connection: socket.socket, closing: threading.Event) -> None:
        read_request(connection)
        connection.sendall(begin)
        while not closing.wait(interval_seconds):
            connection.sendall(drop)

    return script


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that no authority has signed, in a file with its key."""

    path: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


def make_certificate(folder: Path, *, subject: str = "127.0.0.1") -> Certificate:
    """Return a fresh certificate made by the openssl command."""
    path = folder / "server.pem"
    names = ["-subj", f"/CN={subject}", "-addext", f"subjectAltName=IP:{subject}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-days", "2", *key, *names, "-out", path], check=True, capture_output=True
    )
    path.write_bytes((folder / "key.pem").read_bytes() + path.read_bytes())
    return Certificate(path)
