"""One collection: what the query says is asked of a vendor, kept in the outbox, and delivered before the run ends."""

import argparse
import contextlib
import importlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from importer.collector.content import PATH_KEY, query_file, reader_of
from importer.collector.dry_run import DryRunOutlet
from importer.collector.outlet import outlet_in_force
from importer.collector.platform import Platform, read_platform
from importer.collector.run_outlet import RunOutlet, configure
from importer.delivery import Delivery
from importer.errors import ExitCode, ImporterError, one_line
from importer.lane import LaneReport
from importer.outbox import Outbox, Run, Transaction
from importer.paths import DirectoryFinder

logger = logging.getLogger(__name__)

OUTBOX_NAME = "pp-collector.outbox"


class CollectionFailed(ImporterError):
    """A collection did not come to its end, or not everything of it was accepted; a line for each reason."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(map(one_line, reasons))
        super().__init__("; ".join(self.reasons))

    @property
    def lines(self) -> tuple[str, ...]:
        """The reasons, a line each."""
        return self.reasons


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


def run_collector(
    query: Query,
    files: argparse.Namespace,
    finder: DirectoryFinder,
    *,
    committing: Callable[[Transaction], None] = lambda _transaction: None,
) -> int:
    """Collect once, and return how many records that were; `files` is what the options -c, -t and -b were read to.

    Raises CollectionFailed unless everything was accepted, ConfigError for wrong contents, and what collectors raise.
    """
    state = finder.state()
    for warning in finder.warnings:
        logger.warning("%s", warning)
    platform = read_platform(files.performanceplatform, files.token, query.data_set, state=state)
    main = load_entrypoint(query.entrypoint)
    logger.info("Running collection into %s/%s", platform.data_group, platform.data_type)
    collect = partial(_call, main, query, files, platform)
    if files.dry_run:
        with outlet_in_force(DryRunOutlet(platform)):
            collect()
        return 0
    with Outbox(state / OUTBOX_NAME) as outbox:
        return _keep_and_deliver(collect, platform, outbox, committing)


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


def _keep_and_deliver(
    collect: Callable[[], None], platform: Platform, outbox: Outbox, committing: Callable[[Transaction], None]
) -> int:
    started = time.time()
    configure(outbox, platform.sinks)
    outlet = RunOutlet(outbox, platform.data_set, platform.stores, committing=committing)
    failures = [f"{outbox.path}: {outbox.damage}"] if outbox.damage else []
    with Delivery(outbox, platform.sinks, stop=threading.Event(), tries_again=False) as delivery:
        waiting = [state.lane for state in outbox.lanes() if state.payloads]
        kept_first = delivery.deliver_now([sink.lane for sink in platform.sinks if sink.lane in waiting])
        try:
            with outlet_in_force(outlet):
                collect()
        except Exception as error:
            failures += _failures(kept_first)
            _record(outbox, started, outlet.records, [*failures, str(error)])
            raise
        failures += _failures(delivery.deliver_now())
    _record(outbox, started, outlet.records, failures)
    if failures:
        raise CollectionFailed(failures)
    return outlet.records


def _call(main: Callable[..., object], query: Query, files: argparse.Namespace, platform: Platform) -> None:
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


def _failures(reports: Sequence[LaneReport]) -> list[str]:
    """Return why not everything was accepted, a line for each destination that has something to say."""
    failures = [f"not delivered, kept: {report.error}" for report in reports if report.error is not None]
    return failures + [
        f"{report.lane}: {report.rejected} requests set aside: {report.rejection}; see 'metrics-importer outbox list'"
        for report in reports
        if report.rejected
    ]


def _record(outbox: Outbox, started: float, points: int, failures: Sequence[str]) -> None:
    code = ExitCode.FAILED if failures else ExitCode.OK
    with contextlib.suppress(ImporterError):  # for the status alone: what counts is in the outbox or has been told
        outbox.record_run(Run(started, time.time(), code, points, None, failures[0] if failures else ""))
