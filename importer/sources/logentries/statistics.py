"""Read the statistics in an answer of the query API. Pure: no clock, no network, no file.

Shapes are those of the vendor's documentation and tests (see tests/golden/leexport). An answer that is wrong as a
whole raises ValueError with the reason in one line; a value that is null or no number is None.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

Number: TypeAlias = int | float

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
LABEL_SEPARATOR = " / "
"""Between the labels of a group that is inside of another."""
MAX_GROUP_DEPTH = 20
"""Groups inside of groups: the vendor takes no query with as many fields."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the statistics of an answer hold: a time series, groups, or neither."""

    start_ms: int | None
    """Begin of the window in ms since 1970 UTC, None where the answer does not say it."""
    end_ms: int | None
    """End of the window, likewise."""
    granularity_ms: int | None
    """From one point of the series to the next, likewise."""
    series: tuple[Number | None, ...] | None
    """A value a point, of the first series if there are several; None: the answer has no time series."""
    groups: tuple[tuple[str, Number | None], ...] | None
    """Label and value, in the order of the answer; None: the answer has no groups."""
    total: Number | None
    """Of the whole window."""

    @property
    def kind(self) -> str:
        """What the answer has, in words for a message."""
        found = []
        if self.series is not None:
            found.append("a time series")
        if self.groups is not None:
            found.append("groups" if self.groups else "an empty list of groups")
        return " and ".join(found) or "neither a time series nor groups"

    def times_ms(self) -> tuple[int, ...]:
        """Return the time of each point of the series in ms since 1970 UTC; none without points.

        Raises ValueError where the answer does not say when its points are.
        """
        if not self.series:
            return ()
        if self.start_ms is None or self.granularity_ms is None:
            raise ValueError("the answer does not say when its points are: from or granularity is missing")
        return tuple(self.start_ms + index * self.granularity_ms for index in range(len(self.series)))

    def time_texts(self) -> tuple[str, ...]:
        """Return the times in ISO 8601, UTC, whole seconds; raises ValueError as `times_ms` does."""
        return tuple(map(time_text, self.times_ms()))


def time_text(milliseconds: int) -> str:
    """Return a time in ms since 1970 UTC as ISO 8601, cut to whole seconds; raises ValueError for what is no time.

    >>> time_text(1700000130999)
    '2023-11-14T22:15:30Z'
    """
    try:
        return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime(TIME_FORMAT)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("a time in the answer is beyond the calendar") from error


def value_of(values: object, calculation: object) -> Number | None:
    """Return the value of a point or group: what was calculated, else `count`, else what is first.

    >>> value_of({"count": 3, "average": 11.5}, "average"), value_of({"count": 3, "min": 1}, "average")
    (11.5, 3)
    """
    if not isinstance(values, Mapping):
        return _number(values)
    for name in (calculation, "count"):
        if isinstance(name, str) and name in values:
            return _number(values[name])
    return _number(next(iter(values.values()), None))


def first_series(statistics: Mapping[str, object]) -> tuple[str, Sequence[object]] | None:
    """Return the name and the points of the first series as the answer has them, None where there is none.

    Raises ValueError for a series that is no list.
    """
    all_series = statistics.get("timeseries")
    if not isinstance(all_series, Mapping) or not all_series:
        return None
    name, points = next(iter(all_series.items()))
    if not isinstance(points, list):
        raise ValueError("the time series in the answer is no list of points")
    return name, points


def parse_statistics(answer: object) -> Statistics:
    """Return what a final answer holds; raises ValueError for one without statistics, or with unusable ones."""
    statistics = _statistics(answer)
    during = _object(_object(answer, "leql"), "during")
    calculation = statistics.get("type")
    found = first_series(statistics)
    granularity_ms = _milliseconds(statistics.get("granularity"))
    return Statistics(
        start_ms=_first(_milliseconds(statistics.get("from")), _milliseconds(during.get("from"))),
        end_ms=_first(_milliseconds(statistics.get("to")), _milliseconds(during.get("to"))),
        granularity_ms=granularity_ms if granularity_ms and granularity_ms > 0 else None,
        series=None if found is None else tuple(value_of(point, calculation) for point in found[1]),
        groups=_groups(statistics.get("groups"), calculation, has_series=found is not None),
        total=_total(statistics, found, calculation),
    )


def _statistics(answer: object) -> Mapping[str, object]:
    if not isinstance(answer, Mapping):
        raise ValueError("the answer is no JSON object")
    statistics = answer.get("statistics")
    if statistics is None:
        has_events = answer.get("events") is not None
        raise ValueError("the answer holds events, not statistics" if has_events else "the answer holds no statistics")
    if not isinstance(statistics, Mapping):
        raise ValueError("the statistics in the answer are no object")
    return statistics


def _total(
    statistics: Mapping[str, object], found: tuple[str, Sequence[object]] | None, calculation: object
) -> Number | None:
    """Return the value that `stats` has for the series, else the count of all."""
    totals = _object(_object(statistics, "stats"), found[0]) if found else {}
    return value_of(totals, calculation) if totals else _number(statistics.get("count"))


def _groups(groups: object, calculation: object, *, has_series: bool) -> tuple[tuple[str, Number | None], ...] | None:
    """Return the groups; an empty list in place of a time series means that nothing was there to be grouped."""
    if not isinstance(groups, list) or (has_series and not groups):
        return None
    return tuple(_flattened(groups, calculation, ()))


def _flattened(
    groups: Sequence[object], calculation: object, path: tuple[str, ...]
) -> Iterator[tuple[str, Number | None]]:
    """Yield the innermost groups, each with the labels of those that it is in."""
    if len(path) > MAX_GROUP_DEPTH:
        raise ValueError("the groups in the answer are nested too deeply")
    for group in groups:
        if not isinstance(group, Mapping):
            raise ValueError("a group in the answer is no object")
        for label, values in _members(group):
            labels = (*path, label)
            inner = _inner_groups(values)
            if inner:
                yield from _flattened(inner, calculation, labels)
            else:
                yield LABEL_SEPARATOR.join(labels), value_of(values, calculation)


def _members(group: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield label and values of a group, usually one; groups inside may stand among the values, or beside the label.

    The vendor documents no answer to a query with several fields, so each way that is likely is understood.
    """
    inner = group.get("groups")
    if len(group) != 2 or not isinstance(inner, list):
        yield from group.items()
        return
    for label, values in group.items():
        if label != "groups":
            yield label, {**_mapping(values), "groups": inner}


def _inner_groups(values: object) -> Sequence[object]:
    members = _mapping(values)
    inner = members.get("groups")
    if isinstance(inner, list):
        return inner
    return [members] if all(isinstance(member, Mapping) for member in members.values()) and members else []


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)


def _milliseconds(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _number(value: object) -> Number | None:
    """Return a finite number as it is: whole ones stay ints."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # a whole number that no float can hold
        return None


def _object(holder: object, name: str) -> Mapping[str, object]:
    return _mapping(_mapping(holder).get(name))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
