"""One command from its first cycle to its last: what it may bring, what it must not lose, and the verdict."""

import time
from collections.abc import Iterable

from tests.end_to_end.figures import Figures, Key
from tests.end_to_end.world import World, assert_same
from tests.servers.process import wait_until

STEP_SECONDS = {"livestats": 20, "servicestats": 300}
"""How far the vendor's clock goes on before each cycle: what is asked is always partly, or all, new."""
DAILY_METRICS = 8


class Life:
    """Cycles of one command in one world, of which the last is undisturbed."""

    def __init__(self, world: World, name: str, *, whole_cycles: bool = True) -> None:
        self.world = world
        self.name = name
        self.whole_cycles = whole_cycles
        """Whether a cycle of servicestats comes through whole or not at all; one that is stopped keeps what it has."""
        self.offered: Figures = {}
        """All that the vendor ever had to give."""
        self.promised: set[Key] = set()
        """What was in the outbox or in the store after any cycle: from then on it must not be lost."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to import: dailyjobs has but one day."""
        return self.name == "dailyjobs" and len(self.world.cursors(self.name)) == DAILY_METRICS * len(self.world.apps)

    def begin_cycle(self) -> None:
        """Move the vendor's clock; groupedby's points have our own clock's second."""
        self.world.clock.now += STEP_SECONDS.get(self.name, 0)
        if self.name == "groupedby":
            second = int(time.time())
            wait_until(lambda: int(time.time()) > second, lambda: "the clock stands still", deadline_seconds=5)
        else:
            self.offered |= self.world.expected(self.name)

    def end_cycle(self) -> None:
        """Take note of what from now on must not be lost. No process of the command runs any more."""
        self.promised |= self.world.waiting(self.name) | self.world.store.points.keys()

    def end_in_peace(self) -> None:
        """Make a cycle that nothing disturbs, and judge: everything is in the store, and came once."""
        self.world.store.up()
        self.begin_cycle()
        self.world.run_well(self.name)
        self.world.store.assert_each_sent_once()
        assert not self.world.waiting(self.name)
        stored = self.world.store.points
        assert self.promised <= stored.keys(), "what was in the outbox is lost"
        if self.name == "groupedby":
            self.world.assert_grouped_stored()
        else:
            assert_same(stored, self._wanted())

    def _wanted(self) -> Figures:
        """Return all that was offered, without what the vendor had no more when the first cycle came through.

        Services have a new window in each cycle: one that was killed before its commit is lost with its window.
        """
        if self.name == "dailyjobs":
            return self.offered
        wanted = self.promised | self.world.expected(self.name).keys()
        if self.name == "servicestats" and not self.whole_cycles:
            return {key: self.offered[key] for key in wanted}
        if self.name == "servicestats":
            brought = {timestamp for _, timestamp in wanted}
            return {key: value for key, value in self.offered.items() if key[1] in brought}
        first = self._first_stamps(wanted)
        return {key: value for key, value in self.offered.items() if key[1] >= first[key[0]]}

    def _first_stamps(self, keys: Iterable[Key]) -> dict[str, int]:
        """Return when each series begins; all at once where cycles are whole."""
        first: dict[str, int] = {}
        for name, timestamp in keys:
            first[name] = min(timestamp, first.get(name, timestamp))
        return dict.fromkeys(first, min(first.values())) if self.whole_cycles else first
