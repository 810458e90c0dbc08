"""metrics-importer demo: every command on made-up data, from a vendor played on this machine to the embedded store."""

import argparse
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.text_table import count_of
from importer.errors import ExitCode, ImporterError, UsageError, one_line
from importer.paths import Kind

if TYPE_CHECKING:
    from importer.cli.command import SubCommands

_DESCRIPTION = """\
Import made-up figures of three apps with the real commands: a simulator plays the vendor
on this machine, the embedded store takes the points, and what came of it is shown.
Needs no configuration and no network, and takes a few seconds."""
_EXAMPLE = """\
  metrics-importer demo
  metrics-importer demo --keep /tmp/demo"""

BACK_FILL_DAYS = 14
COMMAND_TIMEOUT_SECONDS = 60
MAX_COLUMNS = 100

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
"""So that the processes find us in a clone that is not installed too."""
_MAINS = {
    "metrics-importer": "importer.cli.metrics_importer:main",
    **{name: f"importer.cli.apteligent:{name}" for name in ("dailyjobs", "livestats", "groupedby", "servicestats")},
}
_DIRECTORIES = {Kind.CONFIG: "config", Kind.CACHE: "cache", Kind.LOG: "log", Kind.STATE: "state", Kind.RUN: "run"}


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "demo", help="try all of it on made-up data", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new or empty directory, and keep it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, *, clock: Callable[[], float] = time.time) -> ExitCode:
    """Run the demonstration; raises ImporterError for the first command that fails."""
    from importer.cli.demo_files import last_finished_day, write_files
    from importer.simulators.apteligent import ApteligentSimulator

    with _workplace(options.keep) as directory, ApteligentSimulator(keep_requests=0) as vendor:
        stage = _Stage(directory)
        apps = list(vendor.apps.values())
        write_files(directory / "config", vendor_url=vendor.url, apps=apps)
        print(f"A vendor is played at {vendor.url}: {count_of(len(apps), 'app')}, made-up figures.")
        print(f"Configuration, outboxes and the store are in {directory}.\n")
        last = last_finished_day(apps, clock())
        first = last - timedelta(days=BACK_FILL_DAYS - 1)
        stage.check("configuration, vendor and store")
        stage.do_import("yesterday of each app", "dailyjobs", "--once")
        stage.do_import("two weeks of history", "dailyjobs", "--from", f"{first}", "--to", f"{last}")
        stage.do_import("the last five minutes", "livestats", "--once")
        stage.do_import("today, by version and by carrier", "groupedby", "--once")
        stage.do_import("web services that the apps call", "servicestats", "--once")
        stage.present("show", "*.Bike_Shop.daily.dau", "--plot")
        stage.present("show", "*.Bike_Shop.live.appLoads", "--plot")
        stage.present("status")
        print(_farewell(options.keep))
    return ExitCode.OK


def _farewell(kept: Path | None) -> str:
    if kept is None:
        return "\nAll of it was removed again; to keep it: metrics-importer demo --keep DIR"
    store = shlex.quote(str(kept.absolute() / "state" / "metrics.db"))
    return f"\nKept; to look around: metrics-importer show --path {store}"


@contextlib.contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    """Give a directory that holds those of the commands; raises UsageError for a kept one that is in use."""
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


class _Stage:
    """Runs the commands as a user would, each a process of its own, and prints what came of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._columns = min(shutil.get_terminal_size((MAX_COLUMNS, 24)).columns, MAX_COLUMNS)
        self._environment = {
            **os.environ,
            **{kind.variable: str(directory / name) for kind, name in _DIRECTORIES.items()},
            "COLUMNS": str(self._columns),
            "PYTHONPATH": os.pathsep.join(filter(None, [_PACKAGE_ROOT, os.environ.get("PYTHONPATH")])),
            "PYTHONIOENCODING": sys.stdout.encoding,
        }

    def check(self, what: str) -> None:
        """Check the configuration, the vendor and the store."""
        began = time.monotonic()
        output = self._run("metrics-importer", "check", "--online")
        self._tell("metrics-importer check --online", what, f"{len(output.splitlines())} ok", began)

    def do_import(self, what: str, command: str, *arguments: str) -> None:
        """Run an import, and print how many points it brought."""
        from importer.outbox_view import OutboxView

        began = time.monotonic()
        self._run(command, *arguments)
        with OutboxView.open(self._directory / "state" / f"{command}.outbox") as outbox:
            points = outbox.runs()[0].points
        self._tell(shlex.join([command, *arguments]), what, count_of(points, "point"), began)

    def present(self, *arguments: str) -> None:
        """Print what metrics-importer says."""
        output = self._run("metrics-importer", *arguments)
        print(f"\n$ {shlex.join(['metrics-importer', *arguments])}\n{output}", end="", flush=True)

    def _tell(self, command_line: str, what: str, result: str, began: float) -> None:
        explained = f" {what:<34}" if self._columns >= MAX_COLUMNS else ""
        print(f"$ {command_line:<43}{explained}{result:>11}{time.monotonic() - began:5.1f} s", flush=True)

    def _run(self, name: str, *arguments: str) -> str:
        """Return what a command printed; raises ImporterError if it failed."""
        module, _, function = _MAINS[name].partition(":")
        code = f"import sys; from {module} import {function} as main; sys.exit(main())"
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, with our own code
                [sys.executable, "-c", code, *arguments],
                cwd=self._directory,
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
