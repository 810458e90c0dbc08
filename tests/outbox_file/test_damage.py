"""A damaged file is set aside, and what can be read of it is saved."""

import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import outbox_salvage
from importer.errors import OutboxError
from importer.lane import LaneDelivery
from importer.outbox import Outbox
from tests.doubles import MemorySink
from tests.outbox_children import CURSOR, LANE
from tests.outbox_file.outbox_files import (
    CURSORS,
    PAGE_BYTES,
    PAYLOADS,
    assert_totals_are_right,
    commit,
    configured,
    drain,
    make_older,
    payload,
    reject_oldest,
    set_aside,
    waiting,
)


def lengths() -> list[int]:
    edges = [0, 1, 15, 16, 99, 100, 101, 511, 512, 1024, 2048]
    return [*edges, *(page * PAGE_BYTES + more for page in (1, 2, 3, 5, 8, 13, 20) for more in (-1, 0, 1, 2000))]


@pytest.mark.parametrize("length", lengths())
def test_a_file_cut_off_is_set_aside_and_what_can_be_read_is_saved(
    path: Path, sound_content: bytes, length: int
) -> None:
    assert length < len(sound_content)
    path.write_bytes(sound_content[:length])
    with Outbox(path) as outbox:
        assert set_aside(path).read_bytes() == sound_content[:length]
        assert_salvaged(outbox, path)


def assert_salvaged(outbox: Outbox, path: Path) -> None:
    """Check that the damage is told rightly, and that the cursors stayed only if no payload was lost."""
    assert_totals_are_right(outbox, path)
    cursors, rejects = outbox.cursors(), len(outbox.rejects())
    numbers = waiting(outbox)
    assert f"{len(numbers)} payloads and {rejects} rejects were saved" in outbox.damage
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(PAYLOADS))
    if len(numbers) < PAYLOADS:
        assert cursors == {}
        assert "what is new is asked again" in outbox.damage
    commit(outbox, 1)
    assert waiting(outbox) == [1]


@given(
    content=st.binary(min_size=1, max_size=20_000)
    | st.binary(max_size=5000).map(lambda tail: b"SQLite format 3\0" + tail)
)
def test_garbage_is_set_aside(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "outbox.db"
        path.write_bytes(content)
        try:
            outbox = Outbox(path)
        except OutboxError:
            assert path.read_bytes() == content
        else:
            with outbox:
                assert set_aside(path).read_bytes() == content
                assert "0 payloads and 0 rejects" in outbox.damage
                assert waiting(outbox) == []


def pages_of(content: bytes) -> list[bytes]:
    return [content[start : start + PAGE_BYTES] for start in range(0, len(content), PAGE_BYTES)]


@given(place=st.integers(0, 30), page=st.sampled_from([b"\0", b"\xff", b"\r"]).map(lambda byte: byte * PAGE_BYTES))
def test_a_blank_page_loses_no_payload_silently(sound_content: bytes, place: int, page: bytes) -> None:
    pages = pages_of(sound_content)
    assert_nothing_is_lost_silently(b"".join([*pages[:place], page, *pages[place + 1 :]]))


@given(place=st.integers(1, 30), seed=st.integers(0, 2**64))
def test_a_page_of_garbage_loses_no_payload_silently(sound_content: bytes, place: int, seed: int) -> None:
    pages = pages_of(sound_content)
    page = random.Random(seed).randbytes(PAGE_BYTES)
    assert_nothing_is_lost_silently(b"".join([*pages[:place], page, *pages[place + 1 :]]))


@given(place=st.integers(1, 30), origin=st.integers(1, 30))
def test_a_page_written_to_the_wrong_place_loses_no_payload_silently(
    sound_content: bytes, place: int, origin: int
) -> None:
    pages = pages_of(sound_content)
    assert_nothing_is_lost_silently(b"".join([*pages[:place], pages[origin], *pages[place + 1 :]]))


@given(offset=st.integers(0, 99), byte=st.integers(0, 255))
def test_a_wrong_byte_in_the_header_loses_no_payload_silently(sound_content: bytes, offset: int, byte: int) -> None:
    assert_nothing_is_lost_silently(sound_content[:offset] + bytes([byte]) + sound_content[offset + 1 :])


def assert_nothing_is_lost_silently(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "outbox.db"
        path.write_bytes(content)
        try:
            outbox = Outbox(path)
        except OutboxError:
            assert path.read_bytes() == content
            return
        with outbox:
            ids = {row[0] for row in outbox._connection.execute("SELECT id FROM payloads NOT INDEXED")}
            if len(ids) < PAYLOADS:
                assert outbox.damage
                assert outbox.cursors() == {}
            if outbox.damage:
                assert "\n" not in outbox.damage
                assert set_aside(path).read_bytes() == content
                assert_totals_are_right(outbox, path)
            else:
                assert outbox.cursors() == CURSORS


def damage_history(path: Path) -> None:
    """Damage the history of runs alone."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'").fetchone()
    content = path.read_bytes()
    start = (page - 1) * PAGE_BYTES
    path.write_bytes(content[:start] + bytes(PAGE_BYTES) + content[start + PAGE_BYTES :])


def test_what_is_known_of_lanes_and_rejects_is_saved_with_them(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.configure([configured(LANE), configured("memory://rejected")])
        with outbox.transaction() as transaction:
            transaction.add("memory://rejected", [payload(1)])
        reject_oldest(outbox, "memory://rejected")
        commit(outbox, 2)
    damage_history(path)
    with Outbox(path) as outbox:
        assert "1 payloads and 1 rejects were saved" in outbox.damage
        outbox.retry()
        states = outbox.lanes()
        assert [(state.lane, state.family, state.payloads) for state in states] == [
            (LANE, "memory", 1),
            ("memory://rejected", "memory", 1),
        ]
        with outbox.transaction() as transaction:
            transaction.add("memory://rejected", [payload(1)])
        assert drain(outbox, "memory://rejected") == [payload(1).data]


@pytest.mark.parametrize("version", [1, 2])
def test_the_rejects_of_a_damaged_file_of_a_former_version_are_saved(path: Path, version: int) -> None:
    with Outbox(path) as outbox:
        commit(outbox, 1, 2)
        reject_oldest(outbox)
    make_older(path, version)
    damage_history(path)
    with Outbox(path) as outbox:
        assert "1 payloads and 1 rejects were saved" in outbox.damage
        assert waiting(outbox) == [2]


def test_cursors_are_kept_if_every_payload_could_be_read(path: Path, sound_content: bytes) -> None:
    path.write_bytes(sound_content)
    damage_history(path)
    with Outbox(path) as outbox:
        assert f"{PAYLOADS} payloads and 2 rejects were saved from it, cursors were kept" in outbox.damage
        assert outbox.cursors() == CURSORS
        assert (len(outbox.rejects()), outbox.runs()) == (2, [])
        assert waiting(outbox) == list(range(PAYLOADS))


def test_payloads_on_both_sides_of_the_damage_are_saved(path: Path, sound_content: bytes) -> None:
    start = sound_content.index(b"015|" * 100) // PAGE_BYTES * PAGE_BYTES
    path.write_bytes(sound_content[:start] + bytes(PAGE_BYTES) + sound_content[start + PAGE_BYTES :])
    with Outbox(path) as outbox:
        assert outbox.cursors() == {}
        numbers = waiting(outbox)
    assert (numbers[0], numbers[-1]) == (0, PAYLOADS - 1)
    assert PAYLOADS - 5 < len(numbers) < PAYLOADS


def test_a_file_damaged_twice_within_a_second_is_set_aside_twice(path: Path) -> None:
    for content in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(content)
        Outbox(path, clock=lambda: 0.0).close()
    aside = path.with_name("outbox.db.damaged-19700101T000000Z")
    assert aside.read_bytes() == b"first" * 1000
    assert aside.with_name(f"{aside.name}.2").read_bytes() == b"second" * 1000


def test_a_damaged_file_that_was_checked_is_used_as_it_is(path: Path, sound_content: bytes) -> None:
    path.write_bytes(sound_content)
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)
    with Outbox(path, checked=True) as outbox:
        assert outbox.damage == ""
        assert outbox.cursors() == CURSORS
    with Outbox(path) as outbox:
        assert "damaged" in outbox.damage
        assert outbox.cursors() == CURSORS


def test_what_is_left_of_a_file_that_was_removed_does_not_get_into_the_next_one(path: Path) -> None:
    with Outbox(path) as former:
        commit(former, 1)
        path.unlink()
        with Outbox(path, checked=True) as outbox:  # as processes open it that others have checked before
            assert "its -wal file is all that is left" in outbox.damage
            assert waiting(outbox) == []
            commit(outbox, 2)
            commit(former, 3)
        with Outbox(path) as outbox:
            assert (outbox.damage, waiting(outbox)) == ("", [2])


def test_a_lane_saved_from_a_damaged_file_is_delivered(path: Path, sound_content: bytes) -> None:
    path.write_bytes(sound_content[: len(sound_content) // 2])
    with Outbox(path) as outbox:
        sink = MemorySink(LANE)
        report = LaneDelivery(outbox, sink).drain()
    assert (report.error, report.delivered) == (None, len(sink.taken))
    assert report.delivered > 0


def test_a_salvage_that_is_cut_short_starts_over(
    path: Path, sound_content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = sound_content[: len(sound_content) // 2]
    path.write_bytes(damaged)

    def killed(damaged: Path, target: sqlite3.Connection) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outbox_salvage, "salvage", killed)
        with pytest.raises(KeyboardInterrupt):
            Outbox(path)
    assert path.read_bytes() == damaged
    with Outbox(path) as outbox:
        assert_salvaged(outbox, path)
        assert waiting(outbox) == []


def test_without_its_wal_an_outbox_goes_back_to_an_earlier_commit_as_a_whole(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    with Outbox(path) as outbox:
        commit(outbox, 1)
        outbox._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with outbox.transaction() as transaction:
            transaction.add(LANE, [payload(2)])
            transaction.move_cursor(CURSOR, 2)
        copy.write_bytes(path.read_bytes())
    with Outbox(copy) as outbox:
        assert outbox.cursors() == {}
        assert waiting(outbox) == [1]


@pytest.mark.parametrize("main", [None, b""], ids=["removed", "emptied"])
def test_a_wal_that_lost_its_main_file_is_set_aside(path: Path, tmp_path: Path, main: bytes | None) -> None:
    """SQLite would read it into the new file, or delete it."""
    other = tmp_path / "other" / path.name
    other.parent.mkdir()
    with Outbox(path) as outbox:
        commit(outbox, *range(20))
        outbox._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        commit(outbox, 20)
        wal = Path(f"{path}-wal").read_bytes()
    Path(f"{other}-wal").write_bytes(wal)
    if main is not None:
        other.write_bytes(main)
    with Outbox(other) as outbox:
        assert "0 payloads" in outbox.damage
        assert [each.read_bytes() for each in other.parent.glob("*damaged*-wal")] == [wal]
        assert outbox._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert waiting(outbox) == []


@pytest.mark.parametrize("kept", [0, 31, 32, 33, 5000, 20_000])
def test_a_wal_cut_off_keeps_whole_transactions(path: Path, tmp_path: Path, kept: int) -> None:
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    with Outbox(path) as outbox:
        for number in range(PAYLOADS):
            with outbox.transaction() as transaction:
                transaction.add(LANE, [payload(number)])
                transaction.move_cursor(CURSOR, number)
        copy.write_bytes(path.read_bytes())
        Path(f"{copy}-wal").write_bytes(Path(f"{path}-wal").read_bytes()[:kept])
    with Outbox(copy) as outbox:
        last = outbox.cursors().get(CURSOR, -1)
        assert waiting(outbox) == list(range(last + 1))
