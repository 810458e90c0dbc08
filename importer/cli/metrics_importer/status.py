"""metrics-importer status: how each command's last run ended, what waits, and what needs a person."""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.projects import StateFiles, add_project_option, chosen_projects, find_state
from importer.errors import ExitCode

if TYPE_CHECKING:
    from importer.cli.command import SubCommands

_DESCRIPTION = """\
Show how each command's last run ended, how far its data is behind (LAG), what waits
to be delivered, and what needs a person. Times are UTC.

Exit code: 0 all is well, or nothing has run yet; 1 if a command's last run failed, its
outbox cannot be read or was damaged, a payload was rejected, or a directory could not
be looked into. Points that only wait for a store that is away are safe: that is 0."""
_EXAMPLE = """\
  metrics-importer status
  metrics-importer status --json | jq '.commands[] | {command, lag_seconds}'

--json prints {"time": ..., "healthy": true, "commands": [...]}; each command has project, command, outbox,
healthy, error, last_run {started, ended, exit_code, points, message}, last_success, newest_point, lag_seconds,
waiting {payloads, points, bytes, oldest, oldest_age_seconds}, rejects, damaged_files, and lanes, each with lane,
payloads, points, bytes, oldest, oldest_age_seconds, rejects, problem. Times are ISO 8601 UTC or null."""


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "status", help="how the last runs ended and what waits", description=_DESCRIPTION, example=_EXAMPLE
    )
    add_project_option(parser)
    parser.add_argument("--json", action="store_true", help="print an object for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, *, now: float | None = None) -> ExitCode:
    """Print the state of the commands; `now` is in seconds since 1970 UTC."""
    # Imported on use, like everything heavy: --help does without SQLite.
    from importer.cli.metrics_importer.command_status import read_status
    from importer.cli.metrics_importer.status_report import as_json, as_text

    moment = time.time() if now is None else now
    found = find_state(chosen_projects(options.project))
    for warning in found.warnings:
        print(f"metrics-importer: warning: {warning}", file=sys.stderr)
    statuses = [read_status(outbox) for outbox in found.outboxes]
    blind = not statuses and bool(found.warnings)
    healthy = not blind and all(status.healthy for status in statuses)
    if options.json:
        print(json.dumps(as_json(statuses, healthy=healthy, now=moment), indent=2))
    else:
        print(as_text(statuses, now=moment) if statuses else _nothing(found))
    return ExitCode.OK if healthy else ExitCode.FAILED


def _nothing(found: StateFiles) -> str:
    places = ", ".join(map(str, found.directories)) or "no state directory exists"
    return f"No command has run yet: there is no outbox ({places})."
