"""One event of several points: what takes an earlier event's place does not overwrite it where its tags or time differ.

The one that was posted last is the event. Its `now` is the greatest, as the service adds it to those without.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import TypeVar

Row = TypeVar("Row", bound=Mapping[str, object])

_NOW = ("now", "now_float", "now_integer")
"""Also where a field of another type has had the name first: see `importer.events.influxdb.types`."""


def last_posted(rows: Sequence[Row]) -> Row:
    """Return that of the greatest `now`, the last of several; there has to be one."""
    return max(reversed(rows), key=_posted)


def without_replaced(events: Iterable[Row]) -> list[Row]:
    """Return events, newest first, without those that another one of their id has taken the place of."""
    newest: dict[object, Row] = {}
    for event in events:
        name = event.get("event_id")
        key = id(event) if name is None else str(name).lower()
        if key not in newest or _posted(event) > _posted(newest[key]):
            newest.pop(key, None)  # so that they are in the order of those that stay
            newest[key] = event
    return list(newest.values())


def _posted(row: Mapping[str, object]) -> float:
    return max(_number(row.get(name)) for name in _NOW)


def _number(value: object) -> float:
    """Return a number, also from its text, and the least of all for what is none."""
    try:
        return -inf if value is None else float(value)  # type: ignore[arg-type]  # that is what is tried
    except (TypeError, ValueError):
        return -inf
