"""The log as a destination: for development, and to see what would be sent."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from importer.config import ObjectReader
from importer.points import Payload, Point
from importer.sinks.base import DEFAULT_MAX_BUFFER, PointSink, batches
from importer.sinks.naming import Naming
from importer.sinks.plain_text import Names, join_lines, lines

logger = logging.getLogger(__name__)


class DummySink(PointSink):
    """Writes the plain lines that Graphite would get to the log, at INFO, one record a payload.

    Raises ValueError for a max_buffer below 1.
    """

    family = "dummy"
    keeps_labels = False

    def __init__(self, *, max_buffer: int = DEFAULT_MAX_BUFFER, naming: Naming | None = None) -> None:
        if max_buffer < 1:
            raise ValueError(f"max_buffer {max_buffer} is not 1 or more")
        super().__init__("dummy")
        self._max_buffer = max_buffer
        self._names = Names(naming.renamer()) if naming else Names()

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that the keys max_buffer and those of `Naming` describe."""
        return cls(max_buffer=keys.integer("max_buffer", DEFAULT_MAX_BUFFER, minimum=1), naming=Naming.from_keys(keys))

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads of at most max_buffer plain lines."""
        texts = lines(points, self._names)
        parts = batches(texts, self._max_buffer)
        return [Payload(join_lines(part), points=len(part), format="plain") for part in parts]

    def deliver(self, payload: Payload) -> None:
        """Log one payload; `multiline` tells the log's formatter that the line ends are meant."""
        text = payload.data.decode(errors="replace")
        logger.info("Dummy protocol:\nSTARTDATA\n%sENDDATA", text, extra={"multiline": True})

    def check(self) -> str:
        """Return that this destination is the log; never raises."""
        return f"{self.lane} writes to the log"

    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield the lines that would be logged."""
        yield from lines(points, self._names)
