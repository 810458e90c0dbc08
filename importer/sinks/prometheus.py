"""Prometheus: the newest value of every series, served on a port, pushed to a Pushgateway, or in a textfile.

Prometheus comes for figures instead of being sent them, so what is kept between its visits is the newest sample of
each series (see `importer.sinks.sample_file`): a payload is merged into that, and what came out is published.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, Self

from importer.config import ObjectReader
from importer.errors import Rejected
from importer.points import Payload, Point
from importer.sinks.base import PointSink, batches
from importer.sinks.exposition import (
    Reading,
    Samples,
    Series,
    SeriesTable,
    newest,
    parse_row,
    sample_line,
    sample_row,
    update,
    without_expired,
)
from importer.sinks.sample_file import SampleFile

MAX_PAYLOAD_SAMPLES = 20_000
"""Each payload costs the writing of all samples: of 100,000 about a second."""
WAYS = ("port", "pushgateway", "textfile")
"""The keys of which a destination has exactly one."""

_FORMAT = "samples"


class Outlet(Protocol):
    """A way for samples to get to Prometheus."""

    lane: str

    def publish(self, samples: Samples) -> None:
        """Let Prometheus have these samples; raises as `Sink.deliver` does."""

    def check(self) -> str:
        """Return what is to be said of the outlet, without its name; raises as `Sink.check` does."""

    def close(self) -> None:
        """Give back ports and connections."""


class PrometheusSink(PointSink):
    """The newest sample of each series, in `samples`, and the outlet that shows them to Prometheus.

    A sample is left out once it is older than `expire_seconds`. Other processes may deliver to the same file of
    samples: one waits for the other. Raises ValueError for expire_seconds that are not above 0.
    """

    family = "prometheus"

    def __init__(
        self,
        outlet: Outlet,
        samples: SampleFile,
        *,
        expire_seconds: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if expire_seconds is not None and not expire_seconds > 0:
            raise ValueError(f"expire_seconds {expire_seconds} is not above 0")
        super().__init__(outlet.lane)
        self._outlet = outlet
        self._samples = samples
        self._expire_seconds = expire_seconds
        self._clock = clock
        self._table = SeriesTable()

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that one of port, pushgateway and textfile, its own keys and expire_seconds describe."""
        expire_seconds = keys.number("expire_seconds", None)
        if expire_seconds is not None and not expire_seconds > 0:
            keys.problem("expire_seconds", "must be above 0, or left out to keep all series")
            expire_seconds = None
        outlet = _build_outlet(keys, state, expire_seconds)
        return cls(outlet, _samples_of(outlet, state), expire_seconds=expire_seconds)

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads with the newest sample of each series, at most MAX_PAYLOAD_SAMPLES in one."""
        rows = [sample_row(series, reading) for series, reading in newest(points, self._table).items()]
        parts = batches(rows, MAX_PAYLOAD_SAMPLES)
        return [Payload(f"[{','.join(part)}]".encode(), points=len(part), format=_FORMAT) for part in parts]

    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield a sample a line, older ones too."""
        for point in points:
            yield sample_line(self._table[point.path, point.labels], point.value)

    def deliver(self, payload: Payload) -> None:
        """Publish one payload's samples with all that are held; an older one never takes the place of a newer one.

        Raises SinkUnavailable, SinkRefused, and Rejected for a payload that is no array of samples or that the
        Pushgateway will not take; nothing of it is kept then.
        """
        try:
            rows = _parse_rows(payload.data)
        except ValueError as error:
            raise Rejected(self.lane, f"the kept payload is damaged: {error}") from error
        with self._samples.locked():
            merged = dict(self._samples.load())
            for series, reading in rows:
                update(merged, series, reading)
            if self._expire_seconds is not None:
                merged = without_expired(merged, before=self._clock() - self._expire_seconds)
            self._outlet.publish(merged)
            self._samples.save(merged)

    def check(self) -> str:
        """Return what answers, or what will be made; raises SinkUnavailable or SinkRefused."""
        return f"{self.lane} {self._outlet.check()}"

    def close(self) -> None:
        """Close the outlet: a served port is free at once."""
        self._outlet.close()


def _parse_rows(data: bytes) -> list[tuple[Series, Reading]]:
    rows: object = json.loads(data)
    if not isinstance(rows, list):
        raise ValueError("not an array")
    return [parse_row(row) for row in rows]


class Textfile:
    """A *.prom file in the directory of node_exporter's textfile collector: the file of samples itself."""

    def __init__(self, path: Path) -> None:
        self.lane = f"prometheus+file://{path.absolute()}"
        self.samples = SampleFile(path, self.lane, exposed=True)

    def publish(self, samples: Samples) -> None:
        """Do nothing: the sink saves the file in any case."""

    def check(self) -> str:
        """Return how many series the file holds, or that it will be made; raises SinkRefused."""
        return self.samples.check()

    def close(self) -> None:
        """Do nothing."""

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the outlet that the key textfile (relative: to the state directory) describes."""
        name = keys.text("textfile")
        if name and not name.endswith(".prom"):
            keys.problem("textfile", "does not end in .prom; node_exporter would not read it")
        return cls(state / (name or "none.prom"))


def _build_outlet(keys: ObjectReader, state: Path, expire_seconds: float | None) -> Outlet:
    """Return the outlet of the one way that is given; any, after adding to `keys.problems`, where it is not one."""
    ways = [way for way in WAYS if keys.value(way) not in (None, "")]
    if len(ways) != 1:
        found = f"; {' and '.join(ways)} are given" if ways else ""
        keys.problem("", f"needs exactly one of {', '.join(WAYS)}{found}")
        return Textfile(state / "none.prom")
    if ways == ["textfile"]:
        return Textfile.from_keys(keys, state=state)
    if ways == ["port"]:
        from importer.sinks.prometheus_port import ServedPort  # on use: it imports an HTTP server

        return ServedPort.from_keys(keys, expire_seconds=expire_seconds)
    from importer.sinks.pushgateway import Pushgateway

    return Pushgateway.from_keys(keys, state=state)


def _samples_of(outlet: Outlet, state: Path) -> SampleFile:
    """Return the file that holds the samples of an outlet: its own, or one in the state directory."""
    if isinstance(outlet, Textfile):
        return outlet.samples
    digest = hashlib.sha256(outlet.lane.encode()).hexdigest()[:12]
    return SampleFile(state / f"prometheus.{digest}.samples", outlet.lane)
