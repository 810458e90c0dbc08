"""What InfluxDB has told of its columns by refusing lines, and rows made to fit.

A field keeps the type of its first value, so that an event with another one is refused. Its value is converted where
that loses nothing, and otherwise stored under the field's name and its own type, such as `v_string`. The tags stay as
they are, whatever becomes of a field that has the name of one: lines of the same request may be stored already, and
with other tags they would be there twice. InfluxDB 3 alone, where a column is a tag or a field, wants it otherwise; it
takes no line that has it wrong.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from importer.events.event import Value
from importer.events.influxdb.lines import Row, Unsigned, free_name
from importer.events.tags import can_be_tag
from importer.sinks.influxdb_api import Complaint

MAX_REMEMBERED = 10_000

STRING, FLOAT, INTEGER, UNSIGNED, BOOLEAN, TAG, FIELD = (
    "string",
    "float",
    "integer",
    "unsigned",
    "boolean",
    "tag",
    "field",
)
"""What a column can be; FIELD: one of whatever type."""

_CONFLICT = re.compile(
    r'input field "(?P<name>.*)" on measurement "(?P<measurement>.*)" is type \w+, '
    r"already exists as type (?P<kind>\w+)",
    re.DOTALL,
)
"""1.x and 2.x: influxd 1.6.7, 2026-11-28."""
_CONFLICT_OF_3 = re.compile(
    r"invalid column type for column '(?P<name>.*)', expected iox::column_type::(?:field::)?(?P<kind>\w+), got ",
    re.DOTALL,
)
"""https://docs.influxdata.com/influxdb3/core/write-data/troubleshoot/ (2026-11-28)."""
_NEW_TAG_OF_3 = re.compile(r"[Dd]etected a new tag '(?P<name>.*)' in write", re.DOTALL)
"""influxdb3 Core, where a table keeps the tags of its first line, as users report it (2026-11-28)."""
_KINDS = {"uinteger": UNSIGNED}
_INTEGERS = range(-(2**63), 2**63)
_WHOLE = {INTEGER: _INTEGERS, UNSIGNED: range(2**64)}


class Lesson(NamedTuple):
    """What one column of a measurement is."""

    measurement: str
    name: str
    kind: str
    is_column: bool = False
    """Whether the name is that of a tag or a field, not of both, as in InfluxDB 3."""


class KnownTypes:
    """The columns that were found to have another type than was sent; when they are too many, all are forgotten."""

    def __init__(self) -> None:
        self._lessons: dict[str, dict[str, Lesson]] = {}
        """By measurement and name."""

    def learn(self, complaints: Iterable[Complaint], rows: Sequence[Row]) -> set[tuple[str, str]]:
        """Remember what complaints about rows say of columns, and return which (measurement, name) these are."""
        learnt = set()
        for complaint in complaints:
            for lesson in _lessons(complaint, rows):
                self._remember(lesson)
                learnt.add((lesson.measurement, lesson.name))
        return learnt

    def fit(self, row: Row) -> Row:
        """Make a row fit to what is known, and return it."""
        if lessons := self._lessons.get(row.measurement):
            row.demote([name for name in row.tags if name in lessons and _is_no_tag(lessons[name])])
            for name in [name for name in row.fields if name in lessons]:
                self._place(row, name, row.fields.pop(name))
        return row

    def _place(self, row: Row, name: str, value: Value) -> None:
        """Put a value where it can be: under its name, or else one made of that and its own type."""
        lesson = self._lessons[row.measurement].get(name)
        kind = lesson.kind if lesson else None
        if kind == TAG and name not in row.tags and can_be_tag(str(value)):
            row.tags[name] = str(value)
            return
        fitting = value if kind is None or kind == FIELD else converted(value, kind)
        if fitting is None:
            self._place(row, f"{name}_{_kind_of(value)}", value)
        else:
            row.fields[name if name not in row.fields else free_name(name, row.fields)] = fitting

    def _remember(self, lesson: Lesson) -> None:
        if sum(map(len, self._lessons.values())) >= MAX_REMEMBERED:
            self._lessons.clear()
        self._lessons.setdefault(lesson.measurement, {})[lesson.name] = lesson


def _is_no_tag(lesson: Lesson) -> bool:
    return lesson.is_column and lesson.kind != TAG


def converted(value: Value, kind: str) -> Value | None:
    """Return a value as a column of that kind has it; None where it cannot be had as that.

    >>> converted(3, "float"), converted(3.0, "integer"), converted(True, "string"), converted(2.5, "integer")
    (3.0, 3, 'True', None)
    """
    if kind == STRING:
        return str(value)
    if isinstance(value, bool | str):
        return value if kind == BOOLEAN and isinstance(value, bool) else None
    if kind == FLOAT:
        return float(value)
    if kind not in _WHOLE or not float(value).is_integer() or int(value) not in _WHOLE[kind]:
        return None
    return Unsigned(value) if kind == UNSIGNED else int(value)


def _kind_of(value: Value) -> str:
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return STRING
    return INTEGER if isinstance(value, int) and value in _INTEGERS else FLOAT


def _lessons(complaint: Complaint, rows: Sequence[Row]) -> Iterator[Lesson]:
    if match := _CONFLICT.search(complaint.text):
        yield Lesson(match["measurement"], match["name"], _KINDS.get(match["kind"], match["kind"]))
        return
    if complaint.line is None or not 0 <= complaint.line < len(rows):
        return  # InfluxDB 3 names the column alone
    measurement = rows[complaint.line].measurement
    if match := _CONFLICT_OF_3.search(complaint.text):
        yield Lesson(measurement, match["name"], _KINDS.get(match["kind"], match["kind"]), is_column=True)
    elif match := _NEW_TAG_OF_3.search(complaint.text):
        yield Lesson(measurement, match["name"], FIELD, is_column=True)
