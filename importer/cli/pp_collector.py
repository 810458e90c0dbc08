"""pp-collector: web analytics and uptime for a data-set API, and for the stores of today."""

import argparse
import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from importer.cli.command import run_command
from importer.collector.arguments import NAME, build_parser
from importer.errors import ExitCode, ImporterError

if TYPE_CHECKING:
    from importer.paths import DirectoryFinder

logger = logging.getLogger(__name__)

DISABLE_VARIABLE = "DISABLE_COLLECTORS"
LEVEL_VARIABLE = "LOGLEVEL"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(build_parser(), _run, argv)


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.collector.run import CollectionFailed  # on use: what it imports need not be waited for by --help

    try:
        query = query_of(options)
    except ImporterError as error:
        raise CollectionFailed(error.lines) from error  # 78 is not a number of this command
    return run_logged(query, options)


def query_of(options: argparse.Namespace) -> Any:
    """Return the query of a file or, by its slug, of Stagecraft; raises ImporterError."""
    from importer.collector.collector_query import get_config  # on use, as above
    from importer.collector.run import Query

    if options.query is not None:
        return Query.from_content(options.query)
    return Query.from_content(get_config(options.collector_slug, options.performanceplatform))


def run_logged(query: Any, options: argparse.Namespace) -> ExitCode:
    """Collect by a query, and log as the options say."""
    from importer.collector.run import run_collector  # on use, as above

    with logged(query.entrypoint, options, log_fields(query)) as finder:
        if os.environ.get(DISABLE_VARIABLE) == "true":
            logger.info("Collector %s NOT run with the following %s", query.entrypoint, dict(query.query))
            return ExitCode.OK
        try:
            run_collector(query, options, finder)
        except ImporterError as error:
            for line in error.lines:
                logger.error("%s", line, exc_info=error.__cause__ or error)
            return ExitCode.FAILED
    return ExitCode.OK


@contextmanager
def logged(name: str, options: argparse.Namespace, fields: Mapping[str, str] = {}) -> "Iterator[DirectoryFinder]":
    """Log as the options say while the block lasts, and let signals end it with an error; gives the directories."""
    from importer.collector import log_files  # on use, as above
    from importer.paths import DirectoryFinder, service_places

    finder = DirectoryFinder(NAME, service_places())
    log_files.set_up(
        name,
        directory=None if options.console_logging else finder.log(),
        level=os.environ.get(LEVEL_VARIABLE, "INFO"),
        fields=fields,
        shows_all=options.dry_run,
    )
    try:
        with _interruptible():
            yield finder
    finally:
        log_files.close_down()


def log_fields(query: Any) -> Mapping[str, str]:
    """Return what every object of the log for machines has."""
    group, data_type = query.data_set["data-group"], query.data_set["data-type"]
    return {
        "data_group": group,
        "data_type": data_type,
        "data_group_data_type": f"{group}/{data_type}",
        "query": " ".join(sorted(f"{key}={value}" for key, value in query.query.items())),
        "path_to_query": query.source,
    }


class Interrupted(ImporterError):
    """A signal ended the run."""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the block with an error: what was committed is kept, and the exit status is 1."""

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        raise Interrupted(f"ended by {signal.Signals(number).name}; what was kept is sent by the next run")

    former = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
