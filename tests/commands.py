"""Runs our commands as a user does: another process, its own environment, no terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.process import die_with_parent

ROOT = Path(__file__).parent.parent
DIRECTORIES = ("CONFIG_DIR", "CACHE_DIR", "LOG_DIR", "STATE_DIR", "PID_DIR")
TIMEOUT_SECONDS = 60
STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended and what it said."""

    code: int
    """The exit status; negative for the signal that ended it."""
    stdout: str
    stderr: str
    seconds: float
    """How long it ran, on the wall's clock."""


def isolated_environment(home: Path, *, coverage: bool = True) -> dict[str, str]:
    """Return the environment of a command that sees nothing of the machine's user; makes its directories.

    The directories are `home`/config, cache, log, state, pid and tmp. Coverage goes on measuring, unless told not to:
    it doubles what a start costs, which counts where commands are started by the hundred.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    if coverage:
        environment |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    for variable in DIRECTORIES:
        directory = home / variable.removesuffix("_DIR").lower()
        directory.mkdir(exist_ok=True)
        environment[variable] = str(directory)
    return environment


@dataclass(frozen=True)
class Commands:
    """Starts the launchers of bin/ in one isolated environment, which a test may change before."""

    home: Path
    """The working directory and the home of the environment's directories."""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def config_dir(self) -> Path:
        """Where the commands look for their configuration files."""
        return Path(self.environment["CONFIG_DIR"])

    @property
    def state_dir(self) -> Path:
        """Where the commands keep outbox and cursors."""
        return Path(self.environment["STATE_DIR"])

    @property
    def log_dir(self) -> Path:
        """Where the commands write their log files."""
        return Path(self.environment["LOG_DIR"])

    def run(
        self,
        name: str,
        *arguments: str | Path,
        env: Mapping[str, str | None] | None = None,
        stdin: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Result:
        """Run bin/`name` to its end. `env` adds to the environment; a value of None takes the variable away.

        Raises subprocess.TimeoutExpired, after killing the command, if it takes too long.
        """
        began = time.monotonic()
        done = subprocess.run(
            die_with_parent(_command_line(name, arguments)),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            cwd=self.home,
            env=self._environment(env),
            timeout=timeout_seconds,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    @contextmanager
    def start(
        self, name: str, *arguments: str | Path, env: Mapping[str, str | None] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Run bin/`name` for as long as the block lasts; then it is terminated, killed if need be, and reaped.

        Its output comes through `process.stdout` and `process.stderr`, pipes of text.
        """
        with subprocess.Popen(
            die_with_parent(_command_line(name, arguments)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=self.home,
            env=self._environment(env),
        ) as process:
            try:
                yield process
            finally:
                _end(process)

    def _environment(self, changes: Mapping[str, str | None] | None) -> dict[str, str]:
        merged = {**self.environment, **(changes or {})}
        return {name: value for name, value in merged.items() if value is not None}


def _command_line(name: str, arguments: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, str(ROOT / "bin" / name), *map(str, arguments)]


def _end(process: subprocess.Popen[str]) -> None:
    """End a process that may have ended already. Raises nothing: the test has its own verdict by now."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
