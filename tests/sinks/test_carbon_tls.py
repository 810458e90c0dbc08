import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from importer.errors import SinkError, SinkRefused, SinkUnavailable
from importer.simulators.hosted_graphite import TlsGraphiteReceiver
from importer.sinks import carbon_tcp
from importer.sinks.carbon_tls import TlsReceiver
from tests.http_servers import Certificate, make_certificate
from tests.sinks.receivers import (
    WAIT_SECONDS,
    Behaviour,
    Receiver,
    answer_with,
    babble,
    close_after_some,
    close_at_once,
    never_close,
    never_read,
    read_everything,
    read_in_crumbs,
    reset,
)

LINE = b"shop.dau 48213 1462147200\n"
MEGABYTES = LINE * 200_000
"""More than the kernel's buffers take."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def secured(certificate: Certificate) -> Callable[[Behaviour], Behaviour]:
    """Put a behaviour behind TLS."""

    def secure(behaviour: Behaviour, context: ssl.SSLContext | None = None) -> Behaviour:
        def behind_tls(receiver: Receiver, connection: socket.socket) -> None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what was sent has come
            with (
                suppress(OSError),  # the client broke it off
                (context or certificate.server_context()).wrap_socket(connection, server_side=True) as secure,
            ):
                behaviour(receiver, secure)

        return behind_tls

    return secure


Send = Callable[..., None]


@pytest.fixture
def send(certificate: Certificate) -> Send:
    """`send(receiver, data, **options)` sends over TLS, trusting the certificate."""

    def send_to(
        receiver: Receiver | TlsGraphiteReceiver,
        data: bytes,
        *,
        timeout_seconds: float = WAIT_SECONDS,
        trusted: Path | None = certificate.path,
        after_send: Callable[[int], None] = lambda _count: None,
        after_half_close: Callable[[], None] = lambda: None,
    ) -> None:
        class WatchedReceiver(carbon_tcp.Receiver):
            def connect(self, deadline: float) -> socket.socket:
                connection = super().connect(deadline)
                return WatchedSocket(connection, after_send=after_send, after_half_close=after_half_close)

        where = WatchedReceiver("tls://carbon", receiver.host, receiver.port, 10.0, timeout_seconds)
        TlsReceiver(where, ssl.create_default_context(cafile=trusted)).send(data)

    return send_to


def failure(behaviour: Behaviour, send: Send, data: bytes = LINE, **options: object) -> SinkError:
    with Receiver(behaviour) as receiver, pytest.raises(SinkError) as caught:
        send(receiver, data, **options)
    assert str(caught.value).startswith("tls://carbon: ")
    return caught.value


def close_unread(receiver: Receiver, connection: socket.socket) -> None:
    """Close without having read what has come."""
    select.select([connection], [], [])


def say_close_unread(receiver: Receiver, connection: socket.socket) -> None:
    """Say close_notify once all bytes have come, and read none of them."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    poll.poll()
    say_close(connection)
    receiver.closing.wait(WAIT_SECONDS)


def say_close_and_read(receiver: Receiver, connection: socket.socket) -> None:
    """Say close_notify first, then read everything: at that time it shows nothing."""
    say_close(connection)
    read_to_the_end_of_file(connection)


def read_past_the_close_notify(receiver: Receiver, connection: socket.socket) -> None:
    """Take no notice of TLS's end: go on until that of the connection."""
    read_everything(receiver, connection)
    read_to_the_end_of_file(connection)


def read_to_the_end_of_file(connection: socket.socket) -> None:
    while socket.socket.recv(connection, 65536):  # the bytes below TLS
        pass


def say_close(connection: socket.socket) -> None:
    assert isinstance(connection, ssl.SSLSocket)
    connection.setblocking(False)
    with suppress(ssl.SSLError):  # it is said, and the client's has not come
        connection.unwrap()
    connection.setblocking(True)


def stop_writing(connection: socket.socket) -> None:
    """End without a close_notify."""
    socket.socket.shutdown(connection, socket.SHUT_WR)


class WatchedSocket(socket.socket):
    """A client's connection that tells what the client has done, before it does anything else."""

    def __init__(
        self, connection: socket.socket, *, after_send: Callable[[int], None], after_half_close: Callable[[], None]
    ) -> None:
        super().__init__(fileno=connection.detach())
        self.setblocking(False)
        self._sends = 0
        self._after_send = after_send
        self._after_half_close = after_half_close

    def send(self, data: Any, flags: int = 0) -> int:
        count = super().send(data, flags)
        self._sends += 1
        self._after_send(self._sends)
        return count

    def shutdown(self, how: int) -> None:
        super().shutdown(how)
        self._after_half_close()


@pytest.mark.parametrize("data", [b"", LINE, MEGABYTES], ids=len)
def test_a_receiver_that_reads_to_the_end_gets_every_byte(
    data: bytes, send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    with Receiver(secured(read_everything)) as receiver:
        send(receiver, data)
        assert receiver.next_received() == data


def test_a_receiver_that_reads_slowly_gets_every_byte(send: Send, secured: Callable[[Behaviour], Behaviour]) -> None:
    with Receiver(secured(read_in_crumbs)) as receiver:
        send(receiver, LINE * 500)
        assert receiver.next_received() == LINE * 500


def test_a_receiver_that_says_close_notify_too_gets_every_byte(certificate: Certificate, send: Send) -> None:
    with TlsGraphiteReceiver(certificate.server_context()) as receiver:
        for number in range(20):  # the answer to our end comes sooner or later after it
            send(receiver, b"n %d %d\n" % (number, number))
        assert [point.value for point in receiver.wait_for_points(20)] == list(range(20))
        assert all(connection.ended for connection in receiver.connections)


def test_an_answer_that_comes_as_soon_as_our_end_is_not_taken_for_an_early_one(
    certificate: Certificate, send: Send
) -> None:
    with TlsGraphiteReceiver(certificate.server_context()) as receiver:

        def wait_for_the_answer(sends: int) -> None:
            if sends == 3:  # hello; the end of the handshake, with the line; close_notify
                receiver.wait_until(lambda: receiver.connections[0].closed)

        send(receiver, LINE, after_send=wait_for_the_answer)
        assert len(receiver.points) == 1


def test_a_receiver_that_ends_with_the_connection_gets_every_byte(
    send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    with Receiver(secured(read_past_the_close_notify)) as receiver:
        send(receiver, LINE)
        assert receiver.next_received() == LINE


def test_tls_1_2_is_spoken_as_well(certificate: Certificate, send: Send, secured: Callable[..., Behaviour]) -> None:
    context = certificate.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Receiver(secured(read_everything, context)) as receiver:
        send(receiver, MEGABYTES)
        assert receiver.next_received() == MEGABYTES


@pytest.mark.parametrize("data", [LINE, MEGABYTES], ids=len)
@pytest.mark.parametrize("behaviour", [close_at_once, close_after_some, reset])
def test_a_receiver_that_does_not_read_to_the_end_has_not_got_it(
    behaviour: Behaviour, data: bytes, send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    error = failure(secured(behaviour), send, data)
    assert isinstance(error, SinkUnavailable)
    assert "before" in str(error)


def test_an_end_of_file_does_not_count_while_bytes_are_unread(
    send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    error = failure(secured(close_unread), send)
    assert isinstance(error, SinkUnavailable)
    assert "before" in str(error)


def test_a_close_notify_alone_does_not_count(send: Send, secured: Callable[[Behaviour], Behaviour]) -> None:
    error = failure(secured(say_close_unread), send, timeout_seconds=0.3)
    assert isinstance(error, SinkUnavailable)
    assert "did not close the connection" in str(error)


def test_an_end_of_file_does_not_count_while_bytes_are_unacknowledged(
    send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    half_closed = threading.Event()

    def stop_writing_after_the_senders_half_close(receiver: Receiver, connection: socket.socket) -> None:
        half_closed.wait(WAIT_SECONDS)
        connection.shutdown(socket.SHUT_WR)
        receiver.closing.wait(WAIT_SECONDS)

    behaviour = secured(stop_writing_after_the_senders_half_close)
    with Receiver(behaviour, window_bytes=1024) as receiver, pytest.raises(SinkUnavailable) as caught:
        send(receiver, LINE * 750, after_half_close=half_closed.set)
    assert "closed before it had read everything" in str(caught.value)


def test_a_close_notify_that_comes_in_between_shows_nothing(
    send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    error = failure(secured(say_close_and_read), send, MEGABYTES)
    assert isinstance(error, SinkUnavailable)
    assert "closed before it had read everything" in str(error)


@pytest.mark.parametrize("end", [say_close, stop_writing])
def test_an_end_that_comes_just_before_ours_shows_nothing(
    end: Callable[[socket.socket], None], send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    said = threading.Event()

    def behaviour(receiver: Receiver, connection: socket.socket) -> None:
        end(connection)
        said.set()
        read_to_the_end_of_file(connection)

    def wait_for_the_end(sends: int) -> None:
        if sends == 2:  # hello; the end of the handshake, with the line
            assert said.wait(WAIT_SECONDS)

    error = failure(secured(behaviour), send, after_send=wait_for_the_end)
    assert isinstance(error, SinkUnavailable)
    assert "closed before it had read everything" in str(error)


def test_what_was_given_up_ends_in_a_reset_so_that_half_a_line_is_no_point(
    send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    outcomes: list[str] = []

    def read_after_the_end(receiver: Receiver, connection: socket.socket) -> None:
        receiver.closing.wait(WAIT_SECONDS)
        try:
            read_to_the_end_of_file(connection)
            outcomes.append("end of file")
        except ConnectionResetError:
            outcomes.append("reset")

    failure(secured(read_after_the_end), send, MEGABYTES, timeout_seconds=0.2)
    assert outcomes == ["reset"]


@pytest.mark.parametrize(
    ("behaviour", "data", "complaint"),
    [
        (never_read, MEGABYTES, "did not read everything"),
        (never_read, LINE, "did not close the connection"),
        (never_close, LINE, "did not close the connection"),
    ],
)
def test_a_receiver_that_never_ends_is_given_up_in_bounded_time(
    behaviour: Behaviour, data: bytes, complaint: str, send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    error = failure(secured(behaviour), send, data, timeout_seconds=0.3)
    assert isinstance(error, SinkUnavailable)
    assert complaint in str(error)
    assert "within 0.3 s" in str(error)


def test_a_server_that_does_not_answer_the_handshake_is_given_up_in_bounded_time(send: Send) -> None:
    error = failure(never_read, send, timeout_seconds=0.3)
    assert isinstance(error, SinkUnavailable)
    assert "did not finish the TLS handshake within 0.3 s" in str(error)


def close_after_hello(receiver: Receiver, connection: socket.socket) -> None:
    """Read what begins a handshake, and close."""
    connection.recv(65536)


@pytest.mark.parametrize("behaviour", [close_after_some, close_after_hello])
def test_a_server_that_closes_instead_of_a_handshake_is_unavailable(behaviour: Behaviour, send: Send) -> None:
    assert isinstance(failure(behaviour, send), SinkUnavailable)


def test_a_certificate_that_nobody_trusts_is_refused(send: Send, secured: Callable[[Behaviour], Behaviour]) -> None:
    error = failure(secured(read_everything), send, trusted=None)
    assert isinstance(error, SinkRefused)
    assert "certificate verify failed: self-signed certificate" in str(error)
    assert "SSL_CERT_FILE" in str(error)


def test_a_certificate_for_another_host_is_refused(
    tmp_path: Path, send: Send, secured: Callable[..., Behaviour]
) -> None:
    other = make_certificate(tmp_path, subject="127.0.0.2")
    error = failure(secured(read_everything, other.server_context()), send, trusted=other.path)
    assert isinstance(error, SinkRefused)
    assert "certificate is not valid for '127.0.0.1'" in str(error)


def test_an_authority_named_by_ssl_cert_file_is_trusted(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, secured: Callable[[Behaviour], Behaviour]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with Receiver(secured(read_everything)) as receiver:
        TlsReceiver(carbon_tcp.Receiver("tls://carbon", receiver.host, receiver.port, 10.0, WAIT_SECONDS)).send(LINE)
        assert receiver.next_received() == LINE


def test_a_server_that_wants_a_certificate_of_ours_is_unavailable(
    certificate: Certificate, send: Send, secured: Callable[..., Behaviour]
) -> None:
    context = certificate.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    error = failure(secured(read_everything, context), send)
    assert isinstance(error, SinkUnavailable)


def test_a_server_that_has_no_cipher_in_common_is_unavailable(
    certificate: Certificate, send: Send, secured: Callable[..., Behaviour]
) -> None:
    context = certificate.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-CCM")  # which Python's clients do not offer
    error = failure(secured(read_everything, context), send)
    assert isinstance(error, SinkUnavailable)
    assert "TLS failed: " in str(error)
    assert "handshake failure" in str(error)


def test_a_server_that_speaks_no_tls_is_a_wrong_address(send: Send) -> None:
    def speak_http(receiver: Receiver, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        receiver.closing.wait(WAIT_SECONDS)

    error = failure(speak_http, send)
    assert isinstance(error, SinkRefused)
    assert "speaks no TLS" in str(error)


@pytest.mark.parametrize(
    ("behaviour", "data"), [(answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n"), LINE), (babble, MEGABYTES)]
)
def test_a_server_that_answers_is_no_receiver(
    behaviour: Behaviour, data: bytes, send: Send, secured: Callable[[Behaviour], Behaviour]
) -> None:
    error = failure(secured(behaviour), send, data)
    assert isinstance(error, SinkRefused)
    assert "answers, as Graphite never does" in str(error)


def test_a_refused_connection_is_unavailable(send: Send) -> None:
    with Receiver(read_everything) as receiver:
        pass
    with pytest.raises(SinkUnavailable, match="tls://carbon: connection refused"):
        send(receiver, LINE)
