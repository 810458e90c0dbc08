"""One collection: what the query says is asked of a vendor, kept in the outbox, and delivered before the run ends."""

import argparse
import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from importer.collector.arguments import NAME
from importer.collector.collection import CollectionFailed, Collections
from importer.collector.content import PATH_KEY, query_file, reader_of
from importer.collector.dry_run import DryRunOutlet
from importer.collector.outlet import outlet_in_force
from importer.collector.platform import Platform, read_platform
from importer.errors import ImporterError
from importer.outbox import Outbox
from importer.paths import DirectoryFinder, Kind
from importer.self_metrics.figures import Command
from importer.self_metrics.publisher import SelfMetrics

logger = logging.getLogger(__name__)

OUTBOX_NAME = "pp-collector.outbox"


@dataclass(frozen=True, slots=True)
class Query:
    """What a query file says, checked as far as every collector needs it."""

    entrypoint: str
    data_set: Mapping[str, Any]
    query: dict[str, Any]
    options: dict[str, Any]
    source: str
    """The file, for messages."""

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "Query":
        """Return the query of a file's content; raises ConfigError with every mistake."""
        keys = reader_of(content, "query")
        entrypoint = keys.text("entrypoint")
        if keys.value("data-set") is None:
            keys.problem("data-set", "is missing; an object with data-group and data-type is expected")
        place = keys.child("data-set")
        place.text("data-group")
        place.text("data-type")
        if keys.value("query") is None:
            keys.problem("query", "is missing; an object is expected")
        keys.child("query")
        keys.child("options")
        keys.finish(refuse_unknown=False)
        source = str(content.get(PATH_KEY, "query"))
        return cls(entrypoint, content["data-set"], content["query"], content.get("options") or {}, source)


def run_collector(query: Query, files: argparse.Namespace, finder: DirectoryFinder) -> int:
    """Collect once, and return how many records that were; `files` is what the options -c, -t and -b were read to.

    Raises CollectionFailed unless everything was accepted, ConfigError for wrong contents, and what collectors raise.
    """
    state = state_of(finder)
    platform = read_platform(files.performanceplatform, files.token, query.data_set, state=state)
    main = load_entrypoint(query.entrypoint)
    logger.info("Running collection into %s/%s", platform.data_group, platform.data_type)
    collect = partial(call_entrypoint, main, query, files, platform)
    if files.dry_run:
        with outlet_in_force(DryRunOutlet(platform)):
            collect()
        return 0
    told = SelfMetrics(Command(finder.project, NAME), finder.existing(Kind.CONFIG))
    with Outbox(state / OUTBOX_NAME) as outbox, Collections(platform, outbox, self_metrics=told) as collections:
        outcome = collections.collect(collect)
    if outcome.failures:
        raise CollectionFailed(outcome.failures)
    return outcome.records


def state_of(finder: DirectoryFinder) -> Path:
    """Return where the outbox lies; what is to be said about that is a warning in the log."""
    state = finder.state()
    for warning in finder.warnings:
        logger.warning("%s", warning)
    return state


def load_entrypoint(name: str) -> Callable[..., object]:
    """Return the `main` of a module; raises CollectionFailed where there is none, or the module fails by itself."""
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise CollectionFailed([f"entrypoint {name}: {type(error).__name__}: {error}"]) from error
    main = getattr(module, "main", None)
    if not callable(main):
        raise CollectionFailed([f"entrypoint {name}: the module has no main"])
    found: Callable[..., object] = main
    return found


def call_entrypoint(main: Callable[..., object], query: Query, files: argparse.Namespace, platform: Platform) -> None:
    """Call an entrypoint as it has always been called; whatever it raises that is none of ours is told in one line."""
    data_set = platform.config(dry_run=files.dry_run)
    try:
        with query_file(query.source):
            main(files.credentials, data_set, query.query, query.options, files.start_at, files.end_at)
    except ImporterError:
        raise
    except SystemExit as ending:
        if ending.code not in (None, 0):
            raise CollectionFailed([str(ending.code)]) from ending
    except Exception as error:
        reason = f"Unhandled exception: {query.entrypoint}: {type(error).__name__}: {error}"
        raise CollectionFailed([reason]) from error
