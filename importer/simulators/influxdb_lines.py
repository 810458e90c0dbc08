"""Line protocol as influxd 1.6 reads it: text to points, with the complaints of that server.

What a backslash does was recorded from influxd 1.6.7 on 2026-11-25: before a comma, a blank or (not in a measurement)
an equals sign it makes that sign part of the name, anywhere else it is a character like others.

>>> parse_line(r'log\\ in,zone=eu\\=west count=3i,via="the \\"app\\"" 60')
Line(measurement='log in', tags=(('zone', 'eu=west'),), fields={'count': 3, 'via': 'the "app"'}, timestamp=60)
"""

import re
from dataclasses import dataclass

FieldValue = str | int | float | bool

_NAME = r"(?:\\[, ]|[^, ])++"
_KEY = r"(?:\\[,= ]|[^,= ])++"
_TEXT = r'"(?:\\.|[^"\\])*+"'
_VALUE = rf'(?:{_TEXT}|[^" ,]++)'
_SERIES = re.compile(rf"(?P<measurement>{_NAME})(?P<tags>(?:,{_KEY}={_KEY})*+) ")
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_FIELDS = re.compile(rf"(?P<fields>{_KEY}={_VALUE}(?:,{_KEY}={_VALUE})*+)(?: (?P<timestamp>-?[0-9]+))?")
_FIELD = re.compile(rf",({_KEY})=({_VALUE})")
_INTEGER = re.compile(r"-?[0-9]+i")
_FLOAT = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_BOOLEANS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True)
_BOOLEANS |= dict.fromkeys(("f", "F", "false", "False", "FALSE"), False)


@dataclass(frozen=True, slots=True)
class Line:
    """One line, taken apart."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    """In the order of their keys."""
    fields: dict[str, FieldValue]
    timestamp: int | None
    """In the unit that the request names."""


def parse_lines(data: bytes) -> tuple[list[Line], list[str]]:
    """Return the good lines, and a complaint for each of the others.

    Empty lines and comments are neither. Raises ValueError for what is not UTF-8.
    """
    good: list[Line] = []
    complaints: list[str] = []
    for text in data.decode().split("\n"):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        try:
            good.append(parse_line(text))
        except ValueError as error:
            complaints.append(f"unable to parse '{text}': {error}")
    return good, complaints


def parse_line(text: str) -> Line:
    """Return what a line says. Raises ValueError, in the server's words, where it says nothing."""
    series = _SERIES.match(text)
    if series is None:
        raise ValueError("invalid tag format" if re.match(rf"{_NAME},", text) else "missing fields")
    rest = _FIELDS.fullmatch(text, series.end())
    if rest is None:
        raise ValueError("invalid field format")
    tags = [(_key(key), _key(value)) for key, value in _TAG.findall(series["tags"])]
    if len(dict(tags)) < len(tags):
        raise ValueError("duplicate tags")
    return Line(
        re.sub(r"\\([, ])", r"\1", series["measurement"]),
        tuple(sorted(tags)),
        {_key(key): _value(value) for key, value in _FIELD.findall(f",{rest['fields']}")},
        None if rest["timestamp"] is None else int(rest["timestamp"]),
    )


def _key(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _value(text: str) -> FieldValue:
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text[:-1])
    if _FLOAT.fullmatch(text):
        return float(text)
    raise ValueError("invalid number")
