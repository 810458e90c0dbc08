"""What `leexportpy start` does, once its command line is understood."""

import argparse
import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from importer import logs
from importer.cli.command import tell
from importer.cli.leexport.main import NAME, pid_path
from importer.cli.progress import Progress
from importer.daemon import run_in_background
from importer.descriptors import raise_limit
from importer.errors import ConfigError, ExitCode
from importer.http_client import HttpClients
from importer.leexport.config import Configuration, ConfigurationReader
from importer.leexport.engine import Engine
from importer.leexport.once import dry_run, run_once
from importer.leexport.plugin_output import output_to_log
from importer.outbox import Outbox
from importer.paths import DirectoryFinder, Kind, leexport_places
from importer.pid_file import AlreadyRunning
from importer.self_metrics.figures import Command
from importer.self_metrics.publisher import SelfMetrics
from importer.service import Notifier, Signals
from importer.sinks.push_client import push_client

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s - %(levelname)s - %(name)s - %(threadName)s - %(message)s"
_LOGGERS = ("", "importer", "leexportpy")
"""Users' services log by names of their own."""


def start(options: argparse.Namespace) -> ExitCode:
    """Run the searches of a file as the options say; raises ImporterError."""
    raise_limit()
    finder = DirectoryFinder(NAME, leexport_places())
    if options.daemonize:
        return _start_daemon(options.config_file.absolute(), finder, debug=options.debug)
    logs.setup(
        NAME,
        directory=None,
        quiet=not options.debug,
        console=sys.stdout,
        console_level=logging.DEBUG if options.debug else logging.INFO,
        console_format=LOG_FORMAT,
        loggers=_LOGGERS,
    )
    _log_complaints()
    terminal = sys.stderr  # as it is before what is printed goes to the log
    with output_to_log():
        if options.once or options.dry_run:
            return _run_once(options, finder, terminal)
        print("Trying to run the app...")
        print("Running in foreground, CTRL+C to exit the process.", flush=True)
        return _serve(_reader(options.config_file, finder), finder, ready=lambda: None)


def _start_daemon(path: Path, finder: DirectoryFinder, *, debug: bool) -> ExitCode:
    reader = _reader(path, finder)  # here, where relative paths mean what the user means
    pid_file = pid_path(finder.run())
    log_directory = finder.log()
    log_file = log_directory / f"{NAME}.log"
    with contextlib.suppress(BrokenPipeError):  # as in `leexportpy start -d | true`: it starts all the same
        print("Trying to run the app...")
        print(f"Trying to run in daemonized mode. Check log file for further insight: {log_file}", flush=True)

    def serve(ready: Callable[[], None]) -> int:
        logs.setup(NAME, directory=log_directory, quiet=not debug, file_format=LOG_FORMAT, loggers=_LOGGERS)
        _log_complaints()
        with output_to_log():
            return _serve(reader, finder, ready=ready)

    try:
        code = run_in_background(serve, pid_file=pid_file)
    except AlreadyRunning:
        print(f"Tried to run the app but an existing pid file found. {pid_file}")
        return ExitCode.FAILED
    return exit_code_of(code)


def exit_code_of(number: int) -> ExitCode:
    """Return the exit code of a process that ended with a number, which whatever it imports may have chosen."""
    return ExitCode(number) if number in set(ExitCode) else ExitCode.FAILED


def _log_complaints() -> None:
    """Let the log have what Python says of users' services on standard error: warnings, and ends of their threads."""
    logging.captureWarnings(True)
    threading.excepthook = lambda thread: _log_unheard(thread.exc_value)
    sys.unraisablehook = lambda unraisable: _log_unheard(unraisable.exc_value)


def _log_unheard(error: BaseException | None) -> None:
    logger.error("nobody has caught: %s: %s", type(error).__name__, error, exc_info=error)


def _serve(reader: ConfigurationReader, finder: DirectoryFinder, *, ready: Callable[[], None]) -> ExitCode:
    """Run the searches until asked to stop; `ready` is called when the configuration was found to be of use."""
    with Signals() as signals:
        configuration = _read(reader, finder)
        if not configuration.searches:
            raise ConfigError(configuration.problems)
        _tell_problems(configuration)
        with Outbox(finder.state() / f"{NAME}.outbox") as outbox:
            told = _self_metrics(finder)
            ready()
            Engine(reader, configuration, outbox, signals, notifier=Notifier(), self_metrics=told).run()
    return ExitCode.OK


def _run_once(options: argparse.Namespace, finder: DirectoryFinder, terminal: TextIO) -> ExitCode:
    with Signals() as signals:
        configuration = _read(_reader(options.config_file, finder), finder)
        _tell_problems(configuration)
        if options.dry_run:
            failures = dry_run(configuration, stop=signals.stop, out=sys.stdout)
        else:
            shown = Progress(NAME, unit="searches", total=len(configuration.searches), out=terminal)
            with Outbox(finder.state() / f"{NAME}.outbox") as outbox, shown as progress:
                failures = run_once(
                    configuration, outbox, stop=signals.stop, progress=progress, self_metrics=_self_metrics(finder)
                )
    for failure in failures:
        tell(NAME, failure)
    codes = [ExitCode.FAILED] if failures else []
    codes += [ExitCode.CONFIG] if configuration.problems else []
    return max(codes, default=ExitCode.OK)


def _reader(path: Path, finder: DirectoryFinder) -> ConfigurationReader:
    return ConfigurationReader(path, state=finder.state(), clients=HttpClients(push_client))


def _self_metrics(finder: DirectoryFinder) -> SelfMetrics:
    return SelfMetrics(Command(NAME, NAME), finder.existing(Kind.CONFIG))


def _read(reader: ConfigurationReader, finder: DirectoryFinder) -> Configuration:
    for warning in finder.warnings:
        logger.warning("%s", warning)
    return reader.read()


def _tell_problems(configuration: Configuration) -> None:
    if configuration.problems:
        tell(NAME, ConfigError(configuration.problems))
