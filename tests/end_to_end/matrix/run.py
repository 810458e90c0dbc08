"""One run of each command to all destinations at once, and what the vendor's own figures say should be there then.

The figures come from the simulators' public functions and from recorded answers; what a store calls them, from the
rules in `tests.contract.stores`. Our encoders make nothing of it; `figures` alone has them clean app names.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from importer.outbox_view import OutboxView
from importer.points import Point
from tests.commands import Commands, Result, isolated_environment
from tests.contract.stores.base import WAIT_SECONDS, Held, Store
from tests.contract.stores.kafka import TopicStore
from tests.contract.stores.local import FileStore, LogStore
from tests.servers.process import wait_until

LOG = "dummy"
OpenStores = Callable[[Path], dict[str, Store]]
"""Makes the stores for a command, by their titles; what they keep on disk lies in a directory."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a command."""

    result: Result
    state: Path
    outbox: str
    """The name of the command's outbox."""
    stores: Mapping[str, Store]
    wanted: re.Pattern[str]
    """The beginning of the names of what is compared."""
    points: Callable[[Store], Sequence[Point]]
    """The vendor's figures for a store."""
    at: tuple[float, float] | None = None
    """When the command ran, where its points have the time of the request; None: the points have their own times."""
    records: Sequence[Mapping[str, object]] = ()
    """What stores get whole that take records, in place of points."""
    messages: Callable[[str], Sequence[Mapping[str, object]]] | None = None
    """What the store of a title gets in place of points, if that is Kafka."""
    times: int = 1
    """How often Kafka has each record or message: a topic keeps what comes again, behind the other."""

    def assert_stored(self, title: str) -> None:
        """Fail unless a store holds the vendor's figures, and nothing else of this command."""
        store = self.stores[title]
        if self.messages and isinstance(store, TopicStore):
            values = [message.value for message in store.messages()]
            assert_same_objects(values, self.messages(title), times=self.times)
        elif self.records and isinstance(store, TopicStore):
            values = [message.value for message in store.messages()]
            assert_same_objects(values, self.records, times=self.times)
        elif self.records and isinstance(store, FileStore):
            assert_same_objects(store.lines(), self.records, times=1)
        else:
            self._assert_points_stored(store)

    def _assert_points_stored(self, store: Store) -> None:
        points = self.points(store)
        assert points
        expected = self._at_one_time(store.expected(points))

        def difference() -> str:
            return store.differences(expected, self._at_one_time(store.read_back(self.wanted)))

        wait_until(lambda: not difference(), difference, deadline_seconds=WAIT_SECONDS)

    def _at_one_time(self, held: Held) -> Held:
        """Return what is held with one time for all that was asked for while the command ran."""
        if self.at is None:
            return held
        first, last = self.at
        return {
            key._replace(timestamp=first) if first <= key.timestamp <= last else key: value
            for key, value in held.items()
        }

    def assert_nothing_waits(self) -> None:
        """Fail unless all of it was delivered, and nothing set aside."""
        with OutboxView.open(self.state / f"{self.outbox}.outbox") as view:
            assert [lane for lane in view.lanes() if lane.points] == []
            assert view.count_rejects() == 0

    def close(self) -> None:
        """End the stores that are this run's alone."""
        for store in self.stores.values():
            store.close()


def assert_same_objects(texts: Sequence[str], expected: Sequence[Mapping[str, object]], *, times: int) -> None:
    """Fail unless texts are these objects in JSON, each so often, in whatever order."""
    held = [json.loads(text) for text in texts]
    assert sorted(held, key=str) == sorted(times * list(map(dict, expected)), key=str)


def commands_in(home: Path) -> Commands:
    return Commands(home, isolated_environment(home, coverage=False))


def with_log(stores: dict[str, Store], root: str, state: Path, read_log: Callable[[], str]) -> dict[str, Store]:
    """Return the stores with the log, where a test knows its place."""
    return {**stores, LOG: LogStore(root, state, read_log=read_log)}
