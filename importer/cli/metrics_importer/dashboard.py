"""metrics-importer dashboard: a web page of the commands, of what waits, and of the embedded store."""

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.ports import port_number
from importer.cli.metrics_importer.projects import Project, StateFiles, add_project_option, chosen_projects, find_state
from importer.errors import ExitCode, UsageError
from importer.paths import Kind

if TYPE_CHECKING:
    from importer.cli.command import SubCommands
    from importer.credentials import Secret
    from importer.dashboard.snapshot import Snapshot

DEFAULT_ADDRESS = "127.0.0.1"
DEFAULT_PORT = 20090

_DESCRIPTION = """\
Serve a web page that shows how each command is, how far its data is behind, what waits
for which destination, what went wrong lately, and the series of the embedded store as
charts. It follows what happens, only reads, and asks nothing of other machines.

On 127.0.0.1, as by default, whoever is on this machine may look. At any other address a
token is needed: that of --token-file, or one that is made and printed at the start."""
_EXAMPLE = """\
  metrics-importer dashboard
  metrics-importer dashboard --port 0 --state /tmp/demo/state
  metrics-importer dashboard --bind 0.0.0.0 --token-file /etc/metrics-importer/dashboard.token

From another machine, without opening a port: ssh -L 20090:127.0.0.1:20090 HOST"""


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "dashboard", help="all of it as a web page", description=_DESCRIPTION, example=_EXAMPLE
    )
    add_project_option(parser)
    parser.add_argument(
        "--bind", type=_address, default=DEFAULT_ADDRESS, metavar="ADDRESS", help=f"listen there ({DEFAULT_ADDRESS})"
    )
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT, help=f"({DEFAULT_PORT}; 0: a free one)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="the token that is needed to look is in it")
    parser.add_argument("--state", type=Path, metavar="DIR", help="the state directory of all projects")
    parser.add_argument("--path", type=Path, metavar="FILE", help="the store to draw (metrics.db in state directories)")
    parser.set_defaults(run=run)


def _address(text: str) -> str:
    """Return the address or the name that an option holds; raises argparse's error where it holds none."""
    if not text.strip():  # to a socket that is all addresses
        raise argparse.ArgumentTypeError("an address is expected, such as 127.0.0.1, 0.0.0.0 or ::")
    return text


def run(options: argparse.Namespace) -> ExitCode:
    """Serve the page until SIGTERM or SIGINT; raises ImporterError."""
    # Imported on use, like everything heavy: --help does without the server.
    from importer.dashboard.access import Guard, is_loopback
    from importer.dashboard.catalogue import Catalogue
    from importer.dashboard.server import listen, serve
    from importer.service import Notifier

    if options.state is not None:
        _use_state(options.state)
    projects = chosen_projects(options.project)
    find_state(projects)  # a mistake is told now, not on the page
    is_local = is_loopback(options.bind)
    token, is_new = _token(options.token_file, is_local=is_local)
    listener = listen(options.bind, options.port)
    notifier = Notifier()
    address = f"http://{_host_in_url(options.bind)}:{listener.getsockname()[1]}/"

    def ready() -> None:
        _announce(address, token if is_new else None)
        notifier.ready()

    serve(
        listener,
        look=partial(_look, projects, options.path),
        catalogue=Catalogue(lambda: _stores(find_state(projects), options.path)),
        guard=Guard(token, is_local=is_local and options.token_file is None),
        ready=ready,
        notifier=notifier,
    )
    return ExitCode.OK


def _use_state(directory: Path) -> None:
    """Let all projects keep their state in a directory. Raises UsageError where there is none."""
    if not directory.is_dir():
        raise UsageError(f"--state {directory}: no such directory")
    os.environ[Kind.STATE.variable] = str(directory.absolute())


def _token(path: Path | None, *, is_local: bool) -> "tuple[Secret | None, bool]":
    """Return the token, None where none is needed, and whether it was made just now. Raises ConfigError."""
    from importer.dashboard.access import new_token, read_token

    if path is not None:
        return read_token(path), False
    return (None, False) if is_local else (new_token(), True)


def _host_in_url(address: str) -> str:
    """Return what to write into a browser: of all addresses, the machine's name."""
    if address in {"0.0.0.0", "::"}:  # noqa: S104 - as somebody else has asked for
        return socket.gethostname()
    return f"[{address}]" if ":" in address else address


def _announce(address: str, made: "Secret | None") -> None:
    """Print where the page is, with the token that nobody knows yet."""
    with_token = "" if made is None else f"?token={made.reveal()}"
    print(f"The dashboard is at {address}{with_token}", flush=True)
    if sys.stdout.isatty():
        print("Ctrl-C ends it.", flush=True)


def _look(projects: Sequence[Project], path: Path | None, *, clock: Callable[[], float] = time.time) -> "Snapshot":
    from importer.dashboard.snapshot import take

    return take(projects, partial(_stores, path=path), now=clock())


def _stores(found: StateFiles, path: Path | None = None) -> list[Path]:
    """Return the embedded stores that are there, or the one that was named."""
    from importer.sinks.sqlite import DEFAULT_FILE

    if path is not None:
        return [path.absolute()]
    return [store for directory in found.directories if (store := directory / DEFAULT_FILE).exists()]
