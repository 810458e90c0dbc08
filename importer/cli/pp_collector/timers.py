"""pp-collector-timers: the jobs of a crontab's jobs file as timers of systemd."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.command import Parser, run_command
from importer.errors import ExitCode

if TYPE_CHECKING:
    from importer.collector.timers import Changes

_DESCRIPTION = """\
Write a timer of systemd, and what its service runs, for each job of the jobs file that
pp-collector-crontab reads. Units of jobs that are gone are removed; those that somebody
else has written are never touched."""
_EXAMPLE = """\
  pp-collector-timers /etc/pp-collector/cronjobs --output /etc/systemd/system
  pp-collector-timers /etc/pp-collector/cronjobs --output /etc/systemd/system --dry-run"""
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(build_parser(), _run, argv)


def build_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser("pp-collector-timers", _DESCRIPTION, example=_EXAMPLE)
    parser.add_argument("jobs", type=_absolute, metavar="JOBS_FILE", help="schedule,slug,credentials,token,pp a line")
    parser.add_argument("--output", type=_absolute, required=True, metavar="DIR", help="where the units go")
    parser.add_argument(
        "--app",
        type=_absolute,
        metavar="PATH",
        help="has venv and config (the installed command, and files beside JOBS_FILE)",
    )
    parser.add_argument("--user", type=_user, metavar="USER", help="who runs the collections")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--check", action="store_true", help="write nothing; end with 1 if units are out of date")
    only.add_argument("--dry-run", action="store_true", help="write nothing; print what would be written and removed")
    return parser


def _absolute(text: str) -> Path:
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("is not a path")
    return Path(text).absolute()


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a user")
    return text


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.collector.jobs_file import are_disabled, jobs_of_this_host, load_jobs  # on use, for --help
    from importer.collector.timers import Layout, apply_changes, build_units, find_changes, other_users

    layout = Layout(options.jobs, app=options.app, user=options.user or "", is_disabled=are_disabled())
    units = build_units(list(jobs_of_this_host(load_jobs(options.jobs))), layout)
    changes = find_changes(units, options.output, layout)
    for warning in other_users(changes, layout):
        print(f"{options.parser.prog}: warning: {warning}", file=sys.stderr)
    if options.dry_run:
        _show(changes)
        return ExitCode.OK
    if options.check:
        _list(changes, "out of date", "to be removed")
        return ExitCode.FAILED if changes else ExitCode.OK
    apply_changes(changes)
    _list(changes, "written", "removed")
    if changes:
        _tell_next(changes)
    return ExitCode.OK


def _show(changes: "Changes") -> None:
    for path, text in changes.written.items():
        print(f"==> {path} <==\n{text}")
    for path in changes.removed:
        print(f"{path}: would be removed")


def _list(changes: "Changes", written: str, removed: str) -> None:
    for path in changes.written:
        print(f"{path}: {written}")
    for path in changes.removed:
        print(f"{path}: {removed}")


def _tell_next(changes: "Changes") -> None:
    """Print what makes systemd follow."""
    timers = [path.name for path in changes.written if path.suffix == ".timer"]
    gone = [path.name for path in changes.removed if path.suffix == ".timer"]
    print("next:")
    if gone:
        print(f"  systemctl disable --now {' '.join(gone)}")
    print("  systemctl daemon-reload")
    if timers:
        print(f"  systemctl enable --now {' '.join(timers)}")
