"""What the simulated Log Search answers: statistics and events that follow from log, statement and time alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from importer.simulators.made_up import activity_at, noise_of

POINTS = 10
"""In each time series, as the vendor's default."""
EVENTS_A_PAGE = 50
EVENTS_A_SECOND = 2.5
"""On average over the day, in each log."""

_DAY_MS = 86_400_000
_CALCULATION = re.compile(r"\bcalculate\s*\(\s*(\w+)")
_GROUP_BY = re.compile(r"\bgroupby\s*\(([^)]*)\)")
_LABELS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "status": (("200", 0.9), ("301", 0.05), ("404", 0.04), ("500", 0.01)),
    "host": (("web-1", 0.5), ("web-2", 0.3), ("web-3", 0.2)),
    "path": (("/", 0.6), ("/basket", 0.3), ("/München", 0.1)),
}
_OTHER_LABELS = (("first", 0.6), ("second", 0.3), ("third", 0.1))
"""Of a field that is not known, as those above: label and its share of the events."""
_ADDED_UP = ("count", "sum", "bytes")
_GROUP_VALUES = ("count", "min", "max", "sum", "bytes", "percentile", "unique", "average")


@dataclass(frozen=True, slots=True)
class Question:
    """A query over a window."""

    logs: tuple[str, ...]
    statement: str
    start_ms: int
    end_ms: int

    @property
    def calculation(self) -> str:
        """What is calculated, `count` for groups without a word about it; empty for a query of events."""
        found = _CALCULATION.search(self.statement)
        if found:
            return found[1].lower()
        return "count" if self.fields else ""

    @property
    def fields(self) -> tuple[str, ...]:
        """What the events are grouped by."""
        found = _GROUP_BY.search(self.statement)
        return tuple(field.strip() for field in found[1].split(",")) if found else ()

    @property
    def granularity_ms(self) -> int:
        """From one point of a series to the next."""
        return max(1, (self.end_ms - self.start_ms) // POINTS)

    def described(self) -> dict[str, Any]:
        """Return the members that each answer repeats."""
        during = {"from": self.start_ms, "to": self.end_ms}
        return {"logs": list(self.logs), "leql": {"statement": self.statement, "during": during}}


def final_answer(question: Question) -> dict[str, Any]:
    """Return statistics, or a page of events for a statement that neither calculates nor groups."""
    if not question.calculation:
        return {**question.described(), "events": _events(question)}
    return {**question.described(), "statistics": _statistics(question, finished=True)}


def partial_statistics(question: Question) -> dict[str, Any]:
    """Return statistics in which nothing has been counted yet."""
    return _statistics(question, finished=False)


def value_between(question: Question, start_ms: int, end_ms: int) -> float:
    """Return what the statement calculates of a part of the window."""
    middle_ms = (start_ms + end_ms) / 2
    busy = activity_at(middle_ms % _DAY_MS / _DAY_MS)
    noise = noise_of(*question.logs, question.statement, start_ms, end_ms)
    if question.calculation not in _ADDED_UP:
        return round(40 + 30 * busy + 20 * noise, 2)
    expected = EVENTS_A_SECOND * len(question.logs) * busy * (end_ms - start_ms) / 1000
    return float(round(expected * (0.85 + 0.3 * noise)))


def _statistics(question: Question, *, finished: bool) -> dict[str, Any]:
    calculation = question.calculation or "count"
    total = value_between(question, question.start_ms, question.end_ms) if finished else 0
    groups = _groups(question.fields, total) if finished else []
    statistics: dict[str, Any] = {
        "type": calculation,
        "from": question.start_ms,
        "to": question.end_ms,
        "granularity": question.granularity_ms,
        "count": total,
        "cardinality": len(groups),
        "status": 200,
        "groups": groups,
        "stats": {},
        "timeseries": {},
    }
    if not question.fields:
        values = [_point(question, index) if finished else 0 for index in range(POINTS)]
        total = sum(values) if calculation in _ADDED_UP else total
        statistics["count"] = total
        statistics["stats"] = {"global_timeseries": {calculation: total}}
        statistics["timeseries"] = {"global_timeseries": [{calculation: value} for value in values]}
    return statistics


def _point(question: Question, index: int) -> float:
    start_ms = question.start_ms + index * question.granularity_ms
    return value_between(question, start_ms, start_ms + question.granularity_ms)


def _groups(fields: tuple[str, ...], total: float) -> list[dict[str, Any]]:
    """Return a group for each label of the first field, each with the groups of the other fields inside."""
    if not fields:
        return []
    groups = []
    for label, share in _LABELS.get(fields[0], _OTHER_LABELS):
        value = float(round(total * share))
        inner = {"groups": _groups(fields[1:], value)} if fields[1:] else {}
        groups.append({label: {**dict.fromkeys(_GROUP_VALUES, value), **inner}})
    return groups


def _events(question: Question) -> list[dict[str, Any]]:
    interval_ms = max(1, (question.end_ms - question.start_ms) // EVENTS_A_PAGE)
    return [_event(question, index, interval_ms) for index in range(EVENTS_A_PAGE)]


def _event(question: Question, index: int, interval_ms: int) -> dict[str, Any]:
    return {
        "labels": [],
        "timestamp": question.start_ms + index * interval_ms,
        "sequence_number": question.start_ms * EVENTS_A_PAGE + index,
        "log_id": question.logs[index % len(question.logs)],
        "message": f"GET /shop/{index} 200",
    }
