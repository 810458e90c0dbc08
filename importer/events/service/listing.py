"""Lists of events and counts over time: what their parameters mean, and what is answered."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from importer.events.event_time import format_time, parse_time
from importer.events.posted import key_of
from importer.events.query import MAX_LISTED, Query
from importer.http_server.message import HttpError

DEFAULT_LISTED = 100
MAX_NAMES = 50
"""So many kinds of events are told apart in counts, those that came most often."""
OTHERS = "(others)"
_MAX_HOURS = 31 * 24
_MAX_STEPS = 240
"""A chart of more bars shows no more."""
_STEP_MINUTES = (1, 5, 15, 60, 180, 720, 1440)


def read_query(parameters: Mapping[str, str]) -> Query:
    """Return what the parameters event, uid, from, to and limit ask for. Raises HttpError for a wrong one."""
    return Query(
        event=parameters.get("event"),
        uid=parameters.get("uid"),
        from_ns=_time(parameters, "from"),
        to_ns=_time(parameters, "to"),
        limit=_number(parameters, "limit", DEFAULT_LISTED, MAX_LISTED),
    )


def asks_store(parameters: Mapping[str, str]) -> bool:
    """Return whether events are wanted that only the store has, by the parameter store. Raises HttpError."""
    text = parameters.get("store", "yes")
    if text not in {"yes", "no"}:
        raise HttpError(400, "store: yes or no is expected")
    return text == "yes"


def merge(query: Query, *lists: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """Return the newest of several lists; an event that is in two of them counts once, as in the first."""
    merged: dict[object, dict[str, object]] = {}
    for events in lists:
        for event in events:
            event_id = event.get("event_id")
            merged.setdefault(key_of(str(event_id)) if event_id else repr(event), event)
    return sorted(merged.values(), key=lambda event: str(event["time"]), reverse=True)[: query.limit]


class Window:
    """The minutes that counts are asked for, and how many of them are one step."""

    def __init__(self, parameters: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> None:
        """Read the parameter hours. Raises HttpError."""
        minutes = _number(parameters, "hours", 24, _MAX_HOURS) * 60
        self.step_minutes = next(step for step in _STEP_MINUTES if minutes / step <= _MAX_STEPS)
        now = int(clock()) // 60
        self.since_minute = (now - minutes) // self.step_minutes * self.step_minutes
        self.until_minute = (now // self.step_minutes + 1) * self.step_minutes
        """The end of the step that goes on."""

    def content(self, counts: Iterable[tuple[int, str, int]]) -> dict[str, object]:
        """Return what is answered: by name, how many events came in each step that had any."""
        counts = list(counts)
        totals = Counter[str]()
        for _, name, events in counts:
            totals[name] += events
        named = {name for name, _ in totals.most_common(MAX_NAMES)}
        steps: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for minute, name, events in counts:
            steps[name if name in named else OTHERS][minute // self.step_minutes * self.step_minutes] += events
        return {
            "from": format_time(self.since_minute * 60 * 10**9),
            "to": format_time(self.until_minute * 60 * 10**9),
            "step_seconds": self.step_minutes * 60,
            "counts": {
                name: [{"time": minute * 60, "events": events} for minute, events in by_minute.items()]
                for name, by_minute in steps.items()
            },
        }


def _time(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    found = parse_time(int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text)
    if found is None:
        raise HttpError(400, f"{name}: a time by RFC 3339, or a number of seconds, ms, us or ns since 1970 is expected")
    return found


def _number(parameters: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= maximum):
        raise HttpError(400, f"{name}: a whole number from 1 to {maximum} is expected")
    return int(text)
