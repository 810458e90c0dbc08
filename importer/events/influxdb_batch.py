"""The events of one request to InfluxDB, and what an answer says of how many of them it did not take."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from importer.events.event import EVENTS_FORMAT, Event
from importer.points import Payload
from importer.sinks.influxdb_api import LinesRefused

_DROPPED = re.compile(r" dropped=(\d+)\s*\Z")
_BEYOND_RETENTION = re.compile(
    r"points beyond retention policy dropped=(\d+)|dropped (\d+) points outside retention policy"
)
"""influxd 1.6.7, 2026-11-28; and 1.12 and 2.8, influxdata/influxdb #26257."""
_NOT_OLDEST = re.compile("Upper Bound|write window")
"""Who says this has dropped others than the oldest, too."""
_TAG_LIMIT = re.compile(
    r'max-values-per-tag limit exceeded \(\d+/\d+\): measurement="(.*)" tag="(.*)" value="', re.DOTALL
)


@dataclass(slots=True)
class Entry:
    """An event that is to be written."""

    event: Event
    line: bytes
    """As it was kept."""
    without: set[str] = field(default_factory=set)
    """The tags that it cannot have."""


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
