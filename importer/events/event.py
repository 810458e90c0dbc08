"""One analytics event on its way to a store, and the JSON that it is in the outbox and in Kafka.

A line of a payload, or a message, is one of

    {"time": 1795307635738123456, "event": {"event": "shop.view", "uid": "s 1", "qty": 3, ...}}
    {"time": 1795307635738123456, "measurement": "voting", "tags": {"uid": "user-5"}, "fields": {"value": 1}}
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson

Value = str | int | float | bool
"""What a field may hold: text, a finite number, a truth value."""

EVENTS_FORMAT = "events"
"""The `Payload.format` of payloads whose lines are events."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was accepted: answered with 200, and not to be lost."""

    time: int
    """When it was accepted, or its own time; nanoseconds since 1970 UTC, unlike that of any other accepted event."""
    fields: Mapping[str, Value]
    """Flat, in the order in which they were posted; an event of the 1.0 API has `event_id`, `event`, `uid`, `now`."""
    measurement: str = ""
    """Empty for an event of the 1.0 API: each deliverer knows the measurement of these."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of a point of the 1.1 API."""

    @property
    def event_id(self) -> str:
        """Return the id by which it can be asked for; empty for a point of the 1.1 API."""
        return "" if self.measurement else str(self.fields.get("event_id", ""))


def event_line(time: int, content: bytes) -> bytes:
    """Return the line of an event, with its end; `content` is what `event_content` or `point_content` made."""
    return b'{"time":%d,%b}\n' % (time, content)


def event_content(fields: bytes) -> bytes:
    """Return what a line says of an event besides its time; fields is a JSON object."""
    return b'"event":%b' % fields


def point_content(measurement: str, tags: Mapping[str, str], fields: Mapping[str, Value]) -> bytes:
    """Return what a line says of a point besides its time."""
    return orjson.dumps({"measurement": measurement, "tags": tags, "fields": fields})[1:-1]


def read_event(line: bytes) -> Event:
    """Return the event of a line or message. Raises ValueError for what is none."""
    content = orjson.loads(line)
    if not isinstance(content, dict) or type(content.get("time")) is not int:
        raise ValueError("is no event: a JSON object with a time is expected")
    if "event" in content:
        return Event(content["time"], _object(content["event"]))
    measurement = content.get("measurement")
    if not isinstance(measurement, str) or not measurement:
        raise ValueError("is no event: it has neither event nor measurement")
    tags = {name: str(value) for name, value in _object(content.get("tags", {})).items()}
    return Event(content["time"], _object(content.get("fields")), measurement, tags)


def read_events(data: bytes) -> list[Event]:
    """Return the events of a payload. Raises ValueError for a line that is none."""
    return [read_event(line) for line in data.splitlines()]


def write_events(events: Iterable[Event]) -> bytes:
    """Return the lines of events, from which `read_events` makes them again."""
    return b"".join(event_line(event.time, _content(event)) for event in events)


def _content(event: Event) -> bytes:
    if event.measurement:
        return point_content(event.measurement, event.tags, event.fields)
    return event_content(orjson.dumps(event.fields))


def _object(value: object) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise ValueError("is no event: its fields are not an object")
    return value
