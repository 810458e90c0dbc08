"""Whether events can be accepted, and by what names anybody hears of what waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import OutboxError, OutboxFull
from importer.events import archive
from importer.events.service.meters import shared_between_processes
from importer.events.service.presence import Presence
from importer.events.service.vitals import Vitals
from importer.outbox import Lane, Outbox
from importer.points import Payload
from tests.doubles import FakeClock

LANES = ("influxdb://new.example.org/a", "influxdb://old.example.org/b", "kafka://k.example.org/t")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stats-service.outbox"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with Outbox(path) as outbox:
        archive.create(outbox)
        yield outbox


def test_what_could_not_be_kept_is_told_by_the_next_look_alone(outbox: Outbox) -> None:
    clock = FakeClock()
    vitals = Vitals(outbox, {}, clock=clock)
    assert vitals.reasons() == []
    vitals.note_failure(OutboxError("the file", "disk full"))
    assert vitals.reasons() == ["events cannot be kept: disk full"]
    assert vitals.reasons() == ["events cannot be kept: disk full"]
    clock.now += 1
    assert vitals.reasons() == []


def test_a_failure_that_another_group_has_got_over_is_not_told(outbox: Outbox) -> None:
    vitals = Vitals(outbox, {})
    vitals.note_failure(OutboxError("the file", "disk full"))
    vitals.note_commit()
    assert vitals.reasons() == []


def test_of_a_full_queue_the_address_is_not_told(outbox: Outbox) -> None:
    vitals = Vitals(outbox, {})
    vitals.note_failure(OutboxFull("the file", f"{LANES[0]} is full"))
    assert vitals.reasons() == ["events cannot be kept: the queue for the store is full"]


def test_destinations_have_names_without_addresses(outbox: Outbox, tmp_path: Path) -> None:
    outbox.configure([Lane(lane, lane) for lane in LANES])
    with outbox.transaction() as transaction:
        for lane in LANES:
            transaction.add(lane, [Payload(b"x", 1)])
    vitals = Vitals(outbox, {LANES[1]: 0, LANES[2]: 10**6})
    names = [str(state["destination"]) for state in vitals.backlog()]
    assert sorted(names) == ["influxdb", "influxdb-2", "kafka"]
    assert vitals.reasons() == ["the queue for influxdb is full: 1 events wait"]
    with shared_between_processes(tmp_path):
        text = vitals.exposition().decode()
    assert "example.org" not in text
    assert 'stats_service_backlog_events{destination="influxdb-2"} 1.0' in text


@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_that_is_gone_is_noticed_and_told_once(outbox: Outbox, path: Path, *, replaced: bool) -> None:
    told: list[OutboxError] = []
    presence = Presence(path, gone=told.append)
    vitals = Vitals(outbox, {}, check=presence.check)
    assert vitals.reasons() == []
    presence.check()
    aside = path.with_name("aside")
    path.rename(aside)
    if replaced:
        path.write_bytes(aside.read_bytes())
    for _ in range(2):
        with pytest.raises(OutboxError, match="removed or replaced"):
            presence.check()
    assert len(told) == 1
    (reason,) = Vitals(outbox, {}, check=presence.check).reasons()
    assert reason.startswith("events cannot be kept: the outbox was removed or replaced")
