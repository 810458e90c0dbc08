"""The receiver reads what carbon reads, and treats connections as badly as it is told."""

import pickle
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.simulators.graphite import (
    MAX_FRAME_BYTES,
    MAX_LINE_BYTES,
    GraphiteReceiver,
    Mode,
    ReceivedConnection,
    ReceivedPoint,
    accept_then_close,
    never_reads,
    no_close,
    normal,
    parse_pickle,
    parse_plain,
    reset_after,
    slow,
)

TIMEOUT_SECONDS = 10
LINE = b"shop.dau 48213 1462147200.000\n"
POINT = ReceivedPoint("shop.dau", 1462147200.0, 48213.0)

names = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
points = st.lists(st.builds(ReceivedPoint, names, numbers, numbers), max_size=20)


def connect(receiver: GraphiteReceiver) -> socket.socket:
    return socket.create_connection((receiver.host, receiver.port), timeout=TIMEOUT_SECONDS)


def send(receiver: GraphiteReceiver, data: bytes) -> None:
    """Send as a careful client does: half-close, then wait for the receiver's end-of-file."""
    with connect(receiver) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def frame(items: object, *, protocol: int = 2) -> bytes:
    body = pickle.dumps(items, protocol)
    return struct.pack(">I", len(body)) + body


def plain(items: list[ReceivedPoint]) -> bytes:
    return "".join(f"{name} {value!r} {timestamp!r}\n" for name, timestamp, value in items).encode()


@pytest.fixture
def receiver() -> Iterator[GraphiteReceiver]:
    with GraphiteReceiver() as receiver:
        yield receiver


@pytest.fixture
def tight() -> Iterator[GraphiteReceiver]:
    """A receiver whose kernel buffer fills up quickly."""
    with GraphiteReceiver(receive_buffer_bytes=4096) as receiver:
        yield receiver


# Reading


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


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_breaks_the_connection_off(receiver: GraphiteReceiver, end: bytes) -> None:
    with connect(receiver) as client:
        client.sendall(LINE + b"x" * (MAX_LINE_BYTES + 1) + end)
        assert client.recv(1) == b""
    assert receiver.points == (POINT,)
    assert receiver.connections[0].problems == (f"a line of more than {MAX_LINE_BYTES} bytes",)


def test_a_pickle_that_is_too_long_breaks_the_connection_off() -> None:
    with GraphiteReceiver("pickle") as receiver, connect(receiver) as client:
        client.sendall(frame([("shop.dau", (1462147200, 48213))]) + struct.pack(">I", MAX_FRAME_BYTES + 1))
        assert client.recv(1) == b""
        assert receiver.points == (POINT,)
        assert receiver.connections[0].problems == (f"a pickle of {MAX_FRAME_BYTES + 1} bytes",)


# Behaviour


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_bytes_points_and_the_half_close_are_recorded(host: str) -> None:
    with GraphiteReceiver(host=host) as receiver:
        send(receiver, LINE + b"shop.mau 1")
        receiver.wait_until(lambda: receiver.connections[0].closed)
        (connection,) = receiver.connections
        assert (connection.raw, connection.unparsed) == (LINE + b"shop.mau 1", b"shop.mau 1")
        assert connection.points == receiver.points == (POINT,)
        assert connection.ended
        assert connection.byte_count == len(LINE) + 10


def test_points_are_seen_while_the_connection_is_open(receiver: GraphiteReceiver) -> None:
    with connect(receiver) as client:
        for count in (1, 2):
            client.sendall(LINE)
            assert receiver.wait_for_points(count) == (POINT,) * count
        assert not receiver.connections[0].ended
        assert not receiver.connections[0].closed


def test_pickles_arrive_in_pieces() -> None:
    items = [(f"shop.metric{number}", (1462147200, number)) for number in range(20_000)]
    data = frame(items)
    with GraphiteReceiver("pickle") as receiver:
        send(receiver, data[:3])
        send(receiver, data)
        assert [point.name for point in receiver.wait_for_points(20_000)] == [name for name, _ in items]
        assert receiver.connections[0].unparsed == data[:3]


def test_connections_are_served_side_by_side(receiver: GraphiteReceiver) -> None:
    with connect(receiver) as first, connect(receiver) as second:
        second.sendall(LINE)
        receiver.wait_for_points(1)
        first.sendall(LINE)
        receiver.wait_for_points(2)
        assert [len(connection.points) for connection in receiver.wait_for_connections(2)] == [1, 1]


def test_waiting_in_vain_is_told(receiver: GraphiteReceiver) -> None:
    send(receiver, LINE)
    with pytest.raises(TimeoutError, match="connections=1 points=1"):
        receiver.wait_for_points(2, timeout_seconds=0.01)


def test_a_client_that_breaks_off_is_no_half_close(receiver: GraphiteReceiver) -> None:
    with connect(receiver) as client:
        client.sendall(LINE)
        receiver.wait_for_points(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    receiver.wait_until(lambda: receiver.connections[0].closed)
    assert not receiver.connections[0].ended


def test_no_close_keeps_its_side_open(receiver: GraphiteReceiver) -> None:
    receiver.mode = no_close
    with connect(receiver) as client:
        client.sendall(LINE)
        client.shutdown(socket.SHUT_WR)
        (connection,) = receiver.wait_for_connections(1)
        receiver.wait_until(lambda: connection.ended)
        assert receiver.points == (POINT,)
        client.settimeout(0.02)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_never_reads_lets_the_buffers_fill(tight: GraphiteReceiver) -> None:
    tight.mode = never_reads
    with connect(tight) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.sendall(LINE * 100_000)
        assert tight.wait_for_connections(1)[0].byte_count == 0


def test_accept_then_close(receiver: GraphiteReceiver) -> None:
    receiver.mode = accept_then_close
    with connect(receiver) as client:
        assert client.recv(1) == b""
    assert receiver.wait_for_connections(1)[0].raw == b""


def test_reset_after_reads_just_that_much(receiver: GraphiteReceiver) -> None:
    receiver.mode = reset_after(len(LINE) + 5)
    with connect(receiver) as client:
        client.sendall(LINE * 10)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert receiver.connections[0].raw == LINE + LINE[:5]
    assert receiver.points == (POINT,)


def test_reset_after_more_than_comes_is_a_normal_end(receiver: GraphiteReceiver) -> None:
    receiver.mode = reset_after(1000)
    send(receiver, LINE)
    assert receiver.points == (POINT,)


def test_slow_reads_when_told(receiver: GraphiteReceiver) -> None:
    receiver.mode = slow(10)
    with connect(receiver) as client:
        client.sendall(LINE)
        receiver.tick(2)
        receiver.wait_until(lambda: sum(connection.byte_count for connection in receiver.connections) == 20)
        assert receiver.points == ()
        receiver.tick()
        assert receiver.wait_for_points(1) == (POINT,)
        client.shutdown(socket.SHUT_WR)
        receiver.tick()
        assert client.recv(1) == b""


def test_a_mode_is_for_connections_to_come(receiver: GraphiteReceiver) -> None:
    with connect(receiver) as before:
        receiver.wait_for_connections(1)
        receiver.mode = never_reads
        before.sendall(LINE)
        receiver.wait_for_points(1)
        receiver.mode = normal
        send(receiver, LINE)
        receiver.wait_for_points(2)


def test_open_connections_can_be_broken(receiver: GraphiteReceiver) -> None:
    with connect(receiver) as client:
        client.sendall(LINE)
        receiver.wait_for_points(1)
        receiver.reset_connections()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert not receiver.connections[0].ended
    send(receiver, LINE)
    assert len(receiver.wait_for_points(2)) == 2


def test_stopped_it_refuses_and_started_again_it_has_the_same_port(receiver: GraphiteReceiver) -> None:
    send(receiver, LINE)
    port = receiver.port
    receiver.stop()
    with pytest.raises(ConnectionRefusedError):
        connect(receiver)
    receiver.start()
    assert receiver.port == port
    send(receiver, LINE)
    assert receiver.wait_for_points(2) == (POINT, POINT)


def one_byte(connection: ReceivedConnection) -> None:
    connection.read(1)
    connection.wait_until(lambda: False)


@pytest.mark.parametrize("mode", [normal, no_close, never_reads, slow(1), one_byte])
def test_stopping_frees_every_client(mode: Mode) -> None:
    receiver = GraphiteReceiver(mode=mode)
    with receiver:
        client = connect(receiver)
        client.sendall(LINE)
        receiver.wait_for_connections(1)
    with closing(client):
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            assert receiver.connections[0].byte_count < len(LINE)  # bytes left unread turn the end into a reset
    assert receiver.connections[0].closed


def test_discarding_it_keeps_nothing() -> None:
    with GraphiteReceiver(discard=True) as receiver:
        send(receiver, LINE * 1000)
        assert (receiver.points, receiver.connections) == ((), ())


@pytest.fixture
def start_process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "importer.simulators.graphite", *arguments]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        with process:
            process.kill()


@pytest.mark.parametrize("arguments", [("--discard",), ("--protocol", "pickle")])
def test_as_a_process_it_tells_its_port_and_stops_at_a_signal(
    start_process: Callable[..., subprocess.Popen[str]], arguments: tuple[str, ...]
) -> None:
    process = start_process("--port", "0", *arguments)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as client:
        client.sendall(frame([("shop.dau", (1462147200, 48213))]))
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    process.terminate()
    assert process.wait(TIMEOUT_SECONDS) == 0
