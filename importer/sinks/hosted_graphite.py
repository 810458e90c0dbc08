"""Hosted Graphite: Graphite's lines, to MetricFire's service over HTTP, TCP, UDP or TLS.

https://docs.hostedgraphite.com/sending-metrics/supported-protocols (checked 2026-11-25): by HTTP the account's API key
is the user of Basic authentication, 202 means taken and 400 tells what is wrong with the data; by the others each name
begins with the key and a dot. Another carbon can be spoken to as well, without a key.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import urlsplit

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import Rejected
from importer.http_client import HttpClient
from importer.http_request import base_url, split_url
from importer.http_response import Response
from importer.points import Payload, Point
from importer.sinks.base import DEFAULT_MAX_BUFFER, PointSink, batches
from importer.sinks.carbon_tcp import Receiver
from importer.sinks.carbon_udp import UdpReceiver
from importer.sinks.http_push import HttpPush, TooLarge, deliver_in_halves, told
from importer.sinks.plain_text import Names, format_value, join_lines
from importer.sinks.push_client import push_client

DEFAULT_PORTS = {"tcp": 2003, "udp": 2003, "tls": 20030}
"""Of carbon.hostedgraphite.com, by the scheme of push_url."""
HTTP_SCHEMES = ("http", "https")

_CONNECT_TIMEOUT_SECONDS = 10.0
_TIMEOUT_SECONDS = 30.0
_FORMAT = "plain"
_KEY = re.compile(r"[!-9;-~]*")
"""What a key may be made of: nothing that ends a name, a line, or the user of Basic authentication."""
_NO_URL = "is not like https://host/path, tcp://host:port, udp://host:port or tls://host:port"
_NO_KEY = "is needed where push_url is http:// or https://"
_BAD_KEY = "holds blanks, colons, or signs that are not ASCII"


def lines_payload(lines: Sequence[str]) -> Payload:
    """Return the payload of lines `NAME VALUE EPOCH`, a point each, without line ends."""
    return Payload(join_lines(lines), points=len(lines), format=_FORMAT)


class HostedGraphiteSink(PointSink):
    """An account at Hosted Graphite, or a carbon, as push_url says: http(s)://, tcp://, udp:// or tls://.

    `lane` is its name in the outbox, made from push_url unless given; `client`, for HTTP, is one of push_url's host.
    Raises ValueError, with one line without secrets, for a push_url or an api_key that cannot be used, and for a
    max_buffer below 1.
    """

    family = "hosted_graphite"
    keeps_labels = False
    replay_points_per_second = 50_000.0
    """As for any carbon: it has other clients."""

    def __init__(
        self,
        *,
        push_url: str,
        api_key: Secret | None,
        lane: str | None = None,
        client: HttpClient | None = None,
        max_buffer: int = DEFAULT_MAX_BUFFER,
    ) -> None:
        target = _parse_push_url(push_url)
        if api_key is None and target.scheme in HTTP_SCHEMES:
            raise ValueError(f"api_key {_NO_KEY}")
        if api_key is not None and not _KEY.fullmatch(api_key.reveal()):
            raise ValueError(f"api_key {_BAD_KEY}")
        if max_buffer < 1:
            raise ValueError(f"max_buffer {max_buffer} is not 1 or more")
        super().__init__(lane or target.lane)
        self._max_buffer = max_buffer
        self._names = Names()
        self._way = _way(self.lane, target, api_key or Secret(""), client)

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that the keys push_url, api_key (needed for HTTP) and max_buffer describe."""
        push_url = keys.text("push_url")
        try:
            scheme = _parse_push_url(push_url).scheme
        except ValueError as error:
            if push_url:
                keys.problem("push_url", str(error))
            push_url, scheme = "tcp://localhost", "tcp"
        api_key = keys.secret("api_key") if scheme in HTTP_SCHEMES else keys.secret("api_key", None)
        if api_key is not None and not _KEY.fullmatch(api_key.reveal()):
            keys.problem("api_key", _BAD_KEY)
            api_key = Secret("")
        max_buffer = keys.integer("max_buffer", DEFAULT_MAX_BUFFER, minimum=1, accept_text=True)
        return cls(push_url=push_url, api_key=api_key, max_buffer=max_buffer)

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads of at most max_buffer lines, with Graphite's names and whole seconds, cut off.

        Leaves out a point whose name is longer than carbon takes; the log says so once a name.
        """
        return [lines_payload(batch) for batch in batches(list(self.preview(points)), self._max_buffer)]

    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield the lines that `encode` puts into payloads."""
        for point in points:
            if name := self._names[(point.path, point.labels) if point.labels else point.path]:
                yield f"{name} {format_value(point.value)} {int(point.timestamp)}"

    def deliver(self, payload: Payload) -> None:
        """Send a payload; by HTTP, TCP and TLS the store has all of it when this returns.

        Raises SinkUnavailable, SinkRefused, and Rejected for lines that the store will not take, or no datagram can
        hold; what it could take of the payload is there then.
        """
        if payload.format != _FORMAT or not payload.data.endswith(b"\n"):
            raise Rejected(self.lane, "the kept payload is not made of lines")
        self._way.send(payload.data)

    def check(self) -> str:
        """Return what answers there, if anything can, having sent no line. Raises SinkUnavailable or SinkRefused."""
        return f"{self.lane} {self._way.check()}"

    def stop(self) -> None:
        """Wait no more between the tries of a push by HTTP."""
        self._way.stop()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._way.close()


@dataclass(frozen=True, slots=True)
class _Target:
    """A push_url, taken apart."""

    scheme: str
    base: str
    """Scheme, host, and port, which for HTTP may be left out."""
    host: str = ""
    """Of a carbon, as is `port`."""
    port: int = 0
    path: str = ""
    """With its query; of HTTP alone."""

    @property
    def lane(self) -> str:
        # A query could hold a key.
        return f"hosted_graphite+{self.base}{self.path.partition('?')[0]}"


def _parse_push_url(text: str) -> _Target:
    """Raises ValueError, saying what text, which is not quoted, is not."""
    scheme, _, rest = text.partition("://")
    if scheme in HTTP_SCHEMES:
        base, path = split_url(text)
        return _Target(scheme, base, path=path)
    try:
        default_port = DEFAULT_PORTS[scheme]
        parts = urlsplit(base_url(f"https://{rest}"))
        host = parts.hostname or ""
        host.encode("idna")  # as the resolver will have it
    except (ValueError, KeyError) as error:
        raise ValueError(_NO_URL) from error
    if parts.path:
        raise ValueError(_NO_URL)
    port = parts.port or default_port
    return _Target(scheme, f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}", host, port)


class _Way(Protocol):
    """How lines, each ended by a line feed, get to the store."""

    def send(self, data: bytes) -> None: ...

    def check(self) -> str: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


class _Receiver(Protocol):
    def send(self, data: bytes) -> None: ...


def _way(lane: str, target: _Target, api_key: Secret, client: HttpClient | None) -> _Way:
    if target.scheme in HTTP_SCHEMES:
        push = HttpPush(
            lane, client or push_client(target.base), hint="correct push_url, or the api_key of hosted_graphite"
        )
        return _HttpWay(lane, push, target.path, api_key)
    if target.scheme == "udp":
        return _CarbonWay(UdpReceiver(lane, target.host, target.port), api_key, "resolves; by UDP nobody answers")
    receiver = Receiver(lane, target.host, target.port, _CONNECT_TIMEOUT_SECONDS, _TIMEOUT_SECONDS)
    if target.scheme == "tcp":
        return _CarbonWay(receiver, api_key, "answers")
    from importer.sinks.carbon_tls import TlsReceiver  # on use: it imports ssl and reads the system's certificates

    return _CarbonWay(TlsReceiver(receiver), api_key, "answers")


class _HttpWay:
    def __init__(self, lane: str, push: HttpPush, path: str, api_key: Secret) -> None:
        self._lane = lane
        self._push = push
        self._path = path
        self._api_key = api_key

    def send(self, data: bytes) -> None:
        deliver_in_halves(self._send_lines, _lines(data))

    def check(self) -> str:
        # Nothing to store, but the key has to be good: 400 is about the data, of which there is none.
        with contextlib.suppress(Rejected):
            self._push.expect_success(self._put(b""))
        return "answers"

    def stop(self) -> None:
        self._push.stop()

    def close(self) -> None:
        self._push.close()

    def _send_lines(self, lines: Sequence[bytes]) -> None:
        response = self._put(b"".join(lines))
        if response.status == 413:
            raise TooLarge(self._lane, f"HTTP 413{told(response)}")
        self._push.expect_success(response)

    def _put(self, data: bytes) -> Response:
        basic = (self._api_key.reveal(), "")
        return self._push.ask("PUT", self._path, basic=basic, body=data, headers={"Content-Type": "text/plain"})


class _CarbonWay:
    def __init__(self, receiver: _Receiver, api_key: Secret, answer: str) -> None:
        self._receiver = receiver
        self._api_key = api_key
        self._answer = answer

    def send(self, data: bytes) -> None:
        # Only now: what is kept on disk must not hold the key.
        prefix = f"{self._api_key.reveal()}.".encode() if self._api_key.reveal() else b""
        self._receiver.send(b"".join(prefix + line for line in _lines(data)))

    def check(self) -> str:
        self._receiver.send(b"")
        return self._answer

    def stop(self) -> None:
        return

    def close(self) -> None:
        return


def _lines(data: bytes) -> list[bytes]:
    """Return lines with their ends; not by splitlines(), which also cuts at carriage returns."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]]
