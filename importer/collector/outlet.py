"""Where an entrypoint's records go: to the run that called it, or straight to the data set where there is no run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

DataSetConfig = Mapping[str, object]
"""`url`, `token`, `data-group`, `data-type` and `dry_run`, as entrypoints have always got them."""
Record = Mapping[str, object]
"""Field -> text, number, truth value, None or datetime (a naive one is UTC)."""


@dataclass(frozen=True, slots=True)
class Write:
    """One request to a data set."""

    method: str
    """`POST` to add or replace records by their `_id`, `PUT` (of an empty list) to empty the data set."""
    content: Sequence[Record] | Record

    @property
    def records(self) -> Sequence[Record]:
        """Return the records that are added or replaced."""
        if self.method != "POST":
            return []
        return self.content if isinstance(self.content, Sequence) else [self.content]


class Outlet(Protocol):
    """Takes what an entrypoint has made."""

    def write(self, data_set: DataSetConfig, writes: Sequence[Write]) -> None:
        """Take all requests of a collection, in their order: all of them are kept, or none."""


_outlet: ContextVar[Outlet | None] = ContextVar("outlet", default=None)


@contextmanager
def outlet_in_force(outlet: Outlet) -> Iterator[None]:
    """Let what entrypoints write go to an outlet while the block lasts."""
    token = _outlet.set(outlet)
    try:
        yield
    finally:
        _outlet.reset(token)


def write(data_set: DataSetConfig, writes: Sequence[Write]) -> None:
    """Hand the requests of a collection to the outlet in force; without one, send them at once and raise what fails."""
    outlet = _outlet.get()
    if outlet is None:
        from importer.collector.direct_outlet import DirectOutlet  # on use: a run never needs it

        outlet = DirectOutlet()
    outlet.write(data_set, writes)
