import io
import json
import pickle
import pickletools
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.points import Point
from importer.sinks.carbon_pickle import MAX_FRAME_BYTES, PickledNames, entries, frames, parse_frames
from importer.sinks.plain_text import Names
from tests.sinks.strategies import POINTS

Metric = tuple[str, tuple[float, float]]


class SafeUnpickler(pickle.Unpickler):
    """Refuses globals, as carbon does; it allows a few harmless ones, we need none."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"{module}.{name} is a global")


def read_back(data: bytes) -> list[Metric]:
    """Read frames as carbon's pickle receiver does."""
    stream = io.BytesIO(data)
    metrics: list[Metric] = []
    while head := stream.read(4):
        (length,) = struct.unpack("!L", head)
        assert length <= MAX_FRAME_BYTES
        frame = stream.read(length)
        assert len(frame) == length
        metrics += SafeUnpickler(io.BytesIO(frame)).load()
    return metrics


def encode(*points: Point) -> bytes:
    return frames(entries(points, PickledNames(Names())))


@given(st.lists(POINTS, min_size=1, max_size=5))
def test_carbon_reads_back_every_name_time_and_value_as_text_and_floats(points: list[Point]) -> None:
    names = Names()
    metrics = read_back(encode(*points))
    assert metrics == [
        (names[point.path, point.labels], (float(point.timestamp), float(point.value))) for point in points
    ]
    for name, numbers in metrics:
        assert [type(name), *map(type, numbers)] == [str, float, float]


def test_a_frame_is_protocol_two_without_a_global() -> None:
    frame = encode(Point(("a", "b"), 1, 60), Point(("c",), 2.5, 61))
    (length,) = struct.unpack("!L", frame[:4])
    assert length == len(frame) - 4
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops(frame[4:])}
    assert opcodes == {"PROTO", "EMPTY_LIST", "MARK", "BINUNICODE", "BINFLOAT", "TUPLE2", "APPENDS", "STOP"}


def test_many_points_are_split_into_frames_that_carbon_takes() -> None:
    points = [Point(("a" * 10_000, str(number)), number, number) for number in range(500)]
    data = encode(*points)
    assert len(data) > 4 * MAX_FRAME_BYTES
    assert [value for _, (_, value) in read_back(data)] == list(range(500))
    assert [point.value for point in parse_frames(data)] == list(range(500))


@given(st.lists(POINTS, min_size=1, max_size=5))
def test_frames_parse_to_the_points_they_were(points: list[Point]) -> None:
    names = Names()
    assert [(point.path, point.value, point.timestamp) for point in parse_frames(encode(*points))] == [
        ((names[point.path, point.labels],), float(point.value), float(point.timestamp)) for point in points
    ]


@given(st.binary(max_size=80))
def test_bytes_that_are_no_frames_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_frames(data)


@given(st.data())
def test_damaged_frames_are_a_value_error_or_still_clean_points(data: st.DataObject) -> None:
    frame = bytearray(encode(Point(("shop", "dau"), 1.5, 1462147200), Point(("é",), 2, 60)))
    position = data.draw(st.integers(0, len(frame) - 1))
    frame[position] ^= data.draw(st.integers(1, 255))
    try:
        points = parse_frames(bytes(frame))
    except ValueError:
        return
    assert read_back(encode(*points))


@given(st.integers(0, 60))
def test_a_frame_that_is_cut_off_is_a_value_error(kept: int) -> None:
    frame = encode(Point(("shop", "dau"), 1.5, 1462147200), Point(("é",), 2, 60))
    with pytest.raises(ValueError, match=r"cut off|no point"):
        parse_frames(frame[: min(kept, len(frame) - 1)])


def test_a_pickle_of_another_shape_is_never_run() -> None:
    pickled = pickle.dumps([("a", (1.0, print))], protocol=2)
    with pytest.raises(ValueError, match="pickle"):
        parse_frames(struct.pack("!L", len(pickled)) + pickled)


@pytest.mark.server("carbon-cache")
def test_carbons_own_unpickler_reads_a_frame() -> None:
    script = (
        "import io, json, sys\n"
        "from carbon.util import get_unpickler\n"
        "frame = sys.stdin.buffer.read()[4:]\n"
        "unpickler = get_unpickler(insecure=False)\n"
        "print(json.dumps(unpickler.loads(frame)))\n"
    )
    frame = encode(Point(("Fahrräder", "a b"), 0.1, 1462147200.25), Point(("c",), 10**22, 61))
    result = subprocess.run(
        ["/usr/bin/python3", "-c", script], input=frame, capture_output=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr.decode()
    assert json.loads(result.stdout) == [["Fahrräder.a_b", [1462147200.25, 0.1]], ["c", [61.0, 1e22]]]
