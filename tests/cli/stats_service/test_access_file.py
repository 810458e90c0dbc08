"""A users file is changed whole, one command at a time, and stays what it was in all else."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from importer.cli.stats_service.access_file import AccessDocument, AccessFileError, editing, write_new
from importer.credentials import Secret
from importer.events.tokens.token import TokenPair
from tests.cli.stats_service.token_commands import entries_of, mode_of

PAIR = TokenPair(Secret("a token of somebody"), Secret("open sesame"))
MEMBERS = {"access_token": "a token of somebody", "access_secret": "open sesame"}


of_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "access.json"
    path.write_text('[{"zone": {"b": 1, "a": [2.5, null]}, "username": "zoë", "tokens": [], "id": "user_1"}]')
    path.chmod(0o600)
    return path


def add(path: Path, username: str) -> None:
    with editing(path) as document:
        document.add(username, PAIR)


def test_unknown_members_and_the_order_of_all_stay(path: Path) -> None:
    add(path, "zoë")
    assert (
        path.read_text()
        == json.dumps(
            [{"zone": {"b": 1, "a": [2.5, None]}, "username": "zoë", "tokens": [MEMBERS], "id": "user_1"}],
            indent=4,
            ensure_ascii=False,
        )
        + "\n"
    )


def test_a_pair_is_taken_out_and_its_neighbours_stay_to_the_letter(path: Path) -> None:
    (path.parent / "token.txt").write_text("a token of somebody\n")
    neighbour = {"note": "laptop", "access_secret": "x", "access_token": "another token"}
    twin = {"access_token_file": "token.txt", "access_secret": "open sesame"}
    path.write_text(json.dumps([{"id": "1", "username": "ali", "tokens": [twin, neighbour, MEMBERS]}]))
    with editing(path) as document:
        document.remove({"a token of somebody"})
    assert entries_of(path)[0]["tokens"] == [neighbour]
    assert list(entries_of(path)[0]["tokens"][0]) == list(neighbour)


def test_a_block_that_raises_changes_nothing(path: Path) -> None:
    before = (path.read_bytes(), path.stat().st_ino)
    with pytest.raises(KeyError), editing(path) as document:
        document.add("ali", PAIR)
        raise KeyError
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_commands_that_run_at_a_time_undo_nothing_of_each_other(path: Path) -> None:
    names = [f"user {number}" for number in range(12)]
    threads = [threading.Thread(target=add, args=(path, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry["username"] for entry in entries_of(path)) == sorted(["zoë", *names])
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o644, 0o640), (0o400, 0o600)])
def test_the_mode_stays_but_for_what_others_may(path: Path, before: int, after: int) -> None:
    path.chmod(before)
    add(path, "ali")
    assert mode_of(path) == after


def access_to(path: Path) -> tuple[int, int, int]:
    return path.stat().st_uid, path.stat().st_gid, mode_of(path)


def make(path: Path) -> None:
    with editing(path, make=True) as document:
        document.add("ali", PAIR)


@of_root
def test_the_file_stays_its_owners(path: Path) -> None:
    os.chown(path, 65534, 65534)
    path.chmod(0o640)
    add(path, "ali")
    assert access_to(path) == (65534, 65534, 0o640)
    write_new(path, AccessDocument(path, []), overwrite=True)
    assert access_to(path) == (65534, 65534, 0o640)


@of_root
def test_what_root_makes_in_a_directory_of_a_group_can_be_read_by_that_group(tmp_path: Path) -> None:
    os.chown(tmp_path, 0, 65534)
    make(tmp_path / "access.json")
    write_new(tmp_path / "other.json", AccessDocument(tmp_path, []), overwrite=False)
    assert {access_to(made) for made in tmp_path.iterdir()} == {(0, 65534, 0o640)}


@of_root
def test_what_root_makes_in_a_directory_of_its_own_is_for_root_alone(tmp_path: Path) -> None:
    os.chown(tmp_path, 0, 0)
    make(tmp_path / "access.json")
    assert access_to(tmp_path / "access.json") == (0, 0, 0o600)


def test_a_file_that_would_change_its_owner_is_left_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chown", refuse)
    before = path.read_bytes()
    with pytest.raises(AccessFileError, match="belongs to another user or group"):
        add(path, "ali")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    add(link, "ali")
    assert link.is_symlink()
    assert [entry["username"] for entry in entries_of(path)] == ["zoë", "ali"]


def test_a_disk_that_is_full_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    before = path.read_bytes()
    with pytest.raises(AccessFileError, match=r"access\.json: cannot be written: No space left on device"):
        add(path, "ali")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(AccessFileError, match="is not a file"):
        write_new(tmp_path, AccessDocument(tmp_path, []), overwrite=True)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(AccessFileError, match="is not a file"):
        write_new(pipe, AccessDocument(pipe, []), overwrite=True)
    assert list(tmp_path.iterdir()) == [pipe]
