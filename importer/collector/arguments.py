"""The command line of pp-collector: its files are read, and must be JSON objects, before anything is done."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from importer.cli.command import Parser, UsageFirstParser
from importer.collector.content import PATH_KEY
from importer.errors import ConfigError
from importer.stores import load_json

NAME = "pp-collector"
_DESCRIPTION = """\
Collect from one vendor what a query file says, and write it to a data set or a store.
What could not be delivered is kept, and sent first by the next run for the same data set."""
_EXAMPLE = """\
  pp-collector -q query.json -c credentials.json -t token.json -b performanceplatform.json
  pp-collector -l tax-disc-monitoring -c pingdom.json -t token.json -b pp.json --console-logging
  pp-collector -q query.json -c ga.json -t token.json -b pp.json -s 2026-01-01 -e 2026-03-31"""


def parse_args(name: str = "", args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of a command line (None: the process's); ends the process with 2 where it is wrong."""
    return build_parser(name or NAME).parse_args(args)


def build_parser(name: str = NAME) -> Parser:
    """Return the parser of the command line."""
    parser = UsageFirstParser(name, _DESCRIPTION, example=_EXAMPLE)
    add_files(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("-q", "--query", type=load_json_file, metavar="FILE", help="what to collect, into what")
    which.add_argument(
        "-l", "--collector", dest="collector_slug", metavar="SLUG", help="take that from Stagecraft instead"
    )
    parser.add_argument("-s", "--start", dest="start_at", type=parse_date, metavar="DATE", help="collect from this day")
    parser.add_argument("-e", "--end", dest="end_at", type=parse_date, metavar="DATE", help="collect until this day")
    parser.add_argument("--console-logging", action="store_true", help="log to standard error, not to files")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, show what would be written")
    return parser


def add_files(parser: Parser) -> None:
    """Give a parser the options of the files that every collection needs."""
    options = (
        ("-c", "--credentials", "what the vendor wants to know"),
        ("-t", "--token", "the token of the data set"),
        ("-b", "--performanceplatform", "where data sets and other stores are"),
    )
    for short, long, text in options:
        parser.add_argument(short, long, type=load_json_file, required=True, metavar="FILE", help=text)


def load_json_file(path: str) -> dict[str, Any]:
    """Return the object in a file, and where it was found as `path_to_json_file`."""
    try:
        content = load_json(Path(path))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not isinstance(content, dict):
        raise argparse.ArgumentTypeError(f"{path}: is not an object")
    return {**content, PATH_KEY: path}


def parse_date(text: str) -> datetime:
    """Return the time that a text means, without a zone: of one that it names, as it is in UTC."""
    from dateutil import parser  # on use: mostly no date is given

    try:
        found: datetime = parser.parse(text)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date, such as 2026-01-31") from error
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


_load_json_file = load_json_file
