"""The events of one request to InfluxDB, and what an answer says of how many of them it did not take."""

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from importer.events.event import EVENTS_FORMAT, Event, Value
from importer.events.influxdb.lines import Row
from importer.points import Payload
from importer.sinks.influxdb_api import LinesRefused

MAX_REMEMBERED = 10_000
"""Tags."""
MAX_RECENT = 20_000
"""Events: what four requests may hold."""

_DROPPED = re.compile(r" dropped=(\d+)\s*\Z")
_BEYOND_RETENTION = re.compile(
    r'\A[^"]*?(?:points beyond retention policy dropped=(\d+)|dropped (\d+) points outside retention policy)'
)
"""influxd 1.6.7, 2026-11-28; and 1.12 and 2.8, influxdata/influxdb #26257. What follows a quote was posted."""
_NOT_OLDEST = re.compile("Upper Bound|write window")
"""Who says this has dropped others than the oldest, too."""
_TAG_LIMIT = re.compile(
    r'\A[^"]*max-values-per-tag limit exceeded \(\d+/\d+\): measurement="(.*)" tag="(.*)" value="', re.DOTALL
)


@dataclass(slots=True)
class Entry:
    """An event that is to be written."""

    event: Event
    line: bytes
    """As it was kept."""
    without: set[str] = field(default_factory=set)
    """The tags that it cannot have."""
    sent: Row | None = None
    """What was last sent of it, with the tags that it has now."""
    changed: bool = False
    """Whether its fields were sent in several forms: one may be stored, though another is refused."""

    def note_sent(self, row: Row) -> None:
        """Remember what is sent."""
        self.changed = self.changed or (self.sent is not None and _typed(self.sent) != _typed(row))
        self.sent = row

    def drop_tag(self, tag: str) -> None:
        """Go without a tag from now on. Only for what cannot be stored: it would then be there twice."""
        self.without.add(tag)
        self.sent, self.changed = None, False


def _typed(row: Row) -> dict[str, tuple[type, Value]]:
    """Return the fields of a row, of which 1 and 1.0 are not the same."""
    return {name: (type(value), value) for name, value in row.fields.items()}


class TagMemory:
    """The tags of which InfluxDB takes no other value, and recent events: delivered again, these keep their tags."""

    def __init__(self) -> None:
        self._full: set[tuple[str, str]] = set()
        """(measurement, tag)."""
        self._undone: OrderedDict[bytes, Entry] = OrderedDict()
        """Those of deliveries that have not come to an end, by their lines."""
        self._done: OrderedDict[int, frozenset[str]] = OrderedDict()
        """The hash of the line of each event that is stored -> `Entry.without`."""

    def entry(self, event: Event, line: bytes, measurement: str) -> Entry:
        """Return the entry of an event: a new one goes without the tags at limit, another has those that it had."""
        if line not in self._undone:
            _make_room(self._undone)
            done = self._done.get(hash(line))
            without = self._at_limit(measurement) if done is None else set(done)
            self._undone[line] = Entry(event, line, without, changed=done is not None)
        return self._undone[line]

    def _at_limit(self, measurement: str) -> set[str]:
        return {tag for where, tag in self._full if where == measurement}

    def add(self, measurement: str, tag: str) -> None:
        """Remember a tag at its limit; when they are too many, all are forgotten."""
        if len(self._full) >= MAX_REMEMBERED:
            self._full.clear()
        self._full.add((measurement, tag))

    def done(self, entries: Iterable[Entry]) -> None:
        """Remember no more of these than their tags: they are delivered, and again only where that was not noted."""
        for entry in entries:
            self._undone.pop(entry.line, None)
            _make_room(self._done)
            self._done[hash(entry.line)] = frozenset(entry.without)


def _make_room(recent: OrderedDict[Any, Any]) -> None:
    if len(recent) >= MAX_RECENT:
        recent.popitem(last=False)


class Refused:
    """The lines of a payload that InfluxDB can never take."""

    def __init__(self) -> None:
        self._lines: dict[str, list[bytes]] = {}

    def add(self, line: bytes, reason: str) -> None:
        """Add a line."""
        self._lines.setdefault(reason, []).append(line)

    def add_all(self, entries: Iterable[Entry], reason: str) -> None:
        """Add the lines of entries."""
        for entry in entries:
            self.add(entry.line, reason)

    @property
    def parts(self) -> list[tuple[Payload, str]]:
        """Payloads of those that have one reason, with it."""
        return [
            (Payload(b"\n".join((*lines, b"")), len(lines), EVENTS_FORMAT), reason)
            for reason, lines in self._lines.items()
        ]


def beyond_retention(refusal: LinesRefused, entries: Sequence[Entry]) -> list[Entry] | None:
    """Return those that are too old to be stored, when the others are; None where that is not what was refused."""
    for complaint in refusal.complaints:
        match = _BEYOND_RETENTION.search(complaint.text)
        if match and not _NOT_OLDEST.search(complaint.text):
            count = int(match[1] or match[2])
            return sorted(entries, key=lambda entry: entry.event.time)[:count] if count else None
    return None


def lines_refused(refusal: LinesRefused) -> int | None:
    """Return how many lines an answer says it did not take; None where it does not say it."""
    for complaint in refusal.complaints:
        if match := _DROPPED.search(complaint.text):
            return int(match[1])
    return None


def tag_at_limit(refusal: LinesRefused) -> tuple[str, str] | None:
    """Return the (measurement, tag) of which InfluxDB takes no other value."""
    for complaint in refusal.complaints:
        if match := _TAG_LIMIT.search(complaint.text):
            return _unquoted(match[1]), _unquoted(match[2])
    return None


def _unquoted(text: str) -> str:
    """Return a name that Go has quoted; most escapes are those of JSON."""
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
