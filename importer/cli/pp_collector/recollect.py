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
    from importer.paths import DirectoryFinder

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
    parser.add_argument("--empty", action="store_true", help="empty each data set before its first records")
    parser.add_argument("--console-logging", action="store_true", help="log to standard error, not to files")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, show what would be written")
    return parser


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.cli.pp_collector.main import interruptible  # on use: --help need not wait for what it imports

    return interruptible(_recollect, options)


def _recollect(options: argparse.Namespace) -> ExitCode:
    from importer.cli.pp_collector.main import is_disabled, logged  # on use, as above
    from importer.collector.collection import CollectionFailed

    try:
        recollections = _recollections(options)
    except ImporterError as error:
        raise CollectionFailed(error.lines) from error  # 78 is not a number of these commands
    with logged(NAME, options) as finder:
        succeeded = [
            _is_collected(recollection, options, finder)
            for recollection in recollections
            if not is_disabled(recollection.query)
        ]
    return ExitCode.OK if all(succeeded) else ExitCode.FAILED


def _is_collected(recollection: "Recollection", options: argparse.Namespace, finder: "DirectoryFinder") -> bool:
    """Collect one query; what goes wrong is told, and costs the others nothing."""
    from importer.cli.pp_collector.main import shows_progress  # on use, as above
    from importer.cli.progress import Progress

    source = recollection.query.source
    try:
        with Progress(NAME, unit="periods", is_wanted=shows_progress(options)) as progress:
            records = recollection.run(options, finder, reached=progress.reach)
    except ImporterError as error:
        for line in error.lines:
            logger.error("%s: %s", source, line, exc_info=error.__cause__ or error)
        return False
    print(f"{source}: {len(recollection.spans)} periods, {records} records in this run", flush=True)
    return True


def _recollections(options: argparse.Namespace) -> "list[Recollection]":
    from importer.collector.periods import a_day_ago  # on use, as above
    from importer.collector.recollection import Recollection, range_of
    from importer.collector.run import Query

    first, last, key = range_of(options.start_at, options.end_at, yesterday=a_day_ago())
    return [
        Recollection(Query.from_content(query), first, last, key=key, empties=options.empty)
        for query in options.queries
    ]
