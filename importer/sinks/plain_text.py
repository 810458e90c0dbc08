"""Graphite's names and its plain text: what a name may hold, how a number is written, a line a point.

The rules for path elements are those of the Apteligent importer, letter by letter, because the names of
existing series came about by them; beyond them only what would break a line or a file name is left out.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from importer.points import MAX_TIMESTAMP, Labels, Point
from importer.surrogate import left_out

logger = logging.getLogger(__name__)

NameKey = tuple[str, ...] | tuple[tuple[str, ...], Labels]
"""What a name is made of: a point's path, or its path and its labels where it has some.

Most have none, and half a million of them a second are looked up by this key.
"""

MAX_NAME_BYTES = 16_000
"""Carbon hangs up on a plain line of more than 16 KiB, and what stood behind that line would be lost."""
MAX_CACHED_NAMES = 100_000

_PLAIN_NUMBERS = (float, int)
"""Types whose `repr` has all digits; a subclass (a bool, a number of numpy) may write itself in another way."""

_EXPONENT = 1e16
"""From here on `repr` writes a float with an exponent."""

_PUNCTUATION = "(){}[]!\"#$%&'*+/<=>?@\\^`|~"
_CONTROLS = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
_WIDE_SPACES = "".join(map(chr, (0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)))
"""White space outside ASCII: carbon splits the decoded line with str.split(), which parts fields at these too."""

_DELETED = _PUNCTUATION + _CONTROLS + _WIDE_SPACES
_PATH_TEXT = str.maketrans(" ", "_", _DELETED)
_ELEMENT = str.maketrans(" .,:;", "_-___", _DELETED)


def clean_element(text: str) -> str:
    """Return one path element as Graphite can store it; never empty, never with a dot or white space.

    >>> clean_element("Ute & Van.au: Classifieds (beta)")
    'Ute__Van-au__Classifieds_beta'
    >>> clean_element("???")
    '_'
    """
    return left_out(text.translate(_ELEMENT)) or "_"


def clean_path_text(text: str) -> str:
    """Return a path that was given as one string, with its dots: only what may not stand in a path is deleted.

    A blank becomes `_`, since deleting it would glue two words together and keeping it would break the line.

    >>> clean_path_text("servers.web (blue) 1\\n")
    'servers.web_blue_1'
    """
    return left_out(text.translate(_PATH_TEXT))


def format_value(value: float) -> str:
    """Return all digits of a finite number: the shortest text that reads back the same.

    A large number has no exponent, and a real one keeps its decimal point.

    >>> [format_value(number) for number in (12345678, 0.1, 1e22, 1e-7)]
    ['12345678', '0.1', '10000000000000000000000.0', '1e-07']
    """
    if type(value) is int:
        return f"{value}"
    # A subclass (a bool, a number of numpy) may write itself in another way.
    text = repr(value if type(value) is float else float(value))
    return text if "e+" not in text else f"{value:.1f}"


def format_timestamp(timestamp: float) -> str:
    """Return seconds since 1970 with three decimals, never rounded up out of the range that is storable.

    >>> format_timestamp(1462060800)
    '1462060800.000'
    """
    return f"{min(timestamp, MAX_TIMESTAMP - 0.001):.3f}"


class NameTable(Protocol):
    """Whatever gives the name of a point; an empty one where the point has to be left out."""

    def __getitem__(self, key: NameKey, /) -> str: ...


class Names(dict[NameKey, str]):
    """The Graphite name for each `path, labels`, made at the first look-up and remembered.

    Label values follow the path as further elements, in the alphabetical order of the label names. The name is
    empty where it would be longer than carbon takes: such a point has to be left out. The log says so once a name.

    >>> Names()["shop", "6.6.1 (3705)"]
    'shop.6-6-1_3705'
    >>> Names()[("shop", "6.6.1 (3705)"), (("zone", "eu"), ("host", "web.1"))]
    'shop.6-6-1_3705.web-1.eu'
    """

    def __init__(self, rename: Callable[[str], str] = str) -> None:
        super().__init__()
        self._rename = rename

    def __missing__(self, key: NameKey) -> str:
        if len(self) >= MAX_CACHED_NAMES:
            self.clear()
        elements = (*_path(key), *(value for _, value in sorted(_labels(key))))
        name = self[key] = _bounded(self._rename(".".join(map(clean_element, elements))))
        return name


def _bounded(name: str) -> str:
    size = len(name.encode())
    if size <= MAX_NAME_BYTES:
        return name
    logger.error(
        "Name too long for Graphite, its points are left out: bytes=%d limit=%d name=%.100s...",
        size,
        MAX_NAME_BYTES,
        name,
    )
    return ""


class _Timestamps(dict[float, str]):
    """Timestamps as text; the points of one call share a few of them."""

    def __missing__(self, timestamp: float) -> str:
        text = self[timestamp] = format_timestamp(timestamp)
        return text


def lines(points: Iterable[Point], names: NameTable) -> list[str]:
    """Return `name value timestamp` a point, in their order, without line ends and without nameless points.

    >>> lines([Point(("shop", "Bike Shop", "dau"), 48213, 1462147200)], Names())
    ['shop.Bike_Shop.dau 48213 1462147200.000']
    """
    timestamps = _Timestamps()
    return [
        f"{name} {value!r} {timestamps[point.timestamp]}"
        if type(value := point.value) in _PLAIN_NUMBERS and -_EXPONENT < value < _EXPONENT
        else f"{name} {format_value(value)} {timestamps[point.timestamp]}"
        for point in points
        if (name := names[(point.path, point.labels) if point.labels else point.path])
    ]


def join_lines(texts: Sequence[str]) -> bytes:
    """Return lines as they travel: UTF-8, each ended by a line feed, the last one too."""
    return "\n".join((*texts, "")).encode()


def parse_lines(data: bytes) -> list[Point]:
    """Return the points of plain lines that `join_lines` wrote, each with its whole name as the only element.

    Raises ValueError where the bytes are anything else.
    """
    text = data.decode()
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    return [_parse_line(line) for line in text[:-1].split("\n")]


def _parse_line(line: str) -> Point:
    fields = line.split(" ")
    if len(fields) != 3:
        raise ValueError(f"{line!r:.100} is not: name value timestamp")
    name, value, timestamp = fields
    return named_point(name, float(value), float(timestamp))


def named_point(name: str, value: float, timestamp: float) -> Point:
    """Return a point whose only path element is a name that was cleaned before.

    Raises ValueError for a name that no cleaning yields and for numbers out of range.
    """
    if not name or clean_path_text(name) != name:
        raise ValueError(f"{name!r:.100} is not a clean name")
    return Point((name,), value, timestamp)


def _path(key: NameKey) -> tuple[str, ...]:
    return key[0] if isinstance(key[0], tuple) else key


def _labels(key: NameKey) -> Labels:
    return key[1] if isinstance(key[0], tuple) else ()


class NamesAsTheyAre:
    """The names of points from `named_point`."""

    def __getitem__(self, key: NameKey) -> str:
        return _path(key)[0]
