"""metrics-importer: check the configuration, see and mend what the other commands keep, and try all of it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

from importer.cli.command import Parser, run_command
from importer.cli.metrics_importer import check, dashboard, metrics, outbox, replay, show, status
from importer.cli.metrics_importer.demo import main as demo
from importer.cli.metrics_importer.init import main as init
from importer.errors import ExitCode

_DESCRIPTION = "Check, watch and mend the commands that import metrics, and try them on made-up data."
_EXAMPLE = """\
  metrics-importer demo
  metrics-importer check --online
  metrics-importer status"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run metrics-importer with argv (None: the process's arguments); return its exit code."""
    parser = Parser("metrics-importer", _DESCRIPTION, example=_EXAMPLE)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (init, check, status, outbox, show, metrics, dashboard, replay, demo):
        module.add_command(commands)
    return run_command(parser, _run, argv)


def _run(options: argparse.Namespace) -> ExitCode:
    from importer import logs

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names are in any script, terminals are not
    logs.setup("metrics-importer", directory=None, quiet=True)
    run: Callable[[argparse.Namespace], ExitCode] = options.run
    return run(options)
