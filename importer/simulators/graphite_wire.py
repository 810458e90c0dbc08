"""What carbon makes of the bytes that it receives, as plain lines or as pickles, read as strictly as it does."""

import io
import math
import pickle
import pickletools
import reprlib
import struct
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

Protocol = Literal["plain", "pickle"]

MAX_LINE_BYTES = 16_384
"""carbon drops a connection that sends a longer line."""
MAX_FRAME_BYTES = 2**20
"""carbon drops a connection that announces a longer pickle."""
_MEMO_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


class ReceivedPoint(NamedTuple):
    """One point as carbon would store it."""

    name: str
    timestamp: float
    value: float


class Parsed(NamedTuple):
    """What carbon makes of some bytes."""

    used_bytes: int
    """Up to the end of the last whole line or pickle; the rest waits for more."""
    points: list[ReceivedPoint]
    problems: list[str]
    """What carbon would throw away, and why."""
    broken: bool
    """Whether carbon would drop the connection."""


def parse_plain(data: bytes) -> Parsed:
    """Read plain lines as carbon does.

    >>> parse_plain(b"a.b 1 1462147200\\na.b one 1462147200\\na.b 3")
    ... # doctest: +NORMALIZE_WHITESPACE
    Parsed(used_bytes=36, points=[ReceivedPoint(name='a.b', timestamp=1462147200.0, value=1.0)],
           problems=["b'a.b one 1462147200': could not convert string to float: 'one'"], broken=False)
    """
    points: list[ReceivedPoint] = []
    problems: list[str] = []
    used_bytes = 0
    *lines, rest = data.split(b"\n")
    for line in lines:
        if len(line) > MAX_LINE_BYTES:
            break
        used_bytes += len(line) + 1
        try:
            name, value, timestamp = line.decode().split()
            points += _stored(name, float(timestamp), float(value))
        except ValueError as error:
            problems.append(f"{line!r:.200}: {error}")
    else:
        if len(rest) <= MAX_LINE_BYTES:
            return Parsed(used_bytes, points, problems, broken=False)
    return Parsed(used_bytes, points, [*problems, f"a line of more than {MAX_LINE_BYTES} bytes"], broken=True)


def parse_pickle(data: bytes) -> Parsed:
    """Read length-prefixed pickles as carbon does, refusing whatever names a global."""
    points: list[ReceivedPoint] = []
    problems: list[str] = []
    used_bytes = 0
    while len(data) - used_bytes >= 4:
        (length,) = struct.unpack_from(">I", data, used_bytes)
        end = used_bytes + 4 + length
        if length > MAX_FRAME_BYTES:
            problems.append(f"a pickle of {length} bytes")
            return Parsed(used_bytes, points, problems, broken=True)
        if end > len(data):
            break
        _read_frame(data[used_bytes + 4 : end], points, problems)
        used_bytes = end
    return Parsed(used_bytes, points, problems, broken=False)


def _read_frame(frame: bytes, points: list[ReceivedPoint], problems: list[str]) -> None:
    try:
        _check_memo(frame)
        items = _SafeUnpickler(io.BytesIO(frame)).load()
    # The list is that of the pickle module's documentation, and what its opcodes were seen to raise on rubbish.
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        LookupError,
        EOFError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        problems.append(f"{frame!r:.200}: {error!r}")
        return
    for item in items if isinstance(items, list) else [items]:
        try:
            name, (timestamp, value) = item
            if not isinstance(name, str):
                raise TypeError(f"the name is {type(name).__name__}")
            points += _stored(name, float(timestamp), float(value))
        except (TypeError, ValueError, OverflowError) as error:
            problems.append(f"{_in_short(item):.200}: {error!s:.200}")


def _check_memo(frame: bytes) -> None:
    """Raise ValueError or UnpicklingError where a few bytes would make the unpickler take much memory.

    Its memo is an array as long as the highest index, which may be 2**32 - 1; whoever writes a pickle numbers what
    is in it, so that no index comes up to the count of bytes. Lengths that go beyond the frame are found on the way.
    """
    for opcode, index, _ in pickletools.genops(frame):
        if opcode.name in _MEMO_OPCODES and isinstance(index, int) and not 0 <= index < len(frame):
            raise pickle.UnpicklingError(f"the pickle numbers an object {index}")


def _in_short(item: object) -> str:
    """Return a repr of bounded size and depth: an item may hold itself, or one list twice at each of many levels."""
    return _SHORT_REPR.repr(item)


def _stored(name: str, timestamp: float, value: float) -> list[ReceivedPoint]:
    # carbon passes over what is not a number without a word.
    return [] if math.isnan(value) else [ReceivedPoint(name, timestamp, value)]


class _SafeUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"the pickle names the global {module}.{name}")


class _ShortRepr(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out integers of thousands of digits.
        return super().repr_int(x, level) if x.bit_length() < 1000 else f"<integer of {x.bit_length()} bits>"


_SHORT_REPR = _ShortRepr()
_SHORT_REPR.maxstring = 100

PARSERS: Mapping[Protocol, Callable[[bytes], Parsed]] = {"plain": parse_plain, "pickle": parse_pickle}
"""How each protocol is read."""
