"""Whatever is done to an outbox in whatever order: no payload is lost, none is there twice, the totals are right."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from importer.errors import OutboxFull
from importer.outbox import MAX_LANE_BYTES, Lane, Outbox, Transaction
from importer.points import Payload

FAMILIES = {"a": "graphite", "b": "graphite", "c": "influxdb", "d": "graphite"}
SMALL_BYTES = 200

lanes = st.sampled_from(sorted(FAMILIES))
keys = st.sampled_from(["", "", "", "widget", "other widget"])
batches = st.lists(st.tuples(keys, st.integers(0, 40)), max_size=4)
positions = st.none() | st.integers(0, 2**62)
pick = st.integers(0, 10)


@dataclass
class Item:
    """A payload as the model knows it; `number` is unique and grows, `family` is its lane's when it was rejected."""

    number: int
    payload: Payload
    family: str = ""


@dataclass
class Model:
    """What ought to be in the outbox."""

    waiting: dict[str, list[Item]] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)
    rejects: list[tuple[str, Item]] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    """Of the lanes that are configured."""
    retried: set[str] = field(default_factory=set)
    """Lanes that were gone when rejects of them were retried."""

    def make_known(self, lane: str) -> None:
        self.families.setdefault(lane, FAMILIES[lane] if lane in self.limits else "")

    def make_again(self, lane: str, families: set[str]) -> None:
        if lane not in self.families:
            self.retried.add(lane)
            self.families[lane] = min(families) if len(families) == 1 else ""
        elif lane in self.retried and families != {self.families[lane]}:
            self.families[lane] = ""

    def add(self, lane: str, item: Item) -> None:
        self.make_known(lane)
        key = item.payload.replace_key
        queue = self.waiting.setdefault(lane, [])
        queue[:] = [other for other in queue if not key or other.payload.replace_key != key]
        queue.append(item)

    def has_newer(self, lane: str, item: Item) -> bool:
        key = item.payload.replace_key
        return key != "" and any(other.payload.replace_key == key for other in self.waiting.get(lane, []))

    def reject(self, lane: str) -> None:
        item = self.waiting[lane].pop(0)
        item.family = self.families[lane]
        key = item.payload.replace_key
        self.rejects = [
            (other_lane, other)
            for other_lane, other in self.rejects
            if not key or (other_lane, other.payload.replace_key) != (lane, key)
        ]
        self.rejects.append((lane, item))

    def bytes(self, lane: str) -> int:
        return sum(len(item.payload.data) for item in self.waiting.get(lane, []))

    def forget(self, lane: str) -> None:
        self.waiting.pop(lane, None)
        self.families.pop(lane, None)
        self.retried.discard(lane)

    def configure(self, configured: set[str]) -> None:
        new = configured - self.families.keys()
        for lane in [lane for lane in self.families if lane not in configured and not self.waiting.get(lane)]:
            self.forget(lane)
        orphans = sorted(self.families.keys() - configured)
        readdressed = [lane for lane in orphans if self.families[lane] and lane not in self.retried]
        self.families |= {lane: FAMILIES[lane] for lane in configured}
        self.retried -= configured
        if len(readdressed) == 1 and len(new) == 1 and FAMILIES[min(new)] == self.families[readdressed[0]]:
            self.move(readdressed[0], min(new))
        for orphan in [lane for lane in orphans if lane in self.retried]:
            if {FAMILIES[lane] for lane in configured} == {self.families[orphan]} and len(configured) == 1:
                self.move(orphan, min(configured))

    def move(self, old: str, new: str) -> None:
        queue = self.waiting.setdefault(new, [])
        there = {item.payload.replace_key for item in queue} - {""}
        queue += [item for item in self.waiting[old] if item.payload.replace_key not in there]
        queue.sort(key=lambda item: item.number)
        self.forget(old)


class OutboxMachine(RuleBasedStateMachine):
    """Does the same to an outbox on disk and to the model."""

    @initialize()
    def open(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.generation = 0
        self.path.parent.mkdir()
        self.numbers = 0
        self.model = Model()
        self.outbox = Outbox(self.path)

    @property
    def path(self) -> Path:
        return Path(self.directory.name) / str(self.generation) / "outbox.db"

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()
            self.directory.cleanup()

    def items(self, batch: list[tuple[str, int]]) -> list[Item]:
        made = []
        for key, size in batch:
            self.numbers += 1
            data = b"%d|" % self.numbers + b"x" * size
            made.append(Item(self.numbers, Payload(data, self.numbers % 7, "format", key)))
        return made

    @rule(lane=lanes, batch=batches, position=positions)
    def commit(self, lane: str, batch: list[tuple[str, int]], position: int | None) -> None:
        items = self.items(batch)
        after = Model(waiting={lane: list(self.model.waiting.get(lane, []))})
        for item in items:
            after.add(lane, item)
        if after.bytes(lane) > self.model.limits.get(lane, MAX_LANE_BYTES):
            with pytest.raises(OutboxFull), self.outbox.transaction() as transaction:
                self.fill(transaction, lane, items, position)
            return
        with self.outbox.transaction() as transaction:
            self.fill(transaction, lane, items, position)
        self.model.make_known(lane)
        for item in items:
            self.model.add(lane, item)
        if position is not None:
            self.model.cursors[lane] = position

    @rule(lane=lanes, batch=batches, position=positions)
    def undo(self, lane: str, batch: list[tuple[str, int]], position: int | None) -> None:
        def fill_and_fail() -> None:
            with self.outbox.transaction() as transaction:
                self.fill(transaction, lane, self.items(batch), position)
                raise ZeroDivisionError

        with pytest.raises((ZeroDivisionError, OutboxFull)):
            fill_and_fail()

    @rule(lane=lanes, batch=batches, position=positions)
    def crash_in_a_transaction(self, lane: str, batch: list[tuple[str, int]], position: int | None) -> None:
        with pytest.raises(ZeroDivisionError), self.outbox.transaction() as transaction:
            with contextlib.suppress(OutboxFull):
                self.fill(transaction, lane, self.items(batch), position)
            self.copy_files()
            raise ZeroDivisionError
        self.go_on_with_the_copy()

    @rule()
    def crash(self) -> None:
        self.copy_files()
        self.go_on_with_the_copy()

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path)
        self.model.limits = {}

    @rule(lane=lanes)
    def deliver(self, lane: str) -> None:
        stored = self.outbox.oldest(lane)
        queue = self.model.waiting.get(lane)
        if not queue:
            assert stored is None
            return
        assert stored is not None
        assert stored.payload == queue.pop(0).payload
        self.outbox.delivered(stored)
        self.outbox.delivered(stored)

    @rule(lane=lanes)
    def fail(self, lane: str) -> None:
        self.outbox.note_problem(lane, "connection refused")

    @precondition(lambda self: any(self.model.waiting.values()))
    @rule(data=st.data(), replaced=st.booleans())
    def reject(self, data: st.DataObject, replaced: bool) -> None:
        lane = data.draw(st.sampled_from(sorted(lane for lane, queue in self.model.waiting.items() if queue)))
        stored = self.outbox.oldest(lane)
        assert stored is not None
        if replaced and stored.payload.replace_key and lane not in self.model.limits:
            self.commit(lane, [(stored.payload.replace_key, 3)], None)  # while this one is being delivered
            self.outbox.reject(stored, "bad")
            return
        self.outbox.reject(stored, "bad")
        self.model.reject(lane)

    @rule(index=pick, everything=st.booleans())
    def retry(self, index: int, everything: bool) -> None:
        chosen = self.take_rejects(index, everything=everything)
        assert self.outbox.retry(None if everything else self.reject_ids(index)) == len(chosen)
        for lane in {lane for lane, _ in chosen}:
            self.model.make_again(lane, {item.family for other, item in chosen if other == lane})
        for lane, item in chosen:
            self.numbers += 1
            if not self.model.has_newer(lane, item):
                self.model.add(lane, Item(self.numbers, item.payload))

    @rule(index=pick, everything=st.booleans())
    def drop_rejects(self, index: int, everything: bool) -> None:
        chosen = self.take_rejects(index, everything=everything)
        assert self.outbox.drop_rejects(None if everything else self.reject_ids(index)) == len(chosen)

    def reject_ids(self, index: int) -> list[int]:
        return [reject.id for reject in self.outbox.rejects()][index : index + 1]

    def take_rejects(self, index: int, *, everything: bool) -> list[tuple[str, Item]]:
        """Take what `retry` and `drop_rejects` are about out of the model."""
        place = slice(None) if everything else slice(index, index + 1)
        chosen = self.model.rejects[place]
        del self.model.rejects[place]
        return chosen

    @rule(lane=lanes)
    def drop_lane(self, lane: str) -> None:
        assert self.outbox.drop_lane(lane) == len(self.model.waiting.get(lane, []))
        self.model.forget(lane)

    @rule(configured=st.sets(lanes), small=st.booleans())
    def configure(self, configured: set[str], small: bool) -> None:
        self.outbox.configure(
            Lane(lane, FAMILIES[lane], SMALL_BYTES if small else MAX_LANE_BYTES) for lane in sorted(configured)
        )
        self.model.limits = dict.fromkeys(configured, SMALL_BYTES if small else MAX_LANE_BYTES)
        self.model.configure(configured)

    @rule()
    def shrink(self) -> None:
        self.outbox.shrink()

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "outbox"):
            return
        waiting = {lane: queue for lane, queue in self.model.waiting.items() if queue}
        assert rows(self.path) == [
            (lane, item.payload.data, item.payload.replace_key) for lane in sorted(waiting) for item in waiting[lane]
        ]
        assert self.outbox.cursors() == self.model.cursors
        assert [(reject.lane, reject.bytes) for reject in self.outbox.rejects()] == [
            (lane, len(item.payload.data)) for lane, item in self.model.rejects
        ]

    @invariant()
    def totals_are_a_recount(self) -> None:
        if not hasattr(self, "outbox"):
            return
        states = {state.lane: state for state in self.outbox.lanes()}
        assert {lane: state.family for lane, state in states.items()} == self.model.families
        for lane, state in states.items():
            payloads = [item.payload for item in self.model.waiting.get(lane, [])]
            assert (state.payloads, state.points, state.bytes) == (
                len(payloads),
                sum(payload.points for payload in payloads),
                sum(len(payload.data) for payload in payloads),
            )

    def fill(self, transaction: Transaction, lane: str, items: Iterable[Item], position: int | None) -> None:
        if position is not None:
            transaction.move_cursor(lane, position)
        transaction.add(lane, [item.payload for item in items])

    def copy_files(self) -> None:
        """Take the files as kill -9 would leave them."""
        target = self.path.parent.with_name(str(self.generation + 1))
        target.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{self.path}{suffix}", target)

    def go_on_with_the_copy(self) -> None:
        self.outbox.close()
        self.generation += 1
        self.outbox = Outbox(self.path)
        assert self.outbox.damage == ""
        self.model.limits = {}


def rows(path: Path) -> list[tuple[str, bytes, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT lane, data, replace_key FROM payloads ORDER BY lane, id").fetchall()


TestOutboxMachine = OutboxMachine.TestCase
