"""What the keeper tells of the events that were accepted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.events import archive
from importer.events.history import RECORD_SECONDS, History
from importer.events.posted import parse_post
from importer.outbox import Outbox
from tests.doubles import FakeClock


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "stats-service.outbox") as outbox:
        archive.create(outbox)
        yield outbox


def accept(outbox: Outbox, events: int) -> None:
    drafts = [draft for _ in range(events) for draft in parse_post(b'{"event": "e", "uid": "u"}').drafts]
    with outbox.transaction() as transaction:
        archive.accept(transaction, drafts, [])


def test_the_events_of_a_minute_are_one_run(outbox: Outbox) -> None:
    clock = FakeClock()
    with History(outbox, clock=clock) as history:
        for _ in range(2):
            accept(outbox, 2)
            history.turn()
        assert outbox.runs() == []
        clock.now += RECORD_SECONDS
        accept(outbox, 1)
        history.turn()
        (run,) = outbox.runs()
        assert (run.points, run.exit_code, run.ended - run.started, run.message) == (5, 0, RECORD_SECONDS, "")
        clock.now += RECORD_SECONDS
        history.turn()
        assert len(outbox.runs()) == 1
        accept(outbox, 3)
    assert [run.points for run in outbox.runs()] == [3, 5]


def test_what_cannot_be_counted_now_is_counted_later(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    with History(outbox) as history:
        with outbox.transaction() as transaction:
            transaction.execute("ALTER TABLE event_counts RENAME TO elsewhere")
        accept(outbox, 2)
        history.turn()
        assert "events not counted: " in caplog.text
        with outbox.transaction() as transaction:
            transaction.execute("ALTER TABLE elsewhere RENAME TO event_counts")
    assert [run.points for run in outbox.runs()] == [2]
