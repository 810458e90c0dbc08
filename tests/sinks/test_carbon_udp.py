import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import Rejected, SinkUnavailable
from importer.simulators.udp import DatagramReceiver
from importer.sinks.carbon_udp import MAX_DATAGRAM_BYTES, UdpReceiver, datagrams

LINE = b"shop.dau 48213 1462147200\n"
LINES = st.lists(st.binary(max_size=9000).map(lambda line: line.replace(b"\n", b" ") + b"\n"), max_size=20)


def unused_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@given(LINES)
def test_datagrams_hold_whole_lines_in_their_order_and_are_never_too_large_without_need(lines: list[bytes]) -> None:
    parts = list(datagrams(b"".join(lines)))
    assert b"".join(parts) == b"".join(lines)
    assert all(part.endswith(b"\n") for part in parts)
    assert all(len(part) <= MAX_DATAGRAM_BYTES or part.count(b"\n") == 1 for part in parts)


@given(LINES)
def test_no_two_datagrams_would_fit_into_one(lines: list[bytes]) -> None:
    parts = list(datagrams(b"".join(lines)))
    firsts = [part[: part.index(b"\n") + 1] for part in parts[1:]]
    assert all(len(part) + len(first) > MAX_DATAGRAM_BYTES for part, first in zip(parts, firsts, strict=False))


@pytest.mark.parametrize(("second", "sizes"), [(4096, [8192]), (4097, [4096, 4097])])
def test_a_datagram_is_filled_to_the_last_byte(second: int, sizes: list[int]) -> None:
    data = b"x" * 4095 + b"\n" + b"x" * (second - 1) + b"\n"
    assert [len(part) for part in datagrams(data)] == sizes


def test_lines_arrive_in_datagrams() -> None:
    with DatagramReceiver() as receiver:
        UdpReceiver("udp://carbon", receiver.host, receiver.port).send(LINE * 500)
        parts = receiver.wait_for_datagrams(2)
        assert [len(part) for part in parts] == [len(LINE) * 315, len(LINE) * 185]
        assert len(receiver.points) == 500


def test_nothing_to_send_sends_no_datagram() -> None:
    with DatagramReceiver() as receiver:
        where = UdpReceiver("udp://carbon", receiver.host, receiver.port)
        where.send(b"")
        where.send(LINE)
        assert receiver.wait_for_datagrams(1) == (LINE,)


@pytest.mark.parametrize("size", [MAX_DATAGRAM_BYTES + 1, 70_000])
def test_a_line_that_no_datagram_can_hold_is_rejected_once_all_others_have_left(size: int) -> None:
    other = LINE.replace(b"dau", b"mau")
    with DatagramReceiver() as receiver:
        where = UdpReceiver("udp://carbon", receiver.host, receiver.port)
        with pytest.raises(Rejected, match=f"udp://carbon: a line of {size} bytes is longer than a datagram, of 8192"):
            where.send(LINE + b"x" * (size - 1) + b"\n" + other)
        assert receiver.wait_for_datagrams(2) == (LINE, other)


def test_the_longest_line_that_a_datagram_holds_is_sent() -> None:
    longest = b"x" * (MAX_DATAGRAM_BYTES - 1) + b"\n"
    with DatagramReceiver() as receiver:
        UdpReceiver("udp://carbon", receiver.host, receiver.port).send(longest)
        assert receiver.wait_for_datagrams(1) == (longest,)


def test_a_port_on_which_nobody_listens_is_unavailable_even_for_one_datagram() -> None:
    with pytest.raises(SinkUnavailable, match=r"udp://carbon: 127\.0\.0\.1: connection refused"):
        UdpReceiver("udp://carbon", "127.0.0.1", unused_port()).send(LINE)


def test_every_address_of_a_name_is_tried() -> None:
    with DatagramReceiver() as receiver:  # on 127.0.0.1 alone, whatever else localhost is
        UdpReceiver("udp://carbon", "localhost", receiver.port).send(LINE)
        assert receiver.wait_for_datagrams(1) == (LINE,)


def test_a_receiver_on_ipv6_is_reached() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as receiving:
        try:
            receiving.bind(("::1", 0))
        except OSError as error:
            assert error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
            pytest.skip("this machine has no IPv6 loopback")
        receiving.settimeout(10)
        UdpReceiver("udp://carbon", "::1", receiving.getsockname()[1]).send(LINE)
        assert receiving.recv(100) == LINE


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(SinkUnavailable, match="udp://carbon: host name does not resolve: "):
        UdpReceiver("udp://carbon", "carbon.invalid", 2003).send(LINE)


def test_the_receiver_is_found_again_once_it_is_back() -> None:
    port = unused_port()
    where = UdpReceiver("udp://carbon", "127.0.0.1", port)
    with pytest.raises(SinkUnavailable):
        where.send(LINE)
    with DatagramReceiver(port=port) as receiver:
        where.send(LINE)
        assert receiver.wait_for_datagrams(1) == (LINE,)
