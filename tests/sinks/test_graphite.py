import itertools
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.points import Payload, Point
from importer.sinks.carbon_pickle import parse_frames
from importer.sinks.graphite import GraphiteProtocol, GraphiteSink
from importer.sinks.naming import Naming
from tests.sinks.receivers import (
    Behaviour,
    Receiver,
    answer_with,
    babble,
    close_after_some,
    close_at_once,
    close_unread,
    drip,
    never_close,
    never_read,
    read_everything,
    read_in_crumbs,
    reset,
    stop_writing_at_once,
)
from tests.sinks.strategies import POINTS

POINT = Point(("shop", "Bike Shop", "dau"), 48213, 1462147200)
LINE = b"shop.Bike_Shop.dau 48213 1462147200.000\n"
MEGABYTES = Payload(LINE * 200_000, points=200_000, format="plain")
"""More than the kernel's buffers take."""
BATCH = Payload(LINE * 500, points=500, format="plain")
PROTOCOLS: tuple[GraphiteProtocol, ...] = ("plain", "pickle")


def sink_for(
    receiver: Receiver, *, protocol: GraphiteProtocol = "plain", timeout_seconds: float = 30.0
) -> GraphiteSink:
    return GraphiteSink(
        host=receiver.host, port=receiver.port, protocol=protocol, max_buffer=500, timeout_seconds=timeout_seconds
    )


def payload_of(sink: GraphiteSink, *points: Point) -> Payload:
    (payload,) = sink.encode(points)
    return payload


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def failure(behaviour: Behaviour, payload: Payload, *, timeout_seconds: float = 30.0) -> SinkError:
    with Receiver(behaviour) as receiver:
        sink = sink_for(receiver, timeout_seconds=timeout_seconds)
        with pytest.raises(SinkError) as caught:
            sink.deliver(payload)
    assert str(caught.value).startswith(f"{sink.lane}: ")
    return caught.value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_points_are_framed_by_max_buffer_and_keep_their_order(protocol: GraphiteProtocol) -> None:
    sink = GraphiteSink(host="h", port=1, protocol=protocol, max_buffer=3)
    points = [Point(("n", str(number)), number, 60) for number in range(7)]
    payloads = sink.encode(iter(points))
    assert [payload.points for payload in payloads] == [3, 3, 1]
    assert {payload.format for payload in payloads} == {protocol}
    single = GraphiteSink(host="h", port=1, protocol=protocol, max_buffer=1).encode(points)
    if protocol == "plain":
        assert b"".join(payload.data for payload in payloads) == b"".join(payload.data for payload in single)


def test_the_example_of_the_specification_is_written_to_the_letter() -> None:
    sink = GraphiteSink(host="h", port=1)
    point = Point(("apteligent", "Bike Shop", "daily", "appLoads"), 12345678, 1462060800)
    assert payload_of(sink, point).data == b"apteligent.Bike_Shop.daily.appLoads 12345678 1462060800.000\n"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_point_whose_name_is_too_long_does_not_cost_the_others(protocol: GraphiteProtocol) -> None:
    sink = GraphiteSink(host="h", port=1, protocol=protocol)
    too_long = Point(("x" * 16_001,), 1, 60)
    assert sink.encode([POINT, too_long]) == sink.encode([POINT])
    assert sink.encode([too_long]) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_naming_options_name_the_points(protocol: GraphiteProtocol) -> None:
    naming = Naming(prefix="acme", suffix="_raw", system_name="", lowercase_metric_names=True)
    sink = GraphiteSink(host="h", port=1, protocol=protocol, naming=naming)
    assert b"acme.shop.bike_shop.dau_raw" in payload_of(sink, POINT).data
    assert list(sink.preview([POINT])) == ["acme.shop.bike_shop.dau_raw 48213 1462147200.000"]


@pytest.mark.parametrize(
    ("host", "lane"),
    [("carbon.example", "plain://carbon.example:2003"), ("::1", "plain://[::1]:2003")],
)
def test_the_lane_is_the_address(host: str, lane: str) -> None:
    assert GraphiteSink(host=host, port=2003).lane == lane


@pytest.mark.parametrize(
    ("host", "port", "max_buffer", "complaint"),
    [
        ("", 2003, 500, "host"),
        ("carbon..example", 2003, 500, "host"),
        ("a" * 64, 2003, 500, "host"),
        ("carbon example", 2003, 500, "host"),
        ("carbon\n", 2003, 500, "host"),
        ("carbon", 0, 500, "port"),
        ("carbon", 65536, 500, "port"),
        ("carbon", 2003, 0, "max_buffer"),
    ],
)
def test_an_impossible_address_or_size_is_refused(host: str, port: int, max_buffer: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        GraphiteSink(host=host, port=port, max_buffer=max_buffer)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("behaviour", [read_everything, read_in_crumbs])
def test_a_receiver_that_reads_to_the_end_gets_every_byte(behaviour: Behaviour, protocol: GraphiteProtocol) -> None:
    with Receiver(behaviour) as receiver:
        sink = sink_for(receiver, protocol=protocol)
        payload = payload_of(sink, *(Point(("shop", str(number)), number, 60) for number in range(500)))
        sink.deliver(payload)
        assert receiver.next_received() == payload.data


def test_a_payload_larger_than_the_kernels_buffers_arrives_whole() -> None:
    with Receiver(read_everything) as receiver:
        sink_for(receiver).deliver(MEGABYTES)
        assert receiver.next_received() == MEGABYTES.data


def test_each_payload_has_a_connection_of_its_own() -> None:
    with Receiver(read_everything) as receiver:
        sink = sink_for(receiver)
        for number in range(3):
            sink.deliver(payload_of(sink, Point(("n",), number, 60)))
        assert [receiver.next_received() for _ in range(3)] == [b"n %d 60.000\n" % number for number in range(3)]


def test_a_receiver_on_ipv6_is_reached() -> None:
    try:
        receiver = Receiver(read_everything, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with receiver:
        sink_for(receiver).deliver(Payload(LINE, points=1, format="plain"))
        assert receiver.next_received() == LINE


def test_every_address_of_a_name_is_tried() -> None:
    with Receiver(read_everything) as receiver:  # on 127.0.0.1 alone, whatever else localhost is
        GraphiteSink(host="localhost", port=receiver.port).deliver(Payload(LINE, points=1, format="plain"))
        assert receiver.next_received() == LINE


def test_a_refused_connection_is_unavailable_in_plain_words() -> None:
    port = unused_port()
    sink = GraphiteSink(host="127.0.0.1", port=port)
    with pytest.raises(SinkUnavailable) as caught:
        sink.deliver(Payload(LINE, points=1, format="plain"))
    assert str(caught.value) == f"plain://127.0.0.1:{port}: connection refused"


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    sink = GraphiteSink(host="carbon.invalid", port=2003)
    with pytest.raises(SinkUnavailable, match=r"plain://carbon\.invalid:2003: host name does not resolve: "):
        sink.deliver(Payload(LINE, points=1, format="plain"))


def test_an_address_that_does_not_answer_is_unavailable() -> None:
    # A listener whose queue is full leaves further connections unanswered.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        sink = GraphiteSink(host=address[0], port=address[1], connect_timeout_seconds=0.1)
        with pytest.raises(SinkUnavailable, match=r"no answer within 0\.1 s"):
            sink.deliver(Payload(LINE, points=1, format="plain"))
        for client in waiting:
            client.close()


@pytest.mark.parametrize(
    ("behaviour", "payload"),
    [
        *itertools.product((close_unread, close_at_once, close_after_some, reset), (BATCH, MEGABYTES)),
        (stop_writing_at_once, MEGABYTES),  # a small payload may all be sent before that end-of-file comes
    ],
)
def test_a_receiver_that_does_not_read_to_the_end_has_not_got_it(behaviour: Behaviour, payload: Payload) -> None:
    error = failure(behaviour, payload)
    assert isinstance(error, SinkUnavailable)
    assert "before" in str(error)


def test_an_end_of_file_does_not_count_while_bytes_are_unacknowledged() -> None:
    # The sender looks at the clock for its deadline, the connection, the one write, and the wait for the end-of-file.
    ticks = iter(range(4))
    half_closed = threading.Event()

    def clock() -> float:
        if next(ticks, None) == 3:
            half_closed.set()
        return time.monotonic()

    def stop_writing_after_the_senders_half_close(receiver: Receiver, connection: socket.socket) -> None:
        half_closed.wait(30)
        connection.shutdown(socket.SHUT_WR)
        receiver.closing.wait(30)

    with Receiver(stop_writing_after_the_senders_half_close, window_bytes=1024) as receiver:
        sink = GraphiteSink(host=receiver.host, port=receiver.port, clock=clock)
        with pytest.raises(SinkUnavailable, match="closed before it had read everything"):
            sink.deliver(Payload(LINE * 750, points=750, format="plain"))


@pytest.mark.parametrize(
    ("behaviour", "payload", "complaint"),
    [
        (never_read, MEGABYTES, "did not read everything"),
        (drip, MEGABYTES, "did not read everything"),
        (never_read, Payload(LINE, points=1, format="plain"), "did not close the connection"),
        (never_close, Payload(LINE, points=1, format="plain"), "did not close the connection"),
    ],
)
def test_a_receiver_that_never_ends_is_given_up_in_bounded_time(
    behaviour: Behaviour, payload: Payload, complaint: str
) -> None:
    error = failure(behaviour, payload, timeout_seconds=0.3)
    assert isinstance(error, SinkUnavailable)
    assert complaint in str(error)
    assert "within 0.3 s" in str(error)


def test_what_was_given_up_ends_in_a_reset_so_that_half_a_line_is_no_point() -> None:
    outcomes: list[object] = []

    def read_after_the_end(receiver: Receiver, connection: socket.socket) -> None:
        receiver.closing.wait(30)
        try:
            while connection.recv(65536):
                pass
            outcomes.append("end of file")
        except ConnectionResetError:
            outcomes.append("reset")

    failure(read_after_the_end, MEGABYTES, timeout_seconds=0.2)
    assert outcomes == ["reset"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP"),
        (b"<!DOCTYPE HTML>", "speaks HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "speaks TLS"),
        (b"bye\n", "answers, as Graphite never does"),
    ],
)
def test_a_server_of_another_protocol_is_a_wrong_address(answer: bytes, told: str) -> None:
    error = failure(answer_with(answer), Payload(LINE, points=1, format="plain"))
    assert isinstance(error, SinkRefused)
    assert told in str(error)


def test_a_server_that_talks_without_end_is_no_receiver() -> None:
    error = failure(babble, MEGABYTES)
    assert isinstance(error, SinkRefused)
    assert "answers, as Graphite never does" in str(error)


def test_delivery_works_again_once_the_receiver_is_back() -> None:
    port = unused_port()
    sink = GraphiteSink(host="127.0.0.1", port=port)
    payload = payload_of(sink, POINT)
    with pytest.raises(SinkUnavailable):
        sink.deliver(payload)
    with Receiver(read_everything, port=port) as receiver:
        sink.deliver(payload)
        assert receiver.next_received() == LINE


@pytest.mark.parametrize(("kept", "now"), list(itertools.permutations(PROTOCOLS)))
def test_a_payload_kept_in_the_other_protocol_is_translated(kept: GraphiteProtocol, now: GraphiteProtocol) -> None:
    point = Point(("shop", "é"), 0.1, 1462147200.25, (("zone", "eu"),))
    with Receiver(read_everything) as receiver:
        sink = sink_for(receiver, protocol=now)
        sink.deliver(payload_of(GraphiteSink(host="gone", port=1, protocol=kept), point))
        assert receiver.next_received() == payload_of(sink, point).data


@given(st.lists(POINTS, min_size=1, max_size=4))
def test_translating_there_and_back_changes_no_value(points: list[Point]) -> None:
    plain = GraphiteSink(host="h", port=1)
    pickled = GraphiteSink(host="h", port=1, protocol="pickle")
    original = payload_of(pickled, *points)
    there = Payload(plain._translated(original), points=len(points), format="plain")
    back = parse_frames(pickled._translated(there))
    assert [point.value for point in back] == [float(point.value) for point in points]


@pytest.mark.parametrize(
    ("payload", "now"),
    [
        (Payload(b"shop.dau 1", points=1, format="plain"), "pickle"),
        (Payload(b"\x00\x00\x00\x05hello", points=1, format="pickle"), "plain"),
        (Payload(b"", points=1, format="pickle"), "plain"),
        (Payload(b"[]", points=1, format="rows"), "plain"),
    ],
)
def test_a_damaged_or_foreign_payload_is_rejected_before_anything_is_sent(
    payload: Payload, now: GraphiteProtocol
) -> None:
    sink = GraphiteSink(host="127.0.0.1", port=unused_port(), protocol=now)
    with pytest.raises(Rejected):
        sink.deliver(payload)


def test_check_says_who_answers_and_sends_nothing() -> None:
    with Receiver(read_everything) as receiver:
        sink = sink_for(receiver)
        assert sink.check() == f"{sink.lane} answers"
        assert receiver.next_received() == b""


def test_check_tells_that_nobody_answers() -> None:
    with pytest.raises(SinkUnavailable, match="connection refused"):
        GraphiteSink(host="127.0.0.1", port=unused_port()).check()
