"""Bytes to a carbon receiver over TLS, and certainty that it has read them all.

What `carbon_tcp` says of plain connections holds here as well. Over TLS the end is told twice, by a close_notify and
by the end-of-file of the connection below it. We send both, and then wait for the receiver's end-of-file:

- A close_notify of its own may come before, as the protocol wants it, or not at all: many servers leave it out.
- It isn't enough. It may have been on its way before our last bytes came, and of those only the kernel tells: it
  ends a connection that was closed with bytes unread by a reset.
"""

import contextlib
import select
import socket
import ssl
from dataclasses import dataclass, field

from importer.errors import SinkError, SinkRefused, SinkUnavailable
from importer.sinks.carbon_tcp import Exchange, Receiver, discard, reason_of

_CHUNK_BYTES = 256 * 1024
"""How much is encrypted before it is sent: a payload isn't held twice."""
_READ_BYTES = 65_536
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}
"""What OpenSSL calls an answer that is none of TLS, by version 1.1.1, 3.0 and later."""


@dataclass(frozen=True, slots=True)
class TlsReceiver:
    """A carbon receiver behind TLS. Makes one connection a payload."""

    receiver: Receiver
    """Where to send to, and how long to wait for it. The certificate has to be one for its host."""
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    """Whose certificates are good: those of the system's authorities, or of the file that SSL_CERT_FILE names."""

    def send(self, data: bytes) -> None:
        """Return once the receiver has read all of data.

        Raises SinkUnavailable where it did not, or where that is uncertain, and SinkRefused for a certificate that
        is not good and for a server of another protocol.
        """
        deadline = self.receiver.clock() + self.receiver.timeout_seconds
        with self.receiver.connect(deadline) as connection:
            try:
                _TlsExchange(self.receiver, self.context, connection, deadline).run(data)
            except SinkError:
                discard(connection)
                raise
            except OSError as error:
                discard(connection)
                raise self._explained(error) from error

    def _explained(self, error: OSError) -> SinkError:
        if isinstance(error, ssl.SSLCertVerificationError):
            what = f"certificate verify failed: {error.verify_message}"
            return SinkRefused(
                self.receiver.lane, f"{what}; correct the host, or let SSL_CERT_FILE name its authority's certificate"
            )
        if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
            return SinkRefused(
                self.receiver.lane, "a server that speaks no TLS listens there; correct the host or the port"
            )
        if isinstance(error, ssl.SSLError):
            return SinkUnavailable(self.receiver.lane, f"TLS failed: {_words(error)}")
        return SinkUnavailable(self.receiver.lane, f"{reason_of(error)} before everything was read")


def _words(error: ssl.SSLError) -> str:
    return error.reason.replace("_", " ").lower() if error.reason else reason_of(error)


class _TlsExchange(Exchange):
    """A connection from the handshake to the receiver's end-of-file.

    TLS works on buffers of its own here, so that this class alone waits for the connection, with one deadline.
    """

    def __init__(self, receiver: Receiver, context: ssl.SSLContext, connection: socket.socket, deadline: float) -> None:
        super().__init__(receiver, connection, deadline)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=receiver.host)

    def run(self, data: bytes) -> None:
        self._shake_hands()
        for start in range(0, len(data), _CHUNK_BYTES):
            self._tls.write(memoryview(data)[start : start + _CHUNK_BYTES])
            self._flush()
        self._end()
        self._await_end()
        self._expect_acknowledged()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_pending()
                self._receive("did not finish the TLS handshake")
            else:
                return

    def _flush(self) -> None:
        """Hand all that is encrypted to the kernel, looking for the receiver's end before each write and after them."""
        self._send_pending(look=True)
        self._poll.modify(self._connection, select.POLLIN)
        while self._poll.poll(0):  # an end may stand behind other things
            self._look()

    def _send_pending(self, *, look: bool = False) -> None:
        unsent = memoryview(self._outgoing.read())
        while unsent:
            events = self._wait(select.POLLOUT | (select.POLLIN if look else 0), "did not read everything")
            if look and events & ~select.POLLOUT:
                self._look()
                continue
            unsent = unsent[self._connection.send(unsent) :]

    def _look(self) -> None:
        """Take in what came while we write: session tickets, at best."""
        self._receive("did not read everything")
        if self._is_ended():
            raise self._closed_early()

    def _receive(self, complaint: str) -> None:
        self._wait(select.POLLIN, complaint)
        data = self._connection.recv(_READ_BYTES)
        if not data:
            raise self._closed_early()
        self._incoming.write(data)

    def _is_ended(self) -> bool:
        """Whether the receiver's close_notify has come. Raises SinkRefused if it says anything: Graphite never does."""
        try:
            answer = self._tls.read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLZeroReturnError:
            return True
        if answer:
            what = "a server that answers, as Graphite never does, listens there"
            raise SinkRefused(self._receiver.lane, f"{what}; correct the host or the port")
        return True

    def _end(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):  # ours is written; the receiver's cannot be there yet
            self._tls.unwrap()
        self._send_pending()  # without a look: what comes from now on may be the answer to it
        self._connection.shutdown(socket.SHUT_WR)

    def _await_end(self) -> None:
        while True:
            self._wait(select.POLLIN, "did not close the connection, which alone shows that it has everything,")
            data = self._connection.recv(_READ_BYTES)
            if not data:
                return
            self._incoming.write(data)
            self._is_ended()
