"""From a value of an answer to a metric's number: numbers as text, words that mean one, dates, and the scale."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

ISO_8601 = "iso8601"
"""The `time_format` that is no pattern of strptime."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_SHOWN = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NumberReader:
    """How a metric reads its numbers."""

    value_map: Mapping[str, float] = field(default_factory=dict)
    """Numbers of words; true, false and numbers are looked up as JSON writes them."""
    time_format: str = ""
    """ISO_8601 or a pattern of strptime, if the values are dates; else empty."""
    zone: tzinfo = UTC
    """Of dates that do not say theirs."""
    scale: float = 1.0
    """Multiplied onto whatever is read."""

    def read(self, value: object) -> float:
        """Return a number; a date gives seconds since 1970-01-01 UTC.

        Raises ValueError with what is wrong, to be said after where the value was found.
        """
        if isinstance(value, float | int) and not self.value_map and not self.time_format:
            number = _as_float(value)
        elif self.value_map and isinstance(value, str | bool | int | float):
            mapped = self.value_map.get(value if isinstance(value, str) else json.dumps(value))
            number = self._unmapped(value) if mapped is None else mapped
        else:
            number = self._unmapped(value)
        scaled = number * self.scale
        if math.isinf(scaled):
            raise ValueError("is too large a number")
        return scaled

    def _unmapped(self, value: object) -> float:
        if self.time_format:
            return self._date(value)
        if isinstance(value, float | int):
            return _as_float(value)
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            return _as_float(float(value))
        raise ValueError(f"is not a number{', nor in value_map' if self.value_map else ''}: {shown(value)}")

    def _date(self, value: object) -> float:
        try:
            if isinstance(value, bool | dict | list):
                raise ValueError
            date = parse_date(value if isinstance(value, str) else json.dumps(value), self.time_format)
            aware = date if date.tzinfo else date.replace(tzinfo=self.zone)
            return (aware - _EPOCH).total_seconds()
        except (ValueError, OverflowError) as error:
            raise ValueError(f"is not a date in the form {self.time_format}: {shown(value)}") from error


def parse_date(text: str, time_format: str) -> datetime:
    """Return the date, with its zone if it says one; raises ValueError.

    >>> parse_date("2026-01-05t10:00:00z", ISO_8601).isoformat()
    '2026-01-05T10:00:00+00:00'
    """
    if time_format == ISO_8601:
        return datetime.fromisoformat(text.strip().upper())
    return datetime.strptime(text.strip(), time_format)  # noqa: DTZ007  the caller gives it a zone


def shown(value: object) -> str:
    """Return a value of an answer for a message, cut to a length fit for one."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def _as_float(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isfinite(number):
        return number
    raise ValueError("is too large a number")
