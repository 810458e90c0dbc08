"""A file of JSON lines: for jq, for log shippers, and for whoever wants to load points into something else.

    {"name":"shop.Bike_Shop.dau","labels":{"os":"ios"},"value":48213,"timestamp":1462147200}

Names are those of Graphite, with labels apart from them, as in the embedded store.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from importer.config import ObjectReader
from importer.errors import Rejected
from importer.points import Labels, Payload, Point
from importer.sinks.base import RecordSink, batches
from importer.sinks.line_file import LineFile
from importer.sinks.plain_text import Names, join_lines
from importer.surrogate import replaced

DEFAULT_FILE = "metrics.jsonl"
"""In the state directory, unless a configuration names another path."""
DEFAULT_MAX_BYTES = 100 * 2**20
DEFAULT_KEEP_FILES = 5
MAX_PAYLOAD_LINES = 5_000

_FORMAT = "jsonl"


def json_line(value: object) -> str:
    r"""Return an object as JSON on one line of ASCII, without its end.

    >>> json_line({"name": "é\u2028", "value": 0.1})
    '{"name":"\\u00e9\\u2028","value":0.1}'
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def lines_payload(lines: Sequence[str]) -> Payload:
    """Return the payload of JSON lines without their ends, one at least."""
    return Payload(join_lines(lines), points=len(lines), format=_FORMAT)


class FileSink(RecordSink):
    """JSON lines, appended to a file that is renamed once it is large enough (see `importer.sinks.line_file`).

    Raises ValueError for max_bytes or keep_files below 1.
    """

    family = "file"

    def __init__(self, *, path: Path, max_bytes: int = DEFAULT_MAX_BYTES, keep_files: int = DEFAULT_KEEP_FILES) -> None:
        super().__init__(f"file://{path.absolute()}")
        self._file = LineFile(path, self.lane, max_bytes=max_bytes, keep_files=keep_files)
        self._names = Names()

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the sink that path (relative: to the state directory), max_bytes and keep_files describe."""
        return cls(
            path=state / keys.text("path", DEFAULT_FILE),
            max_bytes=keys.integer("max_bytes", DEFAULT_MAX_BYTES, minimum=1),
            keep_files=keys.integer("keep_files", DEFAULT_KEEP_FILES, minimum=1),
        )

    def encode(self, points: Iterable[Point]) -> list[Payload]:
        """Return payloads of at most MAX_PAYLOAD_LINES lines, a point each, numbers with all their digits.

        Leaves out a point whose name is longer than Graphite takes; the log says so once a name.
        """
        return [lines_payload(batch) for batch in batches(list(self.preview(points)), MAX_PAYLOAD_LINES)]

    def encode_records(self, records: Sequence[tuple[str | None, str]]) -> list[Payload]:
        """Return payloads of at most MAX_PAYLOAD_LINES lines, a record each, as it is; keys are not kept apart."""
        return [lines_payload(batch) for batch in batches([text for _, text in records], MAX_PAYLOAD_LINES)]

    def preview(self, points: Iterable[Point]) -> Iterator[str]:
        """Yield the lines that `encode` puts into payloads."""
        for point in points:
            if name := self._names[point.path]:
                yield json_line(
                    {
                        "name": name,
                        "labels": _encodable(point.labels),
                        "value": point.value,
                        "timestamp": point.timestamp,
                    }
                )

    def deliver(self, payload: Payload) -> None:
        """Append one payload, unless the file ends with it; it is safe on disk when this returns.

        Raises SinkUnavailable for a full disk, SinkRefused for a file that may not be written or is another
        program's, and Rejected for a payload that is not made of lines.
        """
        if payload.format != _FORMAT or not payload.data.endswith(b"\n"):
            raise Rejected(self.lane, "the kept payload is not made of lines")
        self._file.append(payload.data)

    def check(self) -> str:
        """Return how large the file is, or that it will be made; makes none. Raises SinkRefused."""
        return f"{self.lane} {self._file.check()}"


def _encodable(labels: Labels) -> dict[str, str]:
    """Return labels with question marks for lone surrogates, which JSON may spell but most readers refuse."""
    return {replaced(name): replaced(value) for name, value in labels}
