"""pp-collector: web analytics and uptime for a data-set API, and for the stores of today."""

import argparse
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from importer.cli.command import run_command, tell
from importer.collector.arguments import NAME, build_parser
from importer.errors import ConfigError, ExitCode, ImporterError

if TYPE_CHECKING:
    from importer.paths import DirectoryFinder

logger = logging.getLogger(__name__)

DISABLE_VARIABLE = "DISABLE_COLLECTORS"
LEVEL_VARIABLE = "LOGLEVEL"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(build_parser(), _run, argv)


def _run(options: argparse.Namespace) -> ExitCode:
    return interruptible(_collect, options)


def _collect(options: argparse.Namespace) -> ExitCode:
    from importer.collector.collection import CollectionFailed  # on use: --help need not wait for what it imports

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
        if is_disabled(query):
            return ExitCode.OK
        try:
            with _progress_shown(options):
                run_collector(query, options, finder)
        except ImporterError as error:
            for line in error.lines:
                logger.error("%s", line, exc_info=error.__cause__ or error)
            return ExitCode.FAILED
    return ExitCode.OK


def is_disabled(query: Any) -> bool:
    """Return whether the environment says that nothing is to be collected, and log what is not."""
    if os.environ.get(DISABLE_VARIABLE) != "true":
        return False
    logger.info("Collector %s NOT run with the following %s", query.entrypoint, dict(query.query))
    return True


def shows_progress(options: argparse.Namespace) -> bool:
    """Return whether there is to be progress on a terminal: unless it shows the log, or what would be sent."""
    return not (options.console_logging or options.dry_run)


@contextmanager
def _progress_shown(options: argparse.Namespace) -> Iterator[None]:
    """Count the vendor's answers on a terminal while the block lasts."""
    from importer.cli.progress import Progress  # on use, as above
    from importer.collector.vendor import counting_answers

    with Progress(NAME, is_wanted=shows_progress(options)) as progress, counting_answers(progress):
        yield


@contextmanager
def logged(name: str, options: argparse.Namespace, fields: Mapping[str, str] = {}) -> "Iterator[DirectoryFinder]":
    """Log as the options say while the block lasts; gives the directories."""
    from importer.collector import log_files  # on use, as above
    from importer.paths import DirectoryFinder, service_places

    finder = DirectoryFinder(NAME, service_places())
    directory, problem = None, ""
    if not options.console_logging:
        try:
            directory = finder.log()
        except ConfigError as error:  # the console will do
            problem = str(error)
    log_files.set_up(
        name,
        directory=directory,
        level=os.environ.get(LEVEL_VARIABLE, "INFO"),
        fields=fields,
        shows_all=options.dry_run,
    )
    if problem:
        logger.warning("no log files: %s", problem)
    try:
        yield finder
    except Interrupted as ending:
        logger.error("%s", ending)
        ending.is_told = True
        raise
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


class Interrupted(BaseException):
    """A signal ended the run: no collector's `except Exception` holds it up."""

    is_told = False
    """Whether the log, which is on the terminal too, has it."""


def interruptible(command: Callable[[argparse.Namespace], ExitCode], options: argparse.Namespace) -> ExitCode:
    """Run a command that SIGTERM and SIGINT end with exit status 1: what was committed by then is kept."""

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        raise Interrupted(f"ended by {signal.Signals(number).name}; what was kept is sent by the next run")

    former = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return command(options)
    except Interrupted as ending:
        if not ending.is_told:
            tell(options.parser.prog, str(ending))
        return ExitCode.FAILED
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
