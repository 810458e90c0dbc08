"""The receiver records what comes, and treats connections as badly as it is told."""

import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from importer.simulators.graphite import GraphiteReceiver
from importer.simulators.graphite_connection import (
    Mode,
    ReceivedConnection,
    accept_then_close,
    never_reads,
    no_close,
    normal,
    reset_after,
    slow,
)
from importer.simulators.graphite_wire import MAX_FRAME_BYTES, MAX_LINE_BYTES
from tests.simulators.graphite_frames import LINE, POINT, frame

TIMEOUT_SECONDS = 10


def connect(receiver: GraphiteReceiver) -> socket.socket:
    return socket.create_connection((receiver.host, receiver.port), timeout=TIMEOUT_SECONDS)


def send(receiver: GraphiteReceiver, data: bytes) -> None:
    """Send as a careful client does: half-close, then wait for the receiver's end-of-file."""
    with connect(receiver) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


@pytest.fixture
def receiver() -> Iterator[GraphiteReceiver]:
    with GraphiteReceiver() as receiver:
        yield receiver


@pytest.fixture
def tight() -> Iterator[GraphiteReceiver]:
    """A receiver whose kernel buffer fills up quickly."""
    with GraphiteReceiver(receive_buffer_bytes=4096) as receiver:
        yield receiver


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
