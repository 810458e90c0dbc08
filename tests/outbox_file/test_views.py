"""Looking at a file that others write."""

import sqlite3
from pathlib import Path

import pytest

from importer.errors import OutboxError
from importer.outbox import Outbox
from importer.outbox_view import OutboxView
from tests.outbox_children import CURSOR, LANE
from tests.outbox_file.outbox_files import PAGE_BYTES, commit, files, payload


def test_a_view_reads_while_a_transaction_is_under_way(path: Path) -> None:
    with Outbox(path) as outbox, OutboxView.open(path) as view:
        commit(outbox, 1)
        with outbox.transaction() as transaction:
            transaction.add(LANE, [payload(2)])
            transaction.move_cursor(CURSOR, 2)
            assert [lane.payloads for lane in view.lanes()] == [1]
            assert view.cursors() == {}
        assert [lane.payloads for lane in view.lanes()] == [2]
        assert view.cursors() == {CURSOR: 2}


@pytest.mark.parametrize("in_use", [True, False])
def test_a_view_shows_everything_and_changes_nothing(path: Path, sound_content: bytes, in_use: bool) -> None:
    path.write_bytes(sound_content)
    with Outbox(path) as outbox:
        expected = (outbox.cursors(), outbox.lanes(), outbox.rejects(), outbox.runs(), outbox.oldest(LANE))
        if not in_use:
            outbox.close()
        before = path.read_bytes()
        with OutboxView.open(path) as view:
            assert (view.cursors(), view.lanes(), view.rejects(), view.runs(), view.oldest(LANE)) == expected
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                view._connection.execute("DELETE FROM payloads")
        assert path.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 1000, b"SQLite format 3\0" * 300])
def test_a_view_neither_creates_nor_mends(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    before = files(path)
    with pytest.raises(OutboxError):
        OutboxView.open(path)
    assert files(path) == before


def test_a_view_of_a_file_cut_off_is_an_error_and_mends_nothing(path: Path, sound_content: bytes) -> None:
    path.write_bytes(sound_content[: 5 * PAGE_BYTES])

    def read_all() -> None:
        with OutboxView.open(path) as view:
            view.lanes()
            view.rejects()
            view.runs()
            view.cursors()

    with pytest.raises(OutboxError):
        read_all()
    assert path.read_bytes() == sound_content[: 5 * PAGE_BYTES]
