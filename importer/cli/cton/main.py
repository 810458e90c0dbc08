"""cton: any API's figures, by a class of the user's own or by configuration alone, shown to Prometheus."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from importer.cli.command import Parser, UsageFirstParser, run_command
from importer.errors import ExitCode

NAME = "cton"
_DESCRIPTION = """\
Ask an API every so many seconds, and show what its answers become to Prometheus: what a class
of your own makes of them, or what the configuration picks out. Runs until SIGTERM or SIGINT;
SIGHUP reads the configuration again."""
_EXAMPLE = """\
  cton -s shop -c /etc/collectington/config.json
  cton -s shop -s stock -c config.json
  cton --all -c config.json
  cton -s shop -c config.json --once"""
_USAGE = "cton (-s SERVICE [-s SERVICE ...] | --all) -c CONFIG [--once]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(build_parser(), _run, argv)


def build_parser() -> Parser:
    """Return the parser of the command line."""
    parser = UsageFirstParser(NAME, _DESCRIPTION, example=_EXAMPLE)
    parser.usage = _USAGE
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "-s", "--service", action="append", metavar="NAME", help="a service of the configuration; may be repeated"
    )
    which.add_argument("--all", action="store_true", help="every service of the configuration")
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="CONFIG", help="the configuration file")
    parser.add_argument("--once", action="store_true", help="poll once, print what Prometheus would be shown, and end")
    return parser


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.cli.cton.start import start  # on use: what it imports need not be waited for by --help

    return start(options)
