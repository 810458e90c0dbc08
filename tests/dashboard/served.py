"""The real command `metrics-importer dashboard` on a free port, over a state directory of the test's."""

import json
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.commands import Commands, isolated_environment
from tests.dashboard.state import State
from tests.running import Ended, Running

WAIT_SECONDS = 60.0
_ADDRESS = re.compile(r"The dashboard is at (http://(\S+):(\d+)/)(?:\?token=(\S+))?$")


@dataclass(frozen=True)
class Reply:
    """An answer as it arrived; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that can be asked."""

    running: Running
    state: State
    url: str
    port: int
    token: str | None
    """The one that it printed."""

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Reply:
        """Return the answer to a request over a connection of its own."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )

    def get(self, path: str, headers: Mapping[str, str] | None = None, /, **parameters: object) -> Reply:
        """Return the answer to a GET with parameters."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self.ask("GET", f"{path}{query}", headers)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send a signal, and return once the command has ended."""
        self.running.process.send_signal(number)
        self.running.process.wait(WAIT_SECONDS)
        return self.running.kill()

    def status(self) -> Any:
        return self.get("/api/status").json()

    def points(self, name: str, **parameters: object) -> Any:
        return self.get("/api/points", store=self.state.store, name=name, **parameters).json()


@contextmanager
def dashboard_in(home: Path, *arguments: str | Path, commands: Commands | None = None) -> Iterator[Dashboard]:
    """Run the command in an environment of its own below `home` while the block lasts; it serves when it begins."""
    commands = commands or Commands(home, isolated_environment(home))
    with commands.start("metrics-importer", "dashboard", "--port", "0", *arguments) as process:
        running = Running(process)
        (line,) = running.wait_for_line("The dashboard is at", timeout_seconds=WAIT_SECONDS)
        found = _ADDRESS.fullmatch(line)
        assert found is not None, line
        yield Dashboard(running, State(commands.state_dir), found[1], int(found[3]), found[4])
