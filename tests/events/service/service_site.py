"""An installation of stats-service: INI file, users, state directory, and the real command on a free port."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Self

from importer.events.tokens.token import TokenPair, generate_pair
from tests.commands import ROOT, isolated_environment
from tests.servers.process import die_with_parent

WAIT_SECONDS = 30.0
"""How long a test waits for what ought to happen at once; it fails when that is over."""
USER = "statsbob"
PAIR = generate_pair(USER)
TOKEN = PAIR.token.reveal()
EVENT = {"event": "shop.view", "uid": "s 1", "qty": 3}
_SERVING = re.compile(r"serving: address=\S+ port=(\d+)")


@dataclass(frozen=True)
class Reply:
    """An answer as it arrived; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Log:
    """What a process says on standard error, followed by a thread."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self._stream = process.stderr
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._follow, name="log")
        self._thread.start()

    @property
    def text(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: str, *, count: int = 1) -> re.Match[str]:
        """Wait until a pattern was seen `count` times; return the last of these."""

        def found() -> list[re.Match[str]]:
            return list(re.finditer(pattern, "".join(self._lines)))

        with self._changed:
            seen = self._changed.wait_for(lambda: len(found()) >= count or self._ended, WAIT_SECONDS)
            assert seen, f"no {pattern!r} in: {''.join(self._lines)}"
            assert len(found()) >= count, f"ended without {pattern!r}: {''.join(self._lines)}"
            return found()[count - 1]

    def wait_for_end(self) -> None:
        """Wait until no process holds standard error: neither the service nor one that it started."""
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive(), "a process of the service is still there"

    def _follow(self) -> None:
        for line in self._stream:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    log: Log
    port: int
    token: str = TOKEN

    def request(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, token: str = ""
    ) -> Reply:
        """Ask over a connection of its own, with the token of the site; a body that is no bytes is sent as JSON."""
        with self.connected() as connection:
            return ask(connection, method, path, body, headers=headers, token=token or self.token)

    def get(self, path: str, **options: object) -> Reply:
        return self.request("GET", path, **options)  # type: ignore[arg-type]

    def post(self, body: object, **options: object) -> Reply:
        return self.request("POST", "/log/event/", body, **options)  # type: ignore[arg-type]

    def posted(self, event: Mapping[str, object] = EVENT) -> str:
        """Post an event; return its id."""
        reply = self.post(event)
        assert reply.status == 200, reply
        return str(reply.json())

    def events(self, query: str = "limit=1000") -> list[dict[str, object]]:
        events = self.get(f"/log/events?{query}").json()
        assert isinstance(events, list)
        return events

    @contextmanager
    def connected(self) -> Iterator[HTTPConnection]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def opened(self) -> Iterator[socket.socket]:
        """A plain connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS) as connection:
            yield connection

    def exchange(self, data: bytes) -> bytes:
        """Send bytes and no more; return all that comes back until the service closes or has nothing to say."""
        with self.opened() as connection:
            with suppress(OSError):  # the service has answered and closed before it read all of it
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def pids(self, role: str) -> list[int]:
        """Return the processes of a role, `worker` or `keeper`: the keeper is started first, and has the lowest id."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        keeper, *workers = sorted(map(int, children.split()))
        return [keeper] if role == "keeper" else workers

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until the service and all that it started have ended; return its exit code."""
        code = self.process.wait(WAIT_SECONDS)
        self.log.wait_for_end()
        return code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()


@dataclass
class Site:
    """What a test arranges before the service is started."""

    home: Path
    keys: dict[str, object] = field(default_factory=dict)
    """Of the section [app:main], beside the path of access.json."""
    port: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, home: Path, **keys: object) -> Self:
        """Give an installation with one user; keys are those of [app:main] that begin with `stats_service.`."""
        site = cls(home, {f"stats_service.{key}": value for key, value in {"flush_interval": 0.1, **keys}.items()})
        site.environment = isolated_environment(home)
        site.write_users(PAIR)
        site.write()
        return site

    @property
    def config(self) -> Path:
        return self.home / "service.ini"

    @property
    def users(self) -> Path:
        return self.home / "access.json"

    @property
    def outbox(self) -> Path:
        return self.home / "state" / "stats-service.outbox"

    def write(self, *, tail: str = "") -> None:
        """Write the INI file."""
        keys = {"stats_service.access.identities": "access.json", **self.keys}
        lines = ["[app:main]", *(f"{key} = {value}" for key, value in keys.items())]
        server = ["[server:main]", "host = 127.0.0.1", f"port = {self.port}"]
        self.config.write_text("\n".join([*lines, *server, tail, ""]))

    def write_users(self, *pairs: TokenPair) -> None:
        """Write access.json with one user, who has these tokens."""
        tokens = [{"access_token": pair.token.reveal(), "access_secret": pair.secret.reveal()} for pair in pairs]
        fresh = self.users.with_suffix(".new")
        fresh.write_text(json.dumps([{"username": USER, "id": "user_1", "name": "Bob", "tokens": tokens}]))
        fresh.replace(self.users)

    @contextmanager
    def launched(self, *command: str | Path) -> Iterator[tuple[subprocess.Popen[str], Log]]:
        """Start a command, bin/stats-service with this site's INI file by default; do not wait for anything."""
        command = command or (ROOT / "bin" / "stats-service", "-c", self.config)
        with subprocess.Popen(
            die_with_parent([sys.executable, *map(str, command)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=self.home,
            env=self.environment,
        ) as process:
            log = Log(process)
            try:
                yield process, log
            finally:
                process.terminate()
                try:
                    process.wait(WAIT_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                log.wait_for_end()

    @contextmanager
    def running(self, *command: str | Path) -> Iterator[Service]:
        """Run the service while the block lasts; it is ready when the block begins."""
        with self.launched(*command) as (process, log):
            port = int(log.wait_for(_SERVING.pattern)[1])
            yield Service(process, log, port)


def ask(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    token: str = TOKEN,
) -> Reply:
    """Ask over a connection that stays."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, content, {"Authorization": f"Token {token}", **(headers or {})})
    return read_reply(connection.getresponse())


def read_reply(response: HTTPResponse) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes; a reset is an end, too."""
    data = b""
    try:
        while received := connection.recv(65536):
            data += received
    except ConnectionResetError:
        return data
    return data


def statuses(data: bytes) -> list[int]:
    """Return the status of each answer in what came over one connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", data)]


def request_bytes(
    method: str = "POST", path: str = "/log/event/", *lines: str, body: bytes = b"", token: str = TOKEN
) -> bytes:
    """Return a request as it is sent; `lines` are headers beside Host and Authorization."""
    head = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Token {token}", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body
