"""leexportpy (= leexport): log-query statistics to Geckoboard, Hosted Graphite, Kafka and other stores."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from importer.cli.command import UsageFirstParser, run_command
from importer.errors import ExitCode

NAME = "leexportpy"
_DESCRIPTION = """\
Ask the log query API every so many seconds, and push what each answer becomes to a
dashboard or a store. What is asked, how often and for whom is in a configuration file."""
_EXAMPLE = """\
  leexportpy start -c /etc/leexportpy/config.ini
  leexportpy start -c /etc/leexportpy/config.ini --once
  leexportpy start -c /etc/leexportpy/config.ini -d
  leexportpy stop"""
_START = """\
Run every search at its period, until SIGTERM or SIGINT. SIGHUP reads the configuration
again, as does a change of the file."""


def pid_path(run_directory: Path) -> Path:
    """Return the pid file in a directory for such."""
    return run_directory / f"{NAME}.pid"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    parser = UsageFirstParser(NAME, _DESCRIPTION, example=_EXAMPLE)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    start = commands.add_parser(
        "start", help="run the searches of a file", description=_START, example="\n".join(_EXAMPLE.split("\n")[:3])
    )
    start.add_argument("-c", "--config-file", type=Path, required=True, metavar="FILE", help="the configuration file")
    how = start.add_mutually_exclusive_group()
    how.add_argument("-d", "--daemonize", action="store_true", help="run in the background")
    how.add_argument("--once", action="store_true", help="run every search once, push, then exit")
    how.add_argument("--dry-run", action="store_true", help="run every search once, print what would be pushed")
    start.set_defaults(run=_start)
    stop = commands.add_parser(
        "stop",
        help="stop what start -d has started",
        description="Stop what start -d has started.",
        example="  leexportpy stop",
    )
    stop.set_defaults(run=_stop)
    return run_command(parser, _run, argv)


def _run(options: argparse.Namespace) -> ExitCode:
    code: ExitCode = options.run(options)
    return code


def _start(options: argparse.Namespace) -> ExitCode:
    from importer.cli.leexport.start import start  # on use: what it imports need not be waited for by --help

    return start(options)


def _stop(options: argparse.Namespace) -> ExitCode:
    from importer.cli.leexport.stop import stop  # on use, as above

    return stop(options)
