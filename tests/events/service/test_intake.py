"""Requests that come together are committed together, and each hears what came of it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.errors import OutboxError, OutboxFull
from importer.events import archive
from importer.events.archive_view import ArchiveView
from importer.events.posted import Draft, parse_post
from importer.events.service.intake import INLINE_EVENTS, MAX_GROUP, Intake
from importer.outbox import Lane, Outbox

LANE = "memory://store"


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "stats-service.outbox") as outbox:
        outbox.configure([Lane(LANE, "memory", max_bytes=2_000_000)])
        archive.create(outbox)
        yield outbox


def drafts(events: int = 1) -> list[Draft]:
    return [draft for _ in range(events) for draft in parse_post(b'{"event": "e", "uid": "u"}').drafts]


def accepted(
    outbox: Outbox, *posts: list[Draft], committed: Callable[[int, float], None] = lambda _events, _seconds: None
) -> list[Exception | None]:
    """Post all at once; return what each heard."""

    async def post() -> list[Exception | None]:
        intake = Intake(outbox, [LANE], committed=committed)
        try:
            return await asyncio.gather(*map(intake.accept, posts), return_exceptions=True)  # type: ignore[return-value]
        finally:
            await intake.close()

    return asyncio.run(post())


def kept(outbox: Outbox) -> int:
    assert outbox.path is not None
    view = ArchiveView(outbox.path)
    total = view.total()
    view.close()
    return total


def test_what_comes_together_is_committed_together(outbox: Outbox) -> None:
    groups: list[int] = []
    heard = accepted(outbox, *[drafts() for _ in range(50)], committed=lambda events, _seconds: groups.append(events))
    assert heard == [None] * 50
    assert groups == [50]
    assert kept(outbox) == 50
    assert outbox.lanes()[0].payloads == 1


@pytest.mark.parametrize("events", [INLINE_EVENTS, INLINE_EVENTS + 1])
def test_a_large_request_is_whole(outbox: Outbox, events: int) -> None:
    assert accepted(outbox, drafts(events), drafts()) == [None, None]
    assert kept(outbox) == events + 1


def test_groups_have_a_greatest_size(outbox: Outbox) -> None:
    groups: list[int] = []
    posts = [drafts(MAX_GROUP - 1), drafts(2), drafts(1)]
    accepted(outbox, *posts, committed=lambda events, _seconds: groups.append(events))
    assert groups == [MAX_GROUP - 1, 3]


def test_what_cannot_be_kept_is_told_to_each_and_the_next_has_its_own_try(outbox: Outbox) -> None:
    outbox.configure([Lane(LANE, "memory", max_bytes=200)])
    heard = accepted(outbox, drafts(), drafts())
    assert [type(error) for error in heard] == [OutboxFull, OutboxFull]
    assert kept(outbox) == 0
    outbox.configure([Lane(LANE, "memory")])
    assert accepted(outbox, drafts()) == [None]


def test_an_outbox_that_cannot_be_written_is_told(outbox: Outbox) -> None:
    outbox.close()
    (error,) = accepted(outbox, drafts())
    assert isinstance(error, OutboxError)


def test_a_fault_of_ours_keeps_nobody_waiting(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    async def post() -> tuple[object, object]:
        failures = iter([ValueError("a bug")])

        def committed(events: int, seconds: float) -> None:
            for failure in failures:
                raise failure

        intake = Intake(outbox, [LANE], committed=committed)
        first = await asyncio.gather(intake.accept(drafts()), return_exceptions=True)
        second = await asyncio.gather(intake.accept(drafts()), return_exceptions=True)
        await intake.close()
        return first[0], second[0]

    assert asyncio.run(post()) == (None, None)
    assert kept(outbox) == 2
    assert "events not committed" in caplog.text
