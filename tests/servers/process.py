"""One real server as a subprocess: started, waited for, killed, paused and started again on the same ports."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

START_SECONDS = 30
STOP_SECONDS = 10
POLL_SECONDS = 0.02

MINIMAL_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

Value = TypeVar("Value")

# hypothesis seeds the global generator, alike in every worker: they would all pick the same ports.
_random = random.SystemRandom()


class ServerFailed(AssertionError):
    """A server did not start, or does not hold what a test waits for."""


def die_with_parent(command: list[str]) -> list[str]:
    """Return the command in a form that the kernel kills when this process dies, however it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else command


def wait_until(condition: Callable[[], Value], describe: Callable[[], str], *, deadline_seconds: float) -> Value:
    """Return the condition's first true value. Raises ServerFailed, with a description, at the deadline."""
    end = time.monotonic() + deadline_seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise ServerFailed(f"after {deadline_seconds} s: {describe()}")
        time.sleep(POLL_SECONDS)
    return value


def family_of(host: str) -> socket.AddressFamily:
    """Return the family of a literal address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def free_port(host: str) -> int:
    """Return a TCP port that nobody listens on, out of the range from which connections get theirs."""
    while True:
        port = _random.randrange(10_000, 30_000)
        with socket.socket(family_of(host)) as probe:
            if probe.connect_ex((host, port)) != 0:
                return port


def accepts(host: str, port: int) -> bool:
    """Return whether somebody accepts connections there."""
    with socket.socket(family_of(host)) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


class Server(ABC):
    """A server process with a data directory of its own. As a context manager it runs, and ends, with the block."""

    program: str
    """The executable, a key of PROGRAMS."""

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        self.directory = directory
        self.host = host
        self.ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self.log = directory / "output.log"
        directory.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def command(self) -> list[str]:
        """Return the words that start the server in the foreground; writes its configuration."""

    def claim_port(self) -> int:
        """Return a free port and remember that start() has to wait for it."""
        while (port := free_port(self.host)) in self.ports:
            pass
        self.ports.append(port)
        return port

    @property
    def running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return once it accepts connections on all of its ports. Raises ServerFailed."""
        if self.running:
            raise ServerFailed(f"{self.program} runs already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                die_with_parent(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**MINIMAL_ENVIRONMENT, "HOME": str(self.directory)},
            )
        wait_until(self._ready_or_dead, lambda: f"no answer from {self.program}", deadline_seconds=START_SECONDS)
        if not self.running:
            raise ServerFailed(f"{self.program} ended at once: {self._last_words()}")

    def _ready_or_dead(self) -> bool:
        return not self.running or all(accepts(self.host, port) for port in self.ports)

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the server in good order (it writes what it holds), by force if it takes too long."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server as a power cut would; what it had not written is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Stop the server's clock: the kernel goes on accepting connections, nobody reads from them."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo pause(); does nothing to a server that runs or has ended."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def restart(self) -> None:
        """Stop the server if it runs and start it again: the same ports, the same data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()
