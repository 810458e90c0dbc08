"""Carbon's pickle protocol: frames of a length and a pickle of `[(name, (timestamp, value)), ...]`.

The pickles are put together by hand, in protocol 2, from six kinds of opcodes: no global can get in, which carbon's
unpickler would refuse, frames come out the same on every Python, and reading them back needs no unpickling.

    \\x80\\x02 ] (                      protocol 2, an empty list, a mark
    X <length, 4 bytes little-endian> <name in UTF-8>
    G <timestamp> G <value>           two floats of 8 bytes, big-endian
    \\x86 \\x86                         two pairs: (timestamp, value), (name, that)
    e .                               append all since the mark to the list, stop
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from importer.points import Point
from importer.sinks.plain_text import MAX_CACHED_NAMES, NameKey, NameTable, named_point

MAX_FRAME_BYTES = 2**20
"""Carbon hangs up on a longer frame."""

_FRAME_LENGTH = struct.Struct(">L")
_HEAD = b"\x80\x02]("
_TAIL = b"e."
_TEXT = b"X"
_TEXT_LENGTH = struct.Struct("<L")
_FLOAT = b"G"
_PAIRS = b"\x86\x86"
_NUMBERS = struct.Struct(">cdcd2s")


class PickledNames(dict[NameKey, bytes]):
    """Names as they stand in a pickle, made at the first look-up and remembered; empty where the name is."""

    def __init__(self, names: NameTable) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, key: NameKey) -> bytes:
        if len(self) >= MAX_CACHED_NAMES:
            self.clear()
        name = self._names[key].encode()
        pickled = self[key] = _TEXT + _TEXT_LENGTH.pack(len(name)) + name if name else b""
        return pickled


def entries(points: Iterable[Point], names: PickledNames) -> list[bytes]:
    """Return one entry a point, in their order, without nameless points; all numbers become floats."""
    pack = _NUMBERS.pack
    return [
        name + pack(_FLOAT, point.timestamp, _FLOAT, point.value, _PAIRS)
        for point in points
        if (name := names[(point.path, point.labels) if point.labels else point.path])
    ]


def frames(pickled: Sequence[bytes]) -> bytes:
    """Return entries as one frame, or as several where one would be longer than carbon takes."""
    body = b"".join((_HEAD, *pickled, _TAIL))
    if len(body) > MAX_FRAME_BYTES:
        half = len(pickled) // 2
        return frames(pickled[:half]) + frames(pickled[half:])
    return _FRAME_LENGTH.pack(len(body)) + body


def parse_frames(data: bytes) -> list[Point]:
    """Return the points of frames that `frames` wrote, each with its whole name as the only element.

    Raises ValueError where the bytes are anything else.
    """
    points: list[Point] = []
    view = memoryview(data)
    while view:
        (length,) = _unpack(_FRAME_LENGTH, view, 0)
        end = _FRAME_LENGTH.size + length
        points.extend(_parse_pickle(_cut(view, _FRAME_LENGTH.size, end)))
        view = view[end:]
    if not points:
        raise ValueError("no point in it")
    return points


def _parse_pickle(body: memoryview) -> Iterator[Point]:
    end = len(body) - len(_TAIL)
    if body[: len(_HEAD)] != _HEAD or body[end:] != _TAIL:
        raise ValueError("not a list in pickle protocol 2")
    position = len(_HEAD)
    while position < end:
        name_start = position + len(_TEXT) + _TEXT_LENGTH.size
        if body[position : position + len(_TEXT)] != _TEXT:
            raise ValueError(f"no name at byte {position} of the pickle")
        (length,) = _unpack(_TEXT_LENGTH, body, position + len(_TEXT))
        name_end = name_start + length
        name = str(_cut(body, name_start, name_end), "utf-8")
        *marks, pairs = _unpack(_NUMBERS, body, name_end)
        float_mark, timestamp, value_mark, value = marks
        if (float_mark, value_mark, pairs) != (_FLOAT, _FLOAT, _PAIRS):
            raise ValueError(f"no numbers at byte {name_end} of the pickle")
        yield named_point(name, value, timestamp)
        position = name_end + _NUMBERS.size
    if position != end:
        raise ValueError("the pickle has no proper end")


def _cut(view: memoryview, start: int, end: int) -> memoryview:
    if end > len(view):
        raise ValueError(f"cut off after {len(view)} bytes")
    return view[start:end]


def _unpack(layout: struct.Struct, view: memoryview, position: int) -> tuple[Any, ...]:
    _cut(view, position, position + layout.size)
    return layout.unpack_from(view, position)
