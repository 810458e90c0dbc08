"""What the keeper forgets, and what it must not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.events import archive
from importer.events.posted import parse_post
from importer.events.service import keeper
from importer.events.service.keeper import KEPT_COUNTS_DAYS, KEPT_SECONDS, Pruner
from importer.outbox import Lane, Outbox

LANE = "memory://store"
NOW = 1_795_307_635 * 10**9
DAY = 86_400 * 10**9
SECOND = 10**9


class Clocks:
    """The time of the day, and with it that of a clock that only rises."""

    def __init__(self) -> None:
        self.ns = NOW

    def seconds(self) -> float:
        return self.ns / 1e9


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def outbox(tmp_path: Path, clocks: Clocks) -> Iterator[Outbox]:
    with Outbox(tmp_path / "stats-service.outbox", clock=clocks.seconds) as outbox:
        outbox.configure([Lane(LANE, "memory")])
        archive.create(outbox)
        yield outbox


def accept(
    outbox: Outbox, clocks: Clocks, *lanes: str, events: int = 1, body: bytes = b'{"event": "e", "uid": "u"}'
) -> None:
    drafts = [draft for _ in range(events) for draft in parse_post(body).drafts]
    with outbox.transaction() as transaction:
        archive.accept(transaction, drafts, lanes, clock_ns=lambda: clocks.ns)


def deliver(outbox: Outbox) -> None:
    outbox.delivered(*outbox.next_payloads(LANE, points=10**6))


def kept(outbox: Outbox, table: str = "events") -> int:
    with outbox.transaction() as transaction:
        (count,) = transaction.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def pruner(outbox: Outbox, clocks: Clocks, *, retention_days: int = 0, has_stores: bool = False) -> Pruner:
    return Pruner(
        outbox,
        retention_days=retention_days,
        lanes=[LANE] if has_stores else [],
        clock=clocks.seconds,
        clock_ns=lambda: clocks.ns,
    )


def test_without_a_store_and_a_retention_everything_stays(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks)
    clocks.ns += 5000 * DAY
    pruner(outbox, clocks).turn()
    assert kept(outbox) == 1


def test_without_a_store_events_stay_for_as_long_as_is_said(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks, events=1_234)
    clocks.ns += DAY
    accept(outbox, clocks)
    clocks.ns += DAY - SECOND
    pruner(outbox, clocks, retention_days=2).turn()
    assert kept(outbox) == 1_235
    clocks.ns += 2 * SECOND
    pruner(outbox, clocks, retention_days=2).turn()
    assert kept(outbox) == 1


def test_what_a_store_has_goes_after_a_while(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks, LANE)
    deliver(outbox)
    clocks.ns += KEPT_SECONDS * SECOND - SECOND
    pruner(outbox, clocks, has_stores=True).turn()
    assert kept(outbox) == 1
    clocks.ns += 2 * SECOND
    pruner(outbox, clocks, has_stores=True).turn()
    assert kept(outbox) == 0


def test_what_waits_for_its_store_is_never_forgotten(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks, LANE)
    deliver(outbox)
    clocks.ns += SECOND
    accept(outbox, clocks, LANE)
    clocks.ns += 400 * DAY
    pruner(outbox, clocks, has_stores=True, retention_days=7).turn()
    assert kept(outbox) == 1
    deliver(outbox)
    pruner(outbox, clocks, has_stores=True, retention_days=7).turn()
    assert kept(outbox) == 0


def test_what_waits_for_a_store_that_is_gone_waits_there_alone(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks, "memory://gone")
    accept(outbox, clocks, LANE)
    deliver(outbox)
    clocks.ns += DAY
    pruner(outbox, clocks, has_stores=True).turn()
    assert kept(outbox) == 0
    assert outbox.oldest("memory://gone") is not None


def test_what_was_accepted_when_there_was_no_store_stays(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks, events=3)
    clocks.ns += SECOND
    accept(outbox, clocks, LANE, events=4)
    deliver(outbox)
    clocks.ns += DAY
    pruner(outbox, clocks, has_stores=True).turn()
    assert kept(outbox) == 3
    clocks.ns += SECOND
    pruner(outbox, clocks, has_stores=True, retention_days=1).turn()
    assert kept(outbox) == 0


def test_where_much_is_to_be_forgotten_deliveries_come_between(
    outbox: Outbox, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "TURN_EVENTS", 1_000)
    accept(outbox, clocks, events=2_600)
    clocks.ns += DAY + SECOND
    own = pruner(outbox, clocks, retention_days=1)
    left = []
    for _ in range(4):
        own.turn()
        left.append(kept(outbox))
    assert left == [1_600, 600, 0, 0]


def test_of_very_many_that_a_store_has_the_older_go_at_once(
    outbox: Outbox, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "KEPT_EVENTS", 10)
    for _ in range(3):
        accept(outbox, clocks, LANE, events=6)
        clocks.ns += 60 * SECOND
    deliver(outbox)
    archive.count(outbox)
    pruner(outbox, clocks, has_stores=True).turn()
    assert kept(outbox) == 12


def test_what_was_accepted_when_there_was_no_store_outlives_the_cursors(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks, events=3)
    with outbox.transaction() as transaction:
        transaction.execute("DELETE FROM cursors")
    archive.create(outbox)
    clocks.ns += SECOND
    accept(outbox, clocks, LANE)
    deliver(outbox)
    clocks.ns += DAY
    pruner(outbox, clocks, has_stores=True).turn()
    assert kept(outbox) == 3


def test_the_times_that_events_brought_stay_as_long_as_counts(
    outbox: Outbox, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "TURN_EVENTS", 1_000)
    accept(outbox, clocks, LANE, events=1_600, body=b'{"event": "e", "uid": "u", "time": 1461587388}')
    deliver(outbox)
    own = pruner(outbox, clocks, has_stores=True)
    left = []
    for wait in (2 * KEPT_SECONDS * SECOND, 0, KEPT_COUNTS_DAYS * DAY - 3 * KEPT_SECONDS * SECOND, DAY, 0):
        clocks.ns += wait
        own.turn()
        left.append((kept(outbox), kept(outbox, "own_times")))
    assert left == [(600, 1_000), (0, 1_600), (0, 1_600), (0, 600), (0, 0)]


def test_a_turn_is_due_from_time_to_time(outbox: Outbox, clocks: Clocks) -> None:
    accept(outbox, clocks)
    own = pruner(outbox, clocks, retention_days=1)
    clocks.ns += DAY - 5 * SECOND
    own.turn()
    clocks.ns += 6 * SECOND
    own.turn()
    assert kept(outbox) == 1
    clocks.ns += 5 * SECOND
    own.turn()
    assert kept(outbox) == 0
