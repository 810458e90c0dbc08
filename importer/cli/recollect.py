"""recollect: fills data sets for the past, query by query and period by period; goes on where it was ended."""

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from importer.cli.command import Parser, UsageFirstParser, run_command
from importer.collector.arguments import add_files, load_json_file, parse_date
from importer.errors import ExitCode, ImporterError

if TYPE_CHECKING:
    from importer.collector.recollection import Recollection

logger = logging.getLogger(__name__)

NAME = "recollect"
_DESCRIPTION = """\
Collect the past of many queries, period by period. Whatever ends it, the same command goes on
behind the last period that was kept: nothing is lost, and no period is asked for twice."""
_EXAMPLE = """\
  recollect -c ga.json -t token.json -b performanceplatform.json queries/*.json
  recollect -c ga.json -t token.json -b pp.json -s 2023-11-01 -e 2026-10-31 visits.json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(build_parser(), _run, argv)


def build_parser() -> Parser:
    """Return the parser of the command line."""
    parser = UsageFirstParser(NAME, _DESCRIPTION, example=_EXAMPLE)
    add_files(parser)
    parser.add_argument("queries", type=load_json_file, nargs="+", metavar="QUERY", help="query files of pp-collector")
    parser.add_argument("-s", "--start", dest="start_at", type=parse_date, metavar="DATE", help="default: 186 days ago")
    parser.add_argument("-e", "--end", dest="end_at", type=parse_date, metavar="DATE", help="default: yesterday")
    parser.add_argument("--empty", action="store_true", help="empty each data set before its first period")
    parser.add_argument("--console-logging", action="store_true", help="log to standard error, not to files")
    parser.set_defaults(dry_run=False)
    return parser


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.cli.pp_collector import (
        Interrupted,
        logged,
    )  # on use: what these import need not be waited for by --help
    from importer.cli.progress import Progress
    from importer.collector.run import CollectionFailed

    try:
        recollections = _recollections(options)
    except ImporterError as error:
        raise CollectionFailed(error.lines) from error  # 78 is not a number of these commands
    with logged(NAME, options) as finder, Progress(NAME) as progress:
        failed = False
        for recollection in recollections:
            try:
                records = recollection.run(options, finder, empties=options.empty, progress=progress)
            except ImporterError as error:
                failed = True
                for line in error.lines:
                    logger.error("%s: %s", recollection.query.source, line)
                if isinstance(error, Interrupted):
                    break
            else:
                spans = len(recollection.spans)
                print(f"{recollection.query.source}: {spans} periods, {records} records in this run", flush=True)
    return ExitCode.FAILED if failed else ExitCode.OK


def _recollections(options: argparse.Namespace) -> "list[Recollection]":
    from importer.collector.periods import a_day_ago  # on use, as above
    from importer.collector.recollection import Recollection, range_of
    from importer.collector.run import CollectionFailed, Query

    first, last, key = range_of(options.start_at, options.end_at, yesterday=a_day_ago())
    try:
        return [Recollection(Query.from_content(query), first, last, key=key) for query in options.queries]
    except ValueError as error:
        raise CollectionFailed([str(error)]) from error
