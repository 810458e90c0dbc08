r"""Lines for InfluxDB from events: nothing of an event is left out, and whatever it holds, the line is well formed.

    analytics,event=shop.view,uid=s\ 1 event="shop.view",event_id="entry_5b2d",qty=3i,uid="s 1" 1795307635738123456

Other rules than those of `importer.sinks.line_protocol`: here a text has to arrive as it was posted, with its line
ends and backslashes, and is a field where it cannot be a tag. What follows was seen of influxd 1.6.7, 2026-11-28,
unless it says otherwise.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from math import inf, isfinite

from importer.events.event import Event, Value
from importer.events.tags import TagRule, can_be_tag

MAX_SERIES_KEY_BYTES = 65_000
"""influxd 1.6.7 takes 65,535 with the field's name and some bytes more; 2.x adds the bucket's number."""
MAX_CACHED_NAMES = 50_000

_OF_1 = ("time", "_fieldKey", "_name", "_seriesKey", "_tagKey", "_tagValue")
_OF_2 = ("_field", "_measurement", "_start", "_stop", "_time", "_value")
RESERVED = frozenset(_OF_1 + _OF_2)
"""`time` is dropped or refused, the others are columns of InfluxDB's own: what is stored there cannot be read.

Of 2.x by https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/#naming-restrictions and the columns
of Flux's answers.
"""

_INTEGERS = range(-(2**63), 2**63)
_SCALARS = frozenset({str, int, float, bool})
_BROKEN = re.compile(r'\n|\A[\t\0]|\\(?=[ ,="]|\Z)')
"""What would not be read as part of a name: a blank before a line or its fields is skipped."""


class Unsigned(int):
    """A whole number for a field of that type, which others have made in InfluxDB 2 or 3."""


@dataclass(slots=True)
class Row:
    """A line before it is written: names are as they are stored."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Value]
    time: int
    """Nanoseconds since 1970 UTC."""

    def demote(self, names: Iterable[str]) -> None:
        """Let tags be no tags any more: the text of each is a field, as it is already for most of them."""
        for name in names:
            text = self.tags.pop(name)
            held = self.fields.get(name)
            if held is None or str(held) != text:
                self.fields[name if held is None else free_name(name, self.fields)] = text


class RowMaker:
    """Makes rows of events; `distinct` is for InfluxDB 3, where no tag and field of a table have one name."""

    def __init__(self, table: str, rule: TagRule, *, distinct: bool) -> None:
        self._table = clean_name(table, measurement=True)
        self._rule = rule
        self._distinct = distinct
        self._plain: set[str] = set()

    def row(self, event: Event, *, without: Set[str] = frozenset()) -> Row:
        """Return the row of an event; the tags named in `without` are fields alone."""
        fields = self._plain_names(event.fields)
        if not _SCALARS.issuperset(map(type, fields.values())):
            fields = {name: _scalar(value) for name, value in fields.items() if value is not None}
        if event.measurement:
            tags = {name: str(text) for name, text in self._plain_names(event.tags).items() if text}
            row = Row(self.measurement(event), tags, fields, event.time)
            row.demote([name for name, text in row.tags.items() if not can_be_tag(text)])
        else:
            row = Row(self._table, self._rule.tags_of(fields), fields, event.time)
        if without:
            row.demote(row.tags.keys() & without)
        _shorten(row)
        if self._distinct:
            self._part(row, given=bool(event.measurement))
        return row

    def require_fields(self, event: Event) -> None:
        """Raise ValueError where an event has no fields: there is no way to write it."""
        if all(value is None for value in event.fields.values()):
            raise ValueError("it has no fields")

    def measurement(self, event: Event) -> str:
        """Return the measurement of an event as it is stored."""
        return clean_name(event.measurement, measurement=True) if event.measurement else self._table

    def _plain_names(self, members: Mapping[str, Value]) -> dict[str, Value]:
        """Return members whose names can be written, no two alike."""
        if not self._plain.issuperset(members):
            self._learn(members)
            if not self._plain.issuperset(members):
                return _renamed(members)
        return dict(members)

    def _learn(self, names: Iterable[str]) -> None:
        if len(self._plain) > MAX_CACHED_NAMES:
            self._plain.clear()
        self._plain.update(name for name in names if clean_name(name) == name)

    def _part(self, row: Row, *, given: bool) -> None:
        """Let no tag and field have one name: of an event it is one thing, of a point the two were given."""
        row.demote([name for name, text in row.tags.items() if "\\\\" in text])  # InfluxDB 3 makes one of two
        for name in row.tags.keys() & row.fields.keys():
            value = row.fields.pop(name)
            if given:
                row.fields[free_name(name, row.fields.keys() | row.tags.keys())] = value
        if not row.fields:
            row.demote([max(row.tags)])


def _renamed(members: Mapping[str, Value]) -> dict[str, Value]:
    taken = {name for name in members if clean_name(name) == name}
    renamed: dict[str, Value] = {}
    for name, value in members.items():
        plain = clean_name(name)
        if plain != name and plain in taken:
            plain = free_name(plain, taken)
        taken.add(plain)
        renamed[plain] = value
    return renamed


def clean_name(name: str, *, measurement: bool = False) -> str:
    r"""Return a name as InfluxDB can have it.

    >>> [clean_name(name) for name in ("a b", "C:\\dir\\", "two\nlines", "time", "")]
    ['a b', 'C:\\dir/', 'two lines', 'time_', '_']
    """
    plain = _BROKEN.sub(lambda match: "/" if match[0] == "\\" else " ", name) or "_"
    if measurement:
        return f"_{plain[1:]}" if plain.startswith("#") else plain  # not a comment
    return f"{plain}_" if plain in RESERVED else plain


def free_name(name: str, taken: Set[str] | Mapping[str, object]) -> str:
    """Return the name with as many `_` behind it as tell it from the others, at least one."""
    name += "_"
    while name in taken:
        name += "_"
    return name


def _shorten(row: Row) -> None:
    """Make fields of the longest tags where the series key would be longer than InfluxDB takes."""
    characters = len(row.measurement) + sum(len(name) + len(text) + 2 for name, text in row.tags.items())
    if 8 * characters <= MAX_SERIES_KEY_BYTES:  # of up to four bytes, each with a backslash at most
        return
    while row.tags and len(_series_key(row).encode(errors="replace")) > MAX_SERIES_KEY_BYTES:
        row.demote([max(row.tags, key=lambda name: len(name) + len(row.tags[name]))])


class _Cached(dict[str, str]):
    """What a function makes of texts that come again and again."""

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> str:
        if len(self) > MAX_CACHED_NAMES:
            self.clear()
        made = self[text] = self._function(text)
        return made


def _escaped_key(text: str) -> str:
    return text.replace(",", r"\,").replace("=", r"\=").replace(" ", r"\ ")  # several times as fast as translate()


def _escaped_text(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")


_keys = _Cached(_escaped_key)
_measurements = _Cached(lambda name: name.replace(",", r"\,").replace(" ", r"\ "))


def format_rows(rows: Iterable[Row], *, line_ends: bool = True) -> bytes:
    """Return the lines of rows. Where `line_ends` is False those inside of a text are the two characters `\\n`."""
    return "".join([format_row(row, line_ends=line_ends) for row in rows]).encode(errors="replace")


def format_row(row: Row, *, line_ends: bool = True) -> str:
    """Return the line of a row, with its end."""
    keys = _keys
    fields = []
    for name, value in sorted(row.fields.items()):
        kind = type(value)
        if isinstance(value, str):
            text = value if line_ends else value.replace("\n", "\\n")
            fields.append(f'{keys[name]}="{_escaped_text(text)}"')
        elif kind is float and isfinite(value):
            fields.append(f"{keys[name]}={value!r}")
        elif kind is bool:
            fields.append(f"{keys[name]}={value}")
        else:
            fields.append(f"{keys[name]}={_number(value)}")
    return f"{_series_key(row)} {','.join(fields)} {row.time}\n"


def _series_key(row: Row) -> str:
    keys = _keys
    tags = [f",{keys[name]}={_escaped_key(text)}" for name, text in sorted(row.tags.items())]
    return _measurements[row.measurement] + "".join(tags)


def _number(value: float) -> str:
    """Return what stands for a number; as a float where it is too large to be an integer there."""
    if isinstance(value, Unsigned):
        return f"{int(value)}u"
    if isinstance(value, int) and value in _INTEGERS:
        return f"{int(value)}i"
    try:
        number = float(value)
    except OverflowError:
        number = inf
    return repr(number) if isfinite(number) else f'"{value}"'


def _scalar(value: object) -> Value:
    """Return what JSON has and InfluxDB has not as its text."""
    return value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
