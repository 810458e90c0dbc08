"""Who may read it, which versions are known, and what is left alone."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from importer import outbox_file
from importer.errors import OutboxError
from importer.outbox import Outbox
from importer.outbox_view import OutboxView
from tests.outbox_children import LANE
from tests.outbox_file.outbox_files import commit, configured, drain, files, make_older, payload, reject_oldest, waiting


@pytest.mark.usefixtures("restored_umask")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_only_the_owner_may_read_the_files(path: Path, umask: int) -> None:
    os.umask(umask)
    with Outbox(path) as outbox, outbox.lane_lock(LANE, wait=lambda: False):
        commit(outbox, 1)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert {"outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db.lock"} < modes.keys()
    assert set(modes.values()) == {0o600}


def test_an_outbox_is_there_when_opened_again(path: Path) -> None:
    with Outbox(path) as outbox:
        commit(outbox, 1, 2)
    with Outbox(path) as outbox:
        assert outbox.damage == ""
        assert waiting(outbox) == [1, 2]


def test_a_relative_path_and_odd_characters_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("a b?c#d%20.db")
    with Outbox(path) as outbox, OutboxView.open(path) as view:
        commit(outbox, 1)
        assert view.lanes() == outbox.lanes()
    assert path.exists()


def test_a_missing_directory_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match=r"^\S*outbox.db: No such file or directory: \S*outbox.db.lock$"):
        Outbox(tmp_path / "missing" / "outbox.db")


def test_a_newer_version_is_left_alone(path: Path) -> None:
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {outbox_file.SCHEMA_VERSION + 1}")
    before = files(path)
    for opening in (Outbox, OutboxView.open):
        with pytest.raises(OutboxError, match="another version"):
            opening(path)
    assert path.read_bytes() == before[path.name]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_of_a_former_version_is_brought_up_to_date(path: Path, version: int) -> None:
    with Outbox(path) as outbox:
        commit(outbox, 1)
        reject_oldest(outbox)
        commit(outbox, 2)
    make_older(path, version)
    with OutboxView.open(path) as view:
        assert [reject.reason for reject in view.rejects()] == ["bad"]
        assert [lane.payloads for lane in view.lanes()] == [1]
    with Outbox(path) as outbox:
        assert (outbox.damage, waiting(outbox)) == ("", [2])
        assert outbox.retry() == 1
        retried = outbox.oldest(LANE)
        assert retried is not None
        assert retried.payload.data == payload(1).data


@pytest.mark.parametrize("version", [1, 2])
def test_a_reject_of_a_former_version_is_of_its_lanes_family_as_far_as_that_is_known(path: Path, version: int) -> None:
    with Outbox(path) as outbox:
        outbox.configure([configured("memory://gone"), configured("memory://known")])
        for lane in ("memory://gone", "memory://known"):
            with outbox.transaction() as transaction:
                transaction.add(lane, [payload(1)])
            reject_oldest(outbox, lane)
        outbox.configure([configured("memory://known")])
    make_older(path, version)
    with Outbox(path) as outbox:
        outbox.configure([configured("memory://new")])
        assert outbox.retry() == 2
        left = outbox.configure([configured("memory://new")])
        assert [(state.lane, state.family) for state in left] == [("memory://gone", "")]
        assert drain(outbox, "memory://new") == [payload(1).data]


@pytest.mark.parametrize("journal_mode", ["DELETE", "WAL"])
def test_a_database_of_somebody_else_is_left_alone(path: Path, journal_mode: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
        connection.execute("CREATE TABLE other (value)")
    before = files(path)
    for opening in (Outbox, OutboxView.open):
        with pytest.raises(OutboxError, match="not an outbox"):
            opening(path)
    assert path.read_bytes() == before[path.name]
    assert not list(path.parent.glob("*damaged*"))


@pytest.mark.parametrize("leftover", [b"", b"SQLite format 3\0 cut off", b"x" * 9000])
def test_what_a_killed_creation_left_is_no_obstacle(path: Path, leftover: bytes) -> None:
    path.with_name("outbox.db.new").write_bytes(leftover)
    path.with_name("outbox.db.new-journal").write_bytes(leftover)
    with Outbox(path) as outbox:
        assert outbox.damage == ""
        commit(outbox, 1)
        assert waiting(outbox) == [1]
