"""What the receiver reads is what carbon reads, and no bytes cost it more than they should."""

import pickle
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.simulators.graphite_wire import ReceivedPoint, parse_pickle, parse_plain
from tests.simulators.graphite_frames import LINE, POINT, frame

names = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
points = st.lists(st.builds(ReceivedPoint, names, numbers, numbers), max_size=20)


def plain(items: list[ReceivedPoint]) -> bytes:
    return "".join(f"{name} {value!r} {timestamp!r}\n" for name, timestamp, value in items).encode()


@given(items=points, cut=st.integers(0, 50))
def test_plain_lines_are_read_back_and_an_unfinished_one_waits(items: list[ReceivedPoint], cut: int) -> None:
    data = plain(items)
    parsed = parse_plain(data)
    assert (parsed.points, parsed.used_bytes, parsed.problems, parsed.broken) == (items, len(data), [], False)
    start = parse_plain(data[: max(0, len(data) - cut)])
    rest = parse_plain(data[start.used_bytes :])
    assert start.points + rest.points == items


@given(batches=st.lists(points, max_size=4), cut=st.integers(0, 50))
def test_pickles_are_read_back_and_an_unfinished_one_waits(batches: list[list[ReceivedPoint]], cut: int) -> None:
    data = b"".join(frame([(point.name, (point.timestamp, point.value)) for point in batch]) for batch in batches)
    items = [point for batch in batches for point in batch]
    parsed = parse_pickle(data)
    assert (parsed.points, parsed.used_bytes, parsed.problems, parsed.broken) == (items, len(data), [], False)
    start = parse_pickle(data[: max(0, len(data) - cut)])
    rest = parse_pickle(data[start.used_bytes :])
    assert start.points + rest.points == items


@pytest.mark.parametrize("line", [b"only.name", b"a b c d", b"a one 1462147200", b"a 1 noon", b"\xff 1 2", b""])
def test_a_line_that_carbon_throws_away_costs_no_other(line: bytes) -> None:
    parsed = parse_plain(line + b"\n" + LINE)
    assert parsed.points == [POINT]
    assert len(parsed.problems) == 1


def test_what_is_not_a_number_is_passed_over_like_carbon_does() -> None:
    assert parse_plain(b"a nan 1462147200\n" + LINE).points == [POINT]
    assert parse_pickle(frame([("a", (1, float("nan")))])) == (len(frame([("a", (1, float("nan")))])), [], [], False)


@pytest.mark.parametrize(
    "items",
    [
        [("a", (1462147200, print))],
        [("a", (1462147200, 1)), ReceivedPoint("a", 1.0, 1.0)],
        [(b"bytes.name", (1462147200, 1))],
    ],
)
def test_a_pickle_that_names_a_global_is_refused_whole(items: object) -> None:
    parsed = parse_pickle(frame(items) + frame([("shop.dau", (1462147200, 48213))]))
    assert parsed.points == [POINT]
    assert len(parsed.problems) == 1
    assert "names the global" in parsed.problems[0]


@pytest.mark.parametrize("item", ["text", ("a",), ("a", 1), ("a", (1, "x")), (1, (1, 1)), None])
def test_a_pickled_item_that_is_no_point_costs_no_other(item: object) -> None:
    parsed = parse_pickle(frame([item, ("shop.dau", (1462147200, 48213))]))
    assert parsed.points == [POINT]
    assert len(parsed.problems) == 1


def test_bytes_as_a_name_are_no_name() -> None:
    parsed = parse_pickle(frame([(b"shop.dau", (1462147200, 48213))], protocol=3))
    assert (parsed.points, len(parsed.problems)) == ([], 1)


def test_a_damaged_pickle_is_a_problem_and_the_next_is_read() -> None:
    good = frame([("shop.dau", (1462147200, 48213))])
    for end in range(len(good) - 4):
        damaged = struct.pack(">I", end) + good[4 : 4 + end]
        parsed = parse_pickle(damaged + good)
        assert (parsed.points, len(parsed.problems), parsed.broken) == ([POINT], 1, False)


GOOD = frame([("shop.dau", (1462147200, 48213))])
SHARED_LISTS = b"]q\x00" + b"".join(b"]q%c(h%ch%ce" % (level, level - 1, level - 1) for level in range(1, 60))
"""A list that holds one twice that holds one twice, and so on: little in memory, without end when written out."""


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    "body",
    [
        b"Nr\x00\x00\x00\x01.",
        b"Nr\xff\xff\xff\xff.",
        b"Np16777216\n.",
        b"Np-1\n.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**26) + b".",
        b"\x80\x05\x96" + struct.pack("<Q", 2**26) + b".",
    ],
    ids=["memo index", "highest memo index", "memo index as text", "negative memo index", "bytes", "bytearray"],
)
def test_a_few_bytes_that_ask_for_much_memory_do_not_get_it(body: bytes) -> None:
    tracemalloc.start()
    try:
        parsed = parse_pickle(framed(body) + GOOD)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (parsed.points, len(parsed.problems), parsed.broken) == ([POINT], 1, False)
    assert peak_bytes < 2**20


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_pickle_itself_numbers_is_never_too_much(protocol: int) -> None:
    items = [(f"shop.metric{number}", (number, -number)) for number in range(1000)]
    parsed = parse_pickle(frame(items, protocol=protocol))
    assert (len(parsed.points), parsed.problems) == (1000, [])


@pytest.mark.parametrize(
    "body",
    [
        SHARED_LISTS + b".",
        b"]" * 200_000 + b"a" * 199_999 + b".",
        pickle.dumps([("a", (10**400, 1))]),
        pickle.dumps([10**5000]),
        pickle.dumps([("a", (1, "x" * 100_000))]),
    ],
    ids=["shared lists", "deep lists", "integer beyond floats", "integer too long to write", "long text"],
)
def test_an_odd_item_is_told_in_short(body: bytes) -> None:
    parsed = parse_pickle(framed(body) + GOOD)
    assert parsed.points == [POINT]
    assert parsed.problems
    assert all(len(problem) < 1000 for problem in parsed.problems)


@given(body=st.binary(max_size=40))
def test_no_bytes_stop_the_reader(body: bytes) -> None:
    parsed = parse_pickle(framed(body) + GOOD)
    assert (parsed.points[-1], parsed.used_bytes, parsed.broken) == (POINT, 4 + len(body) + len(GOOD), False)
