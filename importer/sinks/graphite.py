"""Graphite: carbon, go-carbon, carbon-c-relay, and the graphite listeners of InfluxDB and VictoriaMetrics.

Carbon listens for plain lines on port 2003 and for pickle frames on port 2004, unless told otherwise. By either
protocol a point overwrites the one of the same name and time, so that sending a payload again does no harm.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, Protocol, Self

from importer.config import ObjectReader
from importer.errors import Rejected
from importer.points import Payload, Point
from importer.sinks.base import DEFAULT_MAX_BUFFER, PointSink, batches
from importer.sinks.carbon_pickle import PickledNames, entries, frames, parse_frames
from importer.sinks.carbon_tcp import Receiver
from importer.sinks.naming import Naming
from importer.sinks.plain_text import Names, NamesAsTheyAre, NameTable, join_lines, lines, parse_lines

logger = logging.getLogger(__name__)

GraphiteProtocol = Literal["plain", "pickle"]


class GraphiteSink(PointSink):
    """A carbon receiver, by the plain or the pickle protocol.

    Raises ValueError for a host, port, protocol or max_buffer that cannot be meant.
    """

    family = "graphite"
    keeps_labels = False
    replay_points_per_second = 50_000.0
    """A carbon-cache takes 185,000 on one core, and has other clients."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        protocol: GraphiteProtocol = "plain",
        max_buffer: int = DEFAULT_MAX_BUFFER,
        naming: Naming | None = None,
        connect_timeout_seconds: float = 10.0,
        timeout_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _validate(host=host, port=port, protocol=protocol, max_buffer=max_buffer)
        super().__init__(f"{protocol}://{f'[{host}]' if ':' in host else host}:{port}")
        self._protocol = protocol
        self._max_buffer = max_buffer
        self._names = Names(naming.renamer()) if naming else Names()
        self._wire = _WIRES[protocol](self._names)
        self._receiver = Receiver(
            lane=self.lane,
            host=host,
            port=port,
            connect_timeout_seconds=connect_timeout_seconds,
            timeout_seconds=timeout_seconds,
            clock=clock,
        )

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that host, port, protocol, max_buffer and the keys of `Naming` describe."""
        host = keys.text("host")
        if host and not _resolvable(host):
            keys.problem("host", f"{host!r:.80} is neither a host name nor an address")
        max_buffer = keys.integer("max_buffer", DEFAULT_MAX_BUFFER, minimum=1, accept_text=True)
        if max_buffer > DEFAULT_MAX_BUFFER:
            logger.critical("max_buffer %d is above %d: a store may not take it", max_buffer, DEFAULT_MAX_BUFFER)
        return cls(
            host=host if _resolvable(host) else "localhost",
            port=keys.integer("port", minimum=1, maximum=65535, accept_text=True),
            protocol="pickle" if keys.choice("protocol", tuple(_WIRES), "plain") == "pickle" else "plain",
            max_buffer=max_buffer,
            naming=Naming.from_keys(keys),
        )

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads of at most max_buffer points, each for a connection of its own.

        Leaves out a point whose name is longer than carbon takes; the log says so once a name.
        """
        return self._wire.encode(points, self._max_buffer)

    def deliver(self, payload: Payload) -> None:
        """Send a payload, of either protocol, and return once the receiver has read all of it.

        Ends after timeout_seconds, but for the look-up of the host name, which takes as long as the system's resolver.
        Raises SinkUnavailable, SinkRefused where something else than Graphite answers, and Rejected for
        a kept payload of the other protocol that is damaged.
        """
        self._receiver.send(self._translated(payload))

    def _translated(self, payload: Payload) -> bytes:
        """Return the payload's bytes in this sink's protocol, whichever it had when it was kept."""
        if payload.format == self._protocol:
            return payload.data
        wire = _WIRES.get(payload.format)
        if wire is None:
            raise Rejected(self.lane, f"a payload in the format {payload.format!r} is not for Graphite")
        try:
            points = wire.parse(payload.data)
        except ValueError as error:
            raise Rejected(self.lane, f"the kept {payload.format} payload is damaged: {error}") from error
        (translated,) = _WIRES[self._protocol](NamesAsTheyAre()).encode(points, len(points))
        return translated.data

    def check(self) -> str:
        """Return that the receiver answers, after an empty exchange with it.

        Raises SinkUnavailable or SinkRefused.
        """
        self._receiver.send(b"")
        return f"{self.lane} answers"

    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield plain lines, for the pickle protocol too."""
        yield from lines(points, self._names)


class _Wire(Protocol):
    """A way to write points."""

    def __init__(self, names: NameTable) -> None: ...

    def encode(self, points: Iterable[Point], max_points: int) -> list[Payload]: ...

    @staticmethod
    def parse(data: bytes) -> list[Point]: ...


class _PlainWire:
    def __init__(self, names: NameTable) -> None:
        self._names = names

    def encode(self, points: Iterable[Point], max_points: int) -> list[Payload]:
        parts = batches(lines(points, self._names), max_points)
        return [Payload(join_lines(part), points=len(part), format="plain") for part in parts]

    @staticmethod
    def parse(data: bytes) -> list[Point]:
        return parse_lines(data)


class _PickleWire:
    def __init__(self, names: NameTable) -> None:
        self._names = PickledNames(names)

    def encode(self, points: Iterable[Point], max_points: int) -> list[Payload]:
        parts = batches(entries(points, self._names), max_points)
        return [Payload(frames(part), points=len(part), format="pickle") for part in parts]

    @staticmethod
    def parse(data: bytes) -> list[Point]:
        return parse_frames(data)


_WIRES: dict[str, type[_Wire]] = {"plain": _PlainWire, "pickle": _PickleWire}


def _validate(*, host: str, port: int, protocol: str, max_buffer: int) -> None:
    if protocol not in _WIRES:
        raise ValueError(f"protocol {protocol!r} is not one of {', '.join(_WIRES)}")
    if not _resolvable(host):
        raise ValueError(f"host {host!r} is neither a host name nor an address")
    if not 1 <= port <= 65535:
        raise ValueError(f"port {port} is not between 1 and 65535")
    if max_buffer < 1:
        raise ValueError(f"max_buffer {max_buffer} is not 1 or more")


def _resolvable(host: str) -> bool:
    """Return whether a resolver can be asked for host; what it cannot encode would be a UnicodeError there."""
    try:
        return bool(host.encode("idna")) and host.isprintable() and " " not in host
    except UnicodeError:
        return False
