"""What the tests of entrypoints share: recorded answers, patience that does not wait, an outlet that keeps writes."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from importer.collector.outlet import DataSetConfig, Write, outlet_in_force
from importer.http_client import RetryPolicy

GOLDEN = Path(__file__).parent / "golden"
AT_ONCE = RetryPolicy(extra_attempts=4, pause_seconds=0.0, max_wait_seconds=300.0, max_waits=4)
"""As many tries as entrypoints make, without a wait between them."""
DATA_SET = {"url": "http://127.0.0.1:1/data/g/t", "token": "t0ken-of-the-set", "data-group": "g", "data-type": "t"}


def moment(text: str) -> datetime:
    """Return a time as the command line gives it: without a zone."""
    return datetime.fromisoformat(text)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@dataclass
class Kept:
    """Keeps what entrypoints write."""

    writes: list[Write] = field(default_factory=list)

    def write(self, data_set: DataSetConfig, writes: Sequence[Write]) -> None:
        assert data_set["data-type"] == "t"
        self.writes += writes

    @property
    def records(self) -> list[dict[str, Any]]:
        """All records of all writes, in their order."""
        return [dict(record) for write in self.writes for record in list(write.content)]  # type: ignore[call-overload]


@contextmanager
def kept_writes() -> Iterator[Kept]:
    """Give what entrypoints write while the block lasts."""
    kept = Kept()
    with outlet_in_force(kept):
        yield kept


def collect(main: Callable[..., None], credentials: object, query: object, options: object, *dates: object) -> Kept:
    """Run an entrypoint without waits, for the dates or without any, and return what it wrote."""
    with kept_writes() as kept:
        main(credentials, DATA_SET, query, options, *(dates or (None, None)), retries=AT_ONCE)
    return kept
