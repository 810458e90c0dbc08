"""What the command line of `metrics-importer replay` says: which time, which store, which destinations."""

import argparse
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.projects import REPLAY, chosen_projects, find_state
from importer.errors import ConfigError, ImporterError, Problem, UsageError

if TYPE_CHECKING:
    from importer.sinks.base import PointSink

_INLINE = Path("--destination")
"""What stands for a file in messages about a description on the command line."""
_WITHOUT_HISTORY = ("prometheus",)
"""Families of destinations that show the newest value of a series, and no other."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the store is, and where the outbox."""

    database: Path
    state: Path

    @property
    def outbox(self) -> Path:
        """The file of the outbox."""
        return self.state / f"{REPLAY}.outbox"


def start_time(text: str) -> float:
    """Return the first time that is meant, in seconds since 1970 UTC; raises argparse.ArgumentTypeError."""
    return _moment(text).timestamp()


def end_time(text: str) -> float:
    """Return the first time that is not meant, in the same way; a day is meant whole."""
    return (_moment(text) + timedelta(days=1 if _is_day(text) else 0)).timestamp()


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        moment = found if found.tzinfo else found.replace(tzinfo=UTC)
        in_range = 1970 <= moment.astimezone(UTC).year < 2106
    except (ValueError, OverflowError):
        in_range = False
    if not in_range:
        raise argparse.ArgumentTypeError(
            f"{text!r:.40} is no time of 1970 to 2105 such as 2026-01-31 or 2026-01-31T06:30"
        )
    return moment


def _is_day(text: str) -> bool:
    """Whether a text says no time of the day."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def whole_seconds(text: str) -> int:
    """Return a number of seconds; raises argparse.ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number of seconds")
    return int(text)


def find_places(options: argparse.Namespace) -> Places:
    """Return where store and outbox are; raises ImporterError where there is no store, or more than one."""
    from importer.sinks.sqlite import DEFAULT_FILE

    found = find_state(chosen_projects(options.project))
    directories = found.directories
    if options.database is not None:
        database = options.database.resolve()
        own = [directory for directory in directories if directory.resolve() == database.parent]
        state = own[0] if own else chosen_projects(options.project)[0].finder().state()
        return Places(database, state)
    stores = [directory for directory in directories if (directory / DEFAULT_FILE).exists()]
    if not stores:
        for warning in found.warnings:  # of a directory that this user may not write to, above all
            print(f"metrics-importer: warning: {warning}", file=sys.stderr)
        places = ", ".join(str(directory / DEFAULT_FILE) for directory in directories) or "no state directory exists"
        raise ImporterError(f"there is no embedded store ({places}); name another with --database")
    if len(stores) > 1:
        raise UsageError(f"there is a store in each of {', '.join(map(str, stores))}: choose one with -p or --database")
    return Places((stores[0] / DEFAULT_FILE).resolve(), stores[0])


def find_sinks(options: argparse.Namespace, places: Places) -> "list[PointSink]":
    """Return the destinations, without the store itself; raises ImporterError where none is left."""
    text = options.destination or ""
    if text.lstrip()[:1] in ("{", "["):
        found = _described(text, places)
    else:
        from importer.destinations import load_destinations

        found = load_destinations(options.config or Path(text), state=places.state)
    others = [sink for sink in found if not _is_store(sink, places.database)]
    if not others:
        raise UsageError(f"the only destination is {places.database} itself")
    sinks = [sink for sink in others if sink.family not in _WITHOUT_HISTORY]
    left_out = [
        f"{sink.lane} has the newest values alone, none are replayed to it" for sink in others if sink not in sinks
    ]
    if not sinks:
        raise UsageError("; ".join(left_out))
    for what in left_out:
        print(f"metrics-importer: warning: {what}", file=sys.stderr)
    return sinks


def _described(text: str, places: Places) -> "list[PointSink]":
    """Return what a JSON text on the command line describes; raises UsageError with all that is wrong with it."""
    from importer.cli.metrics_importer.asked_keys import destination_keys, secrets_in
    from importer.destinations import read_destinations

    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{_INLINE}: is neither the name of a file nor JSON") from error
    for description in content if isinstance(content, list) else [content]:
        for name in secrets_in(destination_keys(_INLINE, description, state=places.state)):
            raise UsageError(f"{_INLINE}: {name}: everybody can see a command line; give {name}_file, or a file")
    problems: list[Problem] = []
    sinks = read_destinations(_INLINE, content, problems, state=places.state)
    if problems:
        raise UsageError(str(ConfigError(problems)))
    return sinks


def _is_store(sink: "PointSink", database: Path) -> bool:
    """Whether a destination is the store itself, by whatever path."""
    if sink.family != "sqlite":
        return False
    path = Path(sink.lane.partition("://")[2])
    with suppress(OSError):
        return path.samefile(database)
    return path.resolve() == database
