"""Lists give up in time, and counts tell a bounded number of kinds apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import OutboxError
from importer.events import archive, archive_view
from importer.events.archive_view import ArchiveView
from importer.events.posted import parse_post
from importer.events.query import Query
from importer.events.service.listing import MAX_NAMES, OTHERS, Window
from importer.http_server.message import Answer, BodyTooLarge, Request
from importer.outbox import Outbox

NOW = 1_795_307_640.0
MINUTE = int(NOW) // 60


@pytest.fixture
def view(tmp_path: Path) -> Iterator[ArchiveView]:
    path = tmp_path / "stats-service.outbox"
    with Outbox(path) as outbox:
        archive.create(outbox)
        drafts = [draft for _ in range(3_000) for draft in parse_post(b'{"event": "e", "uid": "u"}').drafts]
        with outbox.transaction() as transaction:
            archive.accept(transaction, drafts, [])
        view = ArchiveView(path)
        yield view
        view.close()


def test_a_list_that_takes_too_long_is_given_up(view: ArchiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_view, "LIST_SECONDS", -1.0)
    monkeypatch.setattr(archive_view, "_LOOK_STEPS", 10)
    with pytest.raises(OutboxError, match="ask for a shorter time"):
        view.recent(Query(uid="nobody"))
    with pytest.raises(OutboxError, match="ask for a shorter time"):
        view.counts(0)
    assert view.total() == 3_000


def test_counts_of_very_many_kinds_are_put_together() -> None:
    window = Window({"hours": "1"}, clock=lambda: NOW)
    rare = [(MINUTE, f"rare {number}", 1) for number in range(MAX_NAMES + 10)]
    often = [(MINUTE, "often", 5), (MINUTE - 1, "often", 7)]
    counts = window.content([*rare, *often])["counts"]
    assert isinstance(counts, dict)
    assert len(counts) == MAX_NAMES + 1
    assert counts["often"] == [{"time": MINUTE * 60, "events": 5}, {"time": (MINUTE - 1) * 60, "events": 7}]
    assert counts[OTHERS] == [{"time": MINUTE * 60, "events": 11}]


def test_counts_are_put_together_by_the_step(view: ArchiveView) -> None:
    ((minute, name, events),) = view.counts(0, step_minutes=1440)
    assert (minute % 1440, name, events) == (0, "e", 3_000)


# ---- bodies


def request(**options: object) -> Request:
    return Request("POST", "/log/event", b"", {}, **{"body_limit": 10, **options})  # type: ignore[arg-type]


def test_a_body_is_put_together_of_its_parts() -> None:
    whole = request()
    for part in (b"[1", b",", b"2]"):
        whole.add(part)
    assert (bytes(whole.body()), whole.size) == (b"[1,2]", 5)


def test_a_body_over_the_limit_is_dropped_and_told() -> None:
    large = request()
    for _ in range(3):
        large.add(b"12345")
    assert large.size == 15
    assert large._body == b""
    with pytest.raises(BodyTooLarge):
        large.body()


def test_of_a_request_that_is_refused_no_body_is_kept() -> None:
    refused = request(refusal=Answer(403, b""))
    refused.add(b"12345")
    assert (refused.size, refused._body) == (5, b"")
