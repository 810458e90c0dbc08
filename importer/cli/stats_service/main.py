"""stats-service: takes in analytics events over HTTP, and brings them to a store."""

import argparse
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from importer.cli.command import Parser, run_command
from importer.errors import ExitCode

if TYPE_CHECKING:
    from importer.events.settings.settings import Settings

NAME = "stats-service"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_DESCRIPTION = """\
Take in analytics events over HTTP, and bring them to InfluxDB, to Kafka or into an embedded
database. An event that was answered with 200 is on the disk. Runs until SIGTERM or SIGINT;
SIGHUP reads the configuration again."""
_EXAMPLE = """\
  stats-service -c /etc/stats-service/stats-service.ini
  stats-service consume -c /etc/stats-service/stats-service.ini"""
_CONSUME = """\
Join the consumer group of a Kafka topic that stats-service fills, and write its events to
the InfluxDB of the same configuration file. Run as many as you need."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code.

    Until it is at work, SIGTERM and SIGINT end it with 0 and SIGHUP waits; afterwards none of them matters any more.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    for number in _STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        return _main(argv)
    finally:
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """End at once, which no step of a start minds; modules written in C crash where an exception meets their import."""
    os._exit(ExitCode.OK)


def _main(argv: Sequence[str] | None) -> int:
    parser = Parser(NAME, _DESCRIPTION, example=_EXAMPLE)
    _add_config(parser)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    consume = commands.add_parser(
        "consume", help="bring events from Kafka to InfluxDB", description=_CONSUME, example=_EXAMPLE.split("\n")[1]
    )
    _add_config(consume)
    consume.set_defaults(run=_consume)
    return run_command(parser, _run, argv)


def _add_config(parser: Parser) -> None:
    parser.add_argument(
        "-c", "--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="the configuration file (required)"
    )


def _run(options: argparse.Namespace) -> ExitCode:
    if "config" not in options:
        options.parser.error("the following arguments are required: -c/--config")
    code: ExitCode = options.run(options.config)
    return code


def _serve(path: Path) -> ExitCode:
    from importer.events.service.service import run_service  # on use: what it imports need not be waited for by --help

    return run_service(_settings(path))


def _consume(path: Path) -> ExitCode:
    from importer.events.service.consume import consume  # on use, as above

    return consume(_settings(path))


def _settings(path: Path) -> "Settings":
    """Return what the file says, and log as it says from now on."""
    from importer.events.settings.settings import configure_logging, log_warnings, read_settings  # on use, as above

    settings = read_settings(path.absolute())
    configure_logging(settings.path)
    log_warnings(settings)
    return settings
