"""Plain lines to a carbon receiver in UDP datagrams, which nobody acknowledges.

What a full buffer on the way or at the receiver drops is lost without a sign. The one sign there may be is an ICMP
message of the receiver's machine that nobody listens on the port; the kernel tells it with a later call.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from importer.errors import Rejected, SinkUnavailable
from importer.sinks.carbon_tcp import reason_of

MAX_DATAGRAM_BYTES = 8192
"""What Hosted Graphite takes: https://docs.hostedgraphite.com/sending-metrics/supported-protocols, 'UDP Packets'
(checked 2026-11-25). Carbon reads no more of a datagram either (Twisted's maxPacketSize)."""


def datagrams(data: bytes) -> Iterator[bytes]:
    """Yield lines, each ended by a line feed, in parts of at most MAX_DATAGRAM_BYTES; a longer line is a part alone.

    >>> [len(part) for part in datagrams(b"a 1 60\\n" * 2000)]
    [8190, 5810]
    """
    part = bytearray()
    for line in data.split(b"\n")[:-1]:
        if part and len(part) + len(line) + 1 > MAX_DATAGRAM_BYTES:
            yield bytes(part)
            part.clear()
        part += line + b"\n"
    if part:
        yield bytes(part)


@dataclass(frozen=True, slots=True)
class UdpReceiver:
    """Where to send datagrams to."""

    lane: str
    """The name of the destination in errors."""
    host: str
    """A name or an IPv4 or IPv6 address; looked up each time, and the next address is taken where one refuses."""
    port: int
    timeout_seconds: float = 30.0
    """For each datagram to leave this machine."""

    def send(self, data: bytes) -> None:
        """Return once all lines of data have left, and none had come back as refused by then.

        Raises SinkUnavailable, and Rejected, once all others have left, for a line that no datagram can hold.
        """
        parts = list(datagrams(data))
        self._send_all([part for part in parts if len(part) <= MAX_DATAGRAM_BYTES])
        longest = max(map(len, parts), default=0)
        if longest > MAX_DATAGRAM_BYTES:
            reason = f"a line of {longest} bytes is longer than a datagram, of {MAX_DATAGRAM_BYTES} at most"
            raise Rejected(self.lane, f"{reason}; shorten the name")

    def _send_all(self, parts: Sequence[bytes]) -> None:
        failures: dict[str, str] = {}
        for family, address in self._addresses():
            try:
                return self._send_to(family, address, parts)
            except OSError as error:
                failures[str(address[0])] = reason_of(error)
        told = (f"{address}: {reason}" for address, reason in failures.items())
        raise SinkUnavailable(self.lane, "; ".join(told))

    def _addresses(self) -> Iterator[tuple[socket.AddressFamily, tuple[object, ...]]]:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise SinkUnavailable(self.lane, f"host name does not resolve: {reason_of(error)}") from error
        for family, _, _, _, address in found:
            yield family, address

    def _send_to(self, family: socket.AddressFamily, address: tuple[object, ...], parts: Sequence[bytes]) -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.settimeout(self.timeout_seconds)
            connection.connect(address)  # so that the kernel tells us what ICMP says
            for part in parts:
                connection.send(part)
            refusal = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if refusal:
                raise OSError(refusal, os.strerror(refusal))
