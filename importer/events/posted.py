"""From the body of a POST to events as they are kept, in both generations of the API.

A JSON object is one event of the 1.0 API, a JSON array is points of the 1.1 API: specification of stats-service,
2.3 and 2.5.
"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from importer.errors import ImporterError, one_line
from importer.events.event import Value, event_content, point_content
from importer.events.event_time import parse_time
from importer.events.flatten import flatten

Json = Mapping[str, object]

_SCALARS = frozenset({str, int, float, bool})


class BadPost(ImporterError):
    """A body that is neither an event nor a list of points; the text is for the client."""

    def __init__(self, reason: str) -> None:
        self.reason = one_line(reason)
        super().__init__(self.reason)


@dataclass(slots=True)
class Draft:
    """An event before it is accepted, which gives it its time."""

    content: bytes
    """What its line holds besides the time; see `importer.events.event`."""
    name: str
    """What kind of event it is: its `event`, or the measurement of a point. For lists and counts."""
    uid: str
    key: str | None = None
    """By what it is looked up: its id as `key_of` makes it; None for a point."""
    time: int | None = None
    """The time that it brings along, in nanoseconds since 1970 UTC."""
    may_repeat: bool = False
    """Whether the client chose the id, and so may send the event again."""
    series: str = ""
    """What tells a point's tags from those of another one."""
    own_now: bool = True
    """Whether the client said `now`; if not, a repeat has another one."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What a request brought."""

    drafts: Sequence[Draft]
    answer: bytes
    """The JSON text to answer with once all of them are safe."""


def parse_post(body: bytes | bytearray, *, clock: Callable[[], float] = time.time) -> Posted:
    """Return what a body holds. Raises BadPost if anything of it is not as it should be."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadPost(f"the body is not JSON: {error}") from error
    if isinstance(content, dict):
        return _event(content, clock)
    if isinstance(content, list):
        return Posted(_set_apart([_point(point, index) for index, point in enumerate(content)]), b'"OK"')
    raise BadPost("the body is neither an event (a JSON object) nor points (a JSON array)")


def key_of(event_id: str) -> str:
    """Return what an id is compared by: white space around it and case make no difference.

    >>> key_of(" Entry_1F ")
    'entry_1f'
    """
    return event_id.strip().lower()


def new_event_id(clock: Callable[[], float] = time.time) -> str:
    """Return a new id: `entry_` and the 32 digits of a UUID, version 4.

    The first 48 bits are the milliseconds of now, the rest is random: with ids that rise, the index of millions of
    events is written at its end alone. They are no secret: to ask for an event takes a token.
    """
    bits = int(clock() * 1000) << 80 | random.getrandbits(80)
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | 0x4 << 76 | 0x2 << 62
    return f"entry_{bits:032x}"


def _event(posted: Json, clock: Callable[[], float]) -> Posted:
    fields = _flat(posted, "event")
    for name in ("uid", "event"):
        if name not in fields:
            raise BadPost(f"the event has no {name}")
    own_time = _take_time(fields)
    own_id = str(fields.get("event_id", "")).strip()
    event_id = fields["event_id"] = own_id or new_event_id(clock)
    own_now = "now" in fields
    fields.setdefault("now", clock())
    draft = Draft(
        event_content(orjson.dumps(fields)),
        name=str(fields["event"]),
        uid=str(fields["uid"]),
        key=key_of(event_id),
        time=own_time,
        may_repeat=bool(own_id),
        own_now=own_now,
    )
    return Posted([draft], orjson.dumps(event_id))


def _take_time(fields: dict[str, Value]) -> int | None:
    """Return the time that the field of this name tells, and take it away; another value gets another name."""
    if "time" not in fields:
        return None
    own_time = parse_time(fields["time"])
    if own_time is None:
        fields[_free_name("time_", fields)] = fields["time"]
    del fields["time"]
    return own_time


def _point(posted: object, index: int) -> Draft:
    where = f"point {index + 1} (index {index})"
    if not isinstance(posted, dict):
        raise BadPost(f"{where} is not an object")
    measurement = posted.get("measurement")
    if not isinstance(measurement, str) or not measurement.strip():
        raise BadPost(f"{where} has no measurement")
    tags = _members(posted.get("tags"), f"the tags of {where}")
    fields = _members(posted.get("fields"), f"the fields of {where}")
    if not fields:
        raise BadPost(f"{where} has no fields")
    own_time = parse_time(posted.get("time"))
    if own_time is None and posted.get("time") is not None:
        raise BadPost(f"the time of {where} is neither RFC 3339 nor a number of seconds, ms, us or ns since 1970")
    texts = {name: str(value) for name, value in tags.items() if value != ""}
    content = point_content(measurement, texts, fields)
    series = repr(sorted(texts.items())) if own_time is not None else ""
    return Draft(content, name=measurement, uid=texts.get("uid", ""), time=own_time, series=series)


def _set_apart(points: list[Draft]) -> list[Draft]:
    """Give points of one request that bring the same time different ones, if they would overwrite one another."""
    taken: set[tuple[str, str, int]] = set()
    for point in points:
        if point.time is not None:
            while (point.name, point.series, point.time) in taken:
                point.time += 1
            taken.add((point.name, point.series, point.time))
    return points


def _members(posted: object, what: str) -> dict[str, Value]:
    """Return tags or fields made flat; InfluxDB has no tag or field with the name `time`."""
    if posted is None:
        return {}
    if not isinstance(posted, dict):
        raise BadPost(f"{what} are not an object")
    members = _flat(posted, what)
    if "time" in members:
        members[_free_name("time_", members)] = members.pop("time")
    return members


def _flat(posted: Json, what: str) -> dict[str, Value]:
    """Return the members without null, nested objects flat, lists as their JSON text."""
    if "" not in posted and _SCALARS.issuperset(map(type, posted.values())):  # as most are
        return cast("dict[str, Value]", posted)
    members: Mapping[str, object] = posted
    if any(isinstance(value, dict) for value in posted.values()):
        try:
            members = flatten(posted)
        except ValueError as error:
            raise BadPost(f"{what}: {error}") from error
    if "" in posted or "" in members:
        raise BadPost(f"{what}: a name is empty")
    return {name: _scalar(value) for name, value in members.items() if value is not None}


def _scalar(value: object) -> Value:
    if isinstance(value, list):
        try:
            return json.dumps(value, ensure_ascii=False)
        except RecursionError as error:
            raise BadPost("a list is nested too deep") from error
    return cast(Value, value)


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    while name in taken:
        name += "_"
    return name
