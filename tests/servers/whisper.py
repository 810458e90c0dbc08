"""What a whisper file holds, read from the file itself: exact, and quick for a huge file with few points."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

HEADER = struct.Struct("!2LfL")
"""Aggregation method, seconds kept, share of known points, number of archives."""
ARCHIVE = struct.Struct("!3L")
"""Offset, seconds per point, number of points."""
POINT = struct.Struct("!Ld")
"""Time stamp (0 where nothing was ever written) and value."""

MAX_DATA_BYTES = 64 * 1024 * 1024


def read_points(path: Path) -> dict[int, float]:
    """Return every point in the file's finest archive, seconds since 1970 -> value.

    Raises OSError, and ValueError for a file that is not (or not yet) whole or on a file system without holes.
    """
    with path.open("rb") as file:
        start = file.read(HEADER.size + ARCHIVE.size)
        if len(start) < HEADER.size + ARCHIVE.size:
            raise ValueError(f"{path} has no whole header yet")
        offset, _, count = ARCHIVE.unpack_from(start, HEADER.size)
        end = offset + count * POINT.size
        points: dict[int, float] = {}
        for begin, stop in _data_ranges(file.fileno(), offset, end):
            points.update(_points_between(file.fileno(), offset, begin, stop))
    return points


def _data_ranges(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of [start, end) that were ever written: a file of twenty years of seconds is mostly hole."""
    position = start
    while position < end:
        try:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        if begin >= end:
            return
        position = min(os.lseek(descriptor, begin, os.SEEK_HOLE), end)
        if position - begin > MAX_DATA_BYTES:
            raise ValueError("the file system of the temporary directory does not know holes in files")
        yield begin, position


def _points_between(descriptor: int, origin: int, begin: int, stop: int) -> Iterator[tuple[int, float]]:
    """Yield the points that lie in a part of the file, also where it cuts through the first or the last."""
    first = begin - (begin - origin) % POINT.size
    last = stop + (origin - stop) % POINT.size
    data = os.pread(descriptor, last - first, first)
    whole = data[: len(data) - len(data) % POINT.size]
    for timestamp, value in POINT.iter_unpack(whole):
        if timestamp:
            yield timestamp, value
