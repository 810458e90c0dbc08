"""InfluxDB's line protocol: a line a point, written so that no name, label or text can break it.

    measurement,tag=value,tag=value field=1.5,field="text" 1462147200000

https://docs.influxdata.com/influxdb3/core/reference/line-protocol/ and, for 1.x, the answers of influxd 1.6.7 in
tests/contract/test_real_influxdb.py (both 2026-11-25). What some version cannot write, or reads as another does not,
is replaced:

- control characters and line separators become blanks: a line feed is supported nowhere inside a line;
- in names and tags `\\` becomes `/`: two of them are two for 1.x and one for 3, and none takes one at the end;
- half a surrogate pair is left out: UTF-8 cannot hold it.
"""

import logging
import math
from collections.abc import Collection, Iterable, Mapping

from importer.points import Labels, Point
from importer.sinks.plain_text import MAX_CACHED_NAMES, Names, format_timestamp
from importer.surrogate import left_out

logger = logging.getLogger(__name__)

FieldValue = str | int | float | bool
"""What a field may hold; for InfluxDB these are four types, and a field keeps the type of its first value."""
Tags = Iterable[tuple[str, str]]
"""(key, value) pairs in any order, keys once each."""

VALUE_FIELD = "value"
"""The one field of a Point."""
MAX_SERIES_KEY_BYTES = 65_000
"""influxd 1.6.7 takes 65,535 with the field's name and 4 more (recorded 2026-11-25), 2.x adds the bucket's number."""

_INTEGERS = range(-(2**63), 2**63)
_RESERVED_KEYS = frozenset({"time", "_field", "_measurement"})
"""1.6.7 drops a field and refuses a tag of the name `time` (recorded 2026-11-25); 2.x has its own columns in all three.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/#naming-restrictions (2026-11-25)
"""

_BLANKED = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")
_NAME = _BLANKED | {ord("\\"): "/"}
_ESCAPED_IN_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_ESCAPED_IN_KEY = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
_ESCAPED_IN_TEXT = str.maketrans({'"': r"\"", "\\": r"\\"})


def format_line(measurement: str, tags: Tags, fields: Mapping[str, FieldValue], timestamp: int) -> str:
    """Return a line without its end; `timestamp` is in the unit that the request for writing names.

    Raises ValueError for no fields, and for a number that InfluxDB cannot hold.

    >>> format_line("log in", [("zone", "eu")], {"count": 3, "seconds": 0.5, "via": 'the "app"', "new": True}, 60)
    'log\\\\ in,zone=eu count=3i,seconds=0.5,via="the \\\\"app\\\\"",new=true 60'
    """
    if not fields:
        raise ValueError(f"{measurement!r:.100} has no fields")
    columns: dict[str, str] = {}
    for key, value in fields.items():
        columns[_free_key(key, columns)] = format_field(value)
    written = ",".join(f"{key.translate(_ESCAPED_IN_KEY)}={value}" for key, value in columns.items())
    return f"{series_key(measurement, tags, fields=columns)} {written} {timestamp}"


def format_field(value: FieldValue) -> str:
    """Return a field's value as its type is written. Raises ValueError for a number that InfluxDB cannot hold.

    >>> [format_field(value) for value in (48213, 48213.0, 1e22, True, "dark\\\\light")]
    ['48213i', '48213.0', '1e+22', 'true', '"dark\\\\\\\\light"']
    """
    if isinstance(value, str):
        return f'"{left_out(value.translate(_BLANKED)).translate(_ESCAPED_IN_TEXT)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value not in _INTEGERS:
            raise ValueError(f"{value!r:.40} is not an integer of 64 bits")
        return f"{int(value)}i"
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return repr(float(value))


def series_key(measurement: str, tags: Tags, *, fields: Collection[str] = ()) -> str:
    """Return what stands before a line's fields: the measurement, and the tags in the order of their keys.

    A tag without a value is left out, for there is no way to write it. A tag whose key InfluxDB keeps for itself,
    that is also one of `fields`, or that another tag has after cleaning, gets a `_` behind it: InfluxDB 3 has no tag
    and field of one name (https://docs.influxdata.com/influxdb3/core/write-data/http-api/compatibility-apis/,
    2026-11-25).

    >>> series_key("shop.dau", [("zone", "eu west"), ("time", "noon"), ("host", "")])
    'shop.dau,time_=noon,zone=eu\\\\ west'
    """
    taken = dict.fromkeys(fields, "")
    for key, value in sorted(tags):
        if text := _clean(value):
            taken[_free_key(key, taken)] = text
    written = (
        f",{key.translate(_ESCAPED_IN_KEY)}={text.translate(_ESCAPED_IN_KEY)}"
        for key, text in sorted(taken.items())
        if text
    )
    return _measurement(measurement) + "".join(written)


def milliseconds(timestamp: float) -> int:
    """Return the time of a point, seconds since 1970, as Graphite gets it: in whole milliseconds.

    Nanoseconds would hold the noise of the float besides: 1462147200.1 is 1462147200.0999999 and something.

    >>> milliseconds(1462147200.1)
    1462147200100
    """
    return int(format_timestamp(timestamp).replace(".", ""))


class SeriesKeys(dict[tuple[tuple[str, ...], Labels], str]):
    """The series key for each `path, labels` of a point, made at the first look-up and remembered.

    The measurement has the name that the path has in Graphite, the labels are tags. The key is empty where it would
    be longer than InfluxDB takes: such a point has to be left out. The log says so once a key.

    >>> SeriesKeys()[("shop", "6.6.1 (3705)"), (("zone", "eu"),)]
    'shop.6-6-1_3705,zone=eu'
    """

    def __init__(self) -> None:
        super().__init__()
        self._names = Names()

    def __missing__(self, series: tuple[tuple[str, ...], Labels]) -> str:
        if len(self) >= MAX_CACHED_NAMES:
            self.clear()
        path, labels = series
        name = self._names[path]
        key = self[series] = _bounded(series_key(name, labels, fields=(VALUE_FIELD,))) if name else ""
        return key


def point_lines(points: Iterable[Point], series: SeriesKeys) -> list[str]:
    """Return the line of each point, in their order, without line ends; those whose key is too long are left out.

    >>> point_lines([Point(("shop", "Bike Shop", "dau"), 48213, 1462147200)], SeriesKeys())
    ['shop.Bike_Shop.dau value=48213.0 1462147200000']
    """
    stamps = _Milliseconds()
    # Always a float: were the 48213 of today an integer, the 48213.5 of tomorrow would be a type conflict, for good.
    return [
        f"{key} {VALUE_FIELD}={float(point.value)!r} {stamps[point.timestamp]}"
        for point in points
        if (key := series[point.path, point.labels])
    ]


class _Milliseconds(dict[float, int]):
    """The points of one call share a few times."""

    def __missing__(self, timestamp: float) -> int:
        stamp = self[timestamp] = milliseconds(timestamp)
        return stamp


def _measurement(name: str) -> str:
    text = _clean(name) or "_"
    if text.startswith("#"):  # the line would be a comment
        text = f"_{text[1:]}"
    return text.translate(_ESCAPED_IN_MEASUREMENT)


def _free_key(key: str, taken: Collection[str]) -> str:
    """Return a key as it can be written, told apart from those that are taken."""
    free = _clean(key) or "_"
    while free in taken or free in _RESERVED_KEYS:
        free += "_"
    return free


def _clean(text: str) -> str:
    return left_out(text.translate(_NAME))


def _bounded(key: str) -> str:
    size = len(key.encode())
    if size <= MAX_SERIES_KEY_BYTES:
        return key
    logger.error(
        "Labels too long for InfluxDB, their points are left out: bytes=%d limit=%d series=%.100s...",
        size,
        MAX_SERIES_KEY_BYTES,
        key,
    )
    return ""
