"""pp-collector-crontab: a crontab comes in, and goes out with the jobs of a file; as it was where anything fails."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from importer.cli.command import UsageFirstParser, run_command
from importer.errors import ConfigError, ExitCode, ImporterError

_DESCRIPTION = """\
Read a crontab from standard input, and print it with a block of lines that start pp-collector
for the jobs of a file, in place of the former block of the same id. Whatever fails, the crontab
is printed as it was."""
_EXAMPLE = "  crontab -l | pp-collector-crontab /opt/collector /opt/collector/config/cronjobs collector | crontab -"


class _Parser(UsageFirstParser):
    """Gives the crontab back before it ends for a wrong command line: the next in the pipe may be `crontab -`."""

    def error(self, message: str) -> NoReturn:
        """End the process with the usage and one line on standard error, and the crontab on standard output."""
        if not sys.stdin.isatty():
            _print(sys.stdin.buffer.read())
        super().error(message)


class _CrontabFailed(ImporterError):
    """The mistakes of a configuration, whose number for this command is 1."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = tuple(lines)
        super().__init__("; ".join(lines))

    @property
    def lines(self) -> tuple[str, ...]:
        return self._lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(build_parser(), _run, argv)


def build_parser() -> UsageFirstParser:
    """Return the parser of the command line."""
    parser = _Parser("pp-collector-crontab", _DESCRIPTION, example=_EXAMPLE)
    parser.add_argument("path_to_app", metavar="PATH_TO_APP", help="where venv, config and log are")
    parser.add_argument("path_to_jobs", metavar="PATH_TO_JOBS", help="the file of jobs")
    parser.add_argument("app_unique_id", metavar="APP_UNIQUE_ID", help="tells this block from those of others")
    return parser


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.collector.crontab import renewed_crontab  # on use: --help does without it

    crontab = sys.stdin.buffer.read()
    try:
        renewed = renewed_crontab(crontab, options.path_to_jobs, options.path_to_app, options.app_unique_id)
    except ConfigError as error:
        _print(crontab)
        raise _CrontabFailed(error.lines) from error
    except Exception:  # whatever it is: what reads us is `crontab -`, which nothing at all would empty
        _print(crontab)
        raise
    _print(renewed)
    return ExitCode.OK


def _print(crontab: bytes) -> None:
    sys.stdout.buffer.write(crontab)
    sys.stdout.buffer.flush()
