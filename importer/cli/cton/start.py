"""What `cton` does, once its command line is understood."""

import argparse
import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from functools import partial

from importer.cli.cton.main import NAME
from importer.descriptors import raise_limit
from importer.errors import ExitCode
from importer.exporter import log_format
from importer.exporter.base import Service
from importer.exporter.config import Configuration, read_configuration
from importer.exporter.engine import Engine
from importer.exporter.loading import load_service
from importer.exporter.once import print_once
from importer.exporter.push import Push
from importer.exporter.service_settings import ServiceSettings
from importer.exporter.user_class.loading import extend_search_path
from importer.outbox import Outbox
from importer.paths import DirectoryFinder, Kind, service_places
from importer.self_metrics.figures import Command
from importer.self_metrics.publisher import SelfMetrics
from importer.service import Notifier, Signals

logger = logging.getLogger(__name__)

PROJECT = "collectington"


def start(options: argparse.Namespace) -> ExitCode:
    """Show services until asked to stop, or print them once, as the options say; raises ImporterError."""
    raise_limit()
    log_format.attach()
    if sys.stdout.isatty() and not options.once:
        _greet()
    finder = DirectoryFinder(PROJECT, service_places())
    read = partial(_read, options, finder)
    told = partial(_self_metrics, finder)
    with Signals() as signals, Push(lambda: _open_outbox(finder), stop=signals.stop, self_metrics=told) as push:
        configuration = read()
        extend_search_path(options.config)
        load = partial(load_service, stop=signals.stop)
        if options.once:
            return _print_once(configuration, load, push, signals.stop)
        Engine(read, load, signals, push=push, notifier=Notifier()).run(configuration)
    return ExitCode.OK


def _greet() -> None:
    from importer.exporter.banner import print_ascii  # on use: mostly nobody looks

    print_ascii()


def _read(options: argparse.Namespace, finder: DirectoryFinder) -> Configuration:
    """Read the file, log as it says from now on, and tell what it warns of."""
    logger.info("Reading config from %s", options.config)
    names = None if options.all else options.service
    configuration = read_configuration(options.config, names, state=finder.state, is_shown=not options.once)
    log_format.set_level(configuration.log_level)
    for warning in configuration.warnings:
        logger.warning("%s", warning)
    return configuration


def _open_outbox(finder: DirectoryFinder) -> Outbox:
    path = finder.state() / f"{NAME}.outbox"
    for warning in finder.warnings:
        logger.warning("%s", warning)
    return Outbox(path)


def _self_metrics(finder: DirectoryFinder) -> SelfMetrics:
    return SelfMetrics(Command(PROJECT, NAME), finder.existing(Kind.CONFIG))


def _print_once(
    configuration: Configuration, load: Callable[[ServiceSettings], Service], push: Push, stop: threading.Event
) -> ExitCode:
    """Poll once; what users' classes print goes to standard error, and is no exposition."""
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        return print_once(configuration, load, push, stop=stop, out=out)
