"""Where `metrics-importer demo` runs the commands, each a process of its own, and prints what came of it."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from importer.cli.text_table import count_of
from importer.errors import ExitCode, ImporterError, UsageError, one_line
from importer.paths import Kind

COMMAND_TIMEOUT_SECONDS = 60
MAX_COLUMNS = 100

_ROOT = Path(__file__).resolve().parents[2]
_IMPORT_PATHS = [str(_ROOT), *([str(_ROOT / "compat")] if (_ROOT / "compat" / "leexportpy").is_dir() else [])]
"""So that the processes find us, and the old import paths, in a clone that is not installed too."""
_MAINS = {
    "metrics-importer": "importer.cli.metrics_importer.main:main",
    **{
        name: f"importer.cli.apteligent.main:{name}" for name in ("dailyjobs", "livestats", "groupedby", "servicestats")
    },
    "leexportpy": "importer.cli.leexport.main:main",
    "cton": "importer.cli.cton.main:main",
    "pp-collector": "importer.cli.pp_collector.main:main",
    "stats-service": "importer.cli.stats_service.main:main",
}
_SERVING = re.compile(r"serving: address=(?P<host>\S+) port=(?P<port>\d+)|is at (?P<url>http://\S+)/$")
_DIRECTORIES = {Kind.CONFIG: "config", Kind.CACHE: "cache", Kind.LOG: "log", Kind.STATE: "state", Kind.RUN: "run"}


@contextlib.contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """Give a directory that holds those of the commands, which is removed again unless it is one to `keep`.

    Raises UsageError for a directory to keep that is in use, and ImporterError where none can be made.
    """
    with contextlib.ExitStack() as stack:
        try:
            if keep is None:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="metrics-importer-demo-")))
            else:
                directory = _new_directory(keep)
            for name in _DIRECTORIES.values():
                (directory / name).mkdir()
        except OSError as error:
            raise ImporterError(f"demo: no directory to work in: {error}") from error
        yield directory


def _new_directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise UsageError(f"--keep {path}: not empty; name a new directory")
    return path.absolute()


class Stage:
    """Runs commands as a user would in a `workplace`, and prints what came of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        """Where the commands find all that is theirs."""
        self._columns = min(shutil.get_terminal_size((MAX_COLUMNS, 24)).columns, MAX_COLUMNS)
        self._environment = {
            **os.environ,
            **{kind.variable: str(directory / name) for kind, name in _DIRECTORIES.items()},
            "COLUMNS": str(self._columns),
            "PYTHONPATH": os.pathsep.join(filter(None, [*_IMPORT_PATHS, os.environ.get("PYTHONPATH")])),
            "PYTHONIOENCODING": sys.stdout.encoding,
        }

    def check(self, what: str) -> None:
        """Check the configuration, the vendors and the stores."""
        command_line = ("metrics-importer", "check", "--online")
        self.do(what, *command_line, result=lambda output: f"{len(output.splitlines())} ok")

    def do_import(self, what: str, command: str, *arguments: str) -> None:
        """Run an import, and print how many points it brought."""
        self.do(what, command, *arguments, result=lambda _output: count_of(self._points_of(command), "point"))

    def do(
        self, what: str, *command_line: str, result: Callable[[str], str], shown: Sequence[str] | None = None
    ) -> None:
        """Run a command, and print a line: what it is for, what `result` makes of its output, how long it took.

        `shown` is printed in place of a command line that is too long.
        """
        began = time.monotonic()
        output = self._run(*command_line)
        self._print_done(shown or command_line, what, result(output), time.monotonic() - began)

    def _print_done(self, command_line: Sequence[str], what: str, result: str, seconds: float) -> None:
        explained = f" {what:<34}" if self._columns >= MAX_COLUMNS else ""
        print(f"$ {shlex.join(command_line):<44}{explained}{result:>11}{seconds:5.1f} s", flush=True)

    @contextlib.contextmanager
    def serving(self, name: str, *arguments: str, what: str) -> Iterator[str]:
        """Run a service until the block is left; yields its address, which it says when it can be asked.

        Raises ImporterError if it ends by itself.
        """
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - as in `_run`
            [sys.executable, "-c", _code_of(name), *arguments],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log = cast("IO[str]", process.stdout)
        with process, contextlib.ExitStack() as stack:
            address, said = _awaited_address(log)
            stack.enter_context(_drained(log))
            stack.callback(process.terminate)
            if not address:
                raise ImporterError(f"demo: {name} did not start: {one_line(said)}")
            self._print_done((name, *arguments), what, "serving", time.monotonic() - began)
            yield address

    def repeat(self, command: str, *arguments: str) -> None:
        """Run a command once more, and print nothing of it; raises ImporterError if it fails."""
        self._run(command, *arguments)

    def present(self, *arguments: str) -> None:
        """Print what metrics-importer says."""
        output = self._run("metrics-importer", *arguments)
        print(f"\n$ {shlex.join(['metrics-importer', *arguments])}\n{output}", end="", flush=True)

    def plot(self, title: str, points: list[tuple[float, float]]) -> None:
        """Print a plot of (seconds since 1970 UTC, value), as `metrics-importer show` draws it."""
        from importer.cli.metrics_importer.plot import plot

        print(f"\n{plot(title, points, stream=sys.stdout, width=self._columns)}", flush=True)

    def _points_of(self, command: str) -> int:
        """Return how many points the last run of a command brought."""
        from importer.outbox_view import OutboxView

        with OutboxView.open(self.directory / "state" / f"{command}.outbox") as outbox:
            return outbox.runs()[0].points

    def _run(self, name: str, *arguments: str) -> str:
        """Return what a command printed; raises ImporterError if it failed."""
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, with our own code
                [sys.executable, "-c", _code_of(name), *arguments],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding=sys.stdout.encoding,
                timeout=COMMAND_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ImporterError(f"demo: {name} took more than {COMMAND_TIMEOUT_SECONDS} s") from error
        if done.returncode != ExitCode.OK:
            raise ImporterError(f"demo: {name} ended with {done.returncode}: {one_line(done.stderr or done.stdout)}")
        output: str = done.stdout
        return output


def _code_of(name: str) -> str:
    module, _, function = _MAINS[name].partition(":")
    return f"import sys; from {module} import {function} as main; sys.exit(main())"


def _awaited_address(log: IO[str]) -> tuple[str, str]:
    """Return the address that a service says when it can be asked, and all that it said; no address if it ended."""
    said = []
    for line in log:
        said.append(line)
        found = _SERVING.search(line)
        if found:
            return found["url"] or f"http://{found['host']}:{found['port']}", "".join(said)
    return "", "".join(said)


@contextlib.contextmanager
def _drained(log: IO[str]) -> Iterator[None]:
    """Read a log to its end, so that who writes it need not wait."""
    thread = threading.Thread(target=log.read, daemon=True)
    thread.start()
    yield
    thread.join()


@dataclass(frozen=True, slots=True)
class Part:
    """What one family of commands contributes, while its vendors and stores are played."""

    played: str
    """Who is played, in words; empty for nobody."""
    show: Callable[[Stage], None]
    """Runs the commands, and prints what they brought; raises ImporterError for the first that fails."""
