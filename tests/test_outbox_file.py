"""The outbox on disk: rights, versions, damage, other processes, kill -9, full disks."""

import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import outbox_file, outbox_salvage
from importer.errors import OutboxError
from importer.lane import LaneDelivery
from importer.outbox import Lane, Outbox, Run, Transaction
from importer.outbox_view import OutboxView
from importer.points import Payload
from tests import outbox_children
from tests.doubles import WAIT_SECONDS, MemorySink
from tests.outbox_children import CURSOR, DAYS, LANE, STEPS

PAGE_BYTES = 4096
PAYLOADS = 30
CURSORS = {"a": 1, "b": 2, "c": 3}
TINY_DISK = ("unshare", "--user", "--map-root-user", "--mount", "--")

needs_tiny_disk = pytest.mark.skipif(
    subprocess.run([*TINY_DISK, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode
    != 0,
    reason="may not mount a file system in a namespace of its own",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture(scope="module")
def sound_content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of an outbox with payloads, rejects, cursors and runs, some larger than a page."""
    path = tmp_path_factory.mktemp("sound") / "outbox.db"
    with Outbox(path) as outbox:
        with outbox.transaction() as transaction:
            transaction.add(LANE, map(payload, range(-2, PAYLOADS)))
            for name, position in CURSORS.items():
                transaction.move_cursor(name, position)
        for _ in range(2):
            stored = outbox.oldest(LANE)
            assert stored is not None
            outbox.reject(stored, "bad")
        outbox.record_run(Run(1, 2, 0, 3, 4, ""))
    return path.read_bytes()


def payload(number: int) -> Payload:
    return Payload(b"%03d|" % number * (2500 if number % 10 == 0 else 400), 2, "format", f"key {number}")


def commit(outbox: Outbox, *numbers: int) -> None:
    with outbox.transaction() as transaction:
        transaction.add(LANE, map(payload, numbers))


def waiting(outbox: Outbox) -> list[int]:
    """Take what waits out of the outbox; return the payloads' numbers."""
    numbers = []
    while (stored := outbox.oldest(LANE)) is not None:
        number = int(stored.payload.data[:3])
        assert stored.payload == payload(number)
        numbers.append(number)
        outbox.delivered(stored)
    return numbers


def recount(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT lane, count(*), sum(points), sum(length(data)) FROM payloads").fetchall()


def assert_totals_are_right(outbox: Outbox, path: Path) -> None:
    counted = [row for row in recount(path) if row[0] is not None]
    assert [(lane.lane, lane.payloads, lane.points, lane.bytes) for lane in outbox.lanes()] == counted


def set_aside(path: Path) -> Path:
    (aside,) = (each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith(("-wal", "-shm")))
    return aside


def files(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if not each.name.endswith(".lock")}


@pytest.fixture
def restored_umask() -> Iterator[None]:
    umask = os.umask(0o022)
    yield
    os.umask(umask)


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


def make_older(path: Path, version: int) -> None:
    """Turn a file into one of a former version."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE lanes DROP COLUMN retried")
        connection.execute("ALTER TABLE rejects DROP COLUMN family")
        if version == 1:
            connection.execute("ALTER TABLE rejects DROP COLUMN replace_key")
        connection.execute(f"PRAGMA user_version = {version}")


def reject_oldest(outbox: Outbox, lane: str = LANE) -> None:
    stored = outbox.oldest(lane)
    assert stored is not None
    outbox.reject(stored, "bad")


@pytest.mark.parametrize("version", [1, 2])
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


def configured(lane: str) -> Lane:
    return Lane(lane, "memory")


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


# ---- damage


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


# ---- views


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


# ---- other processes


def test_two_processes_write_at_once_and_lose_nothing(path: Path) -> None:
    days = 60
    lanes = ["memory://first", "memory://second", LANE]
    with (
        outbox_children.started(outbox_children.commit_days, path, lanes[0], days) as first,
        outbox_children.started(outbox_children.commit_days, path, lanes[1], days) as second,
        outbox_children.started(outbox_children.open_and_close, path, 100) as third,
    ):
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        third.communicate(timeout=WAIT_SECONDS)
        with Outbox(path) as outbox:
            first_said, second_said = (talk(process) for process in (first, second))
            for day in range(1, days + 1):
                with outbox.transaction() as transaction:
                    transaction.add(LANE, [Payload(b"%d" % day, 1)])
                    transaction.move_cursor(LANE, day)
            for process, thread in (first_said, second_said):
                thread.join(WAIT_SECONDS)
                assert process.wait(WAIT_SECONDS) == 0
            assert third.returncode == 0
            assert outbox.damage == ""
            assert outbox.cursors() == dict.fromkeys(lanes, days)
            for lane in lanes:
                assert drain(outbox, lane) == [b"%d" % day for day in range(1, days + 1)]


def talk(process: subprocess.Popen[str]) -> tuple[subprocess.Popen[str], threading.Thread]:
    """Let a child begin, and read what it says."""
    thread = threading.Thread(target=process.communicate, args=("go\n",))
    thread.start()
    return process, thread


def drain(outbox: Outbox, lane: str) -> list[bytes]:
    taken = []
    while (stored := outbox.oldest(lane)) is not None:
        outbox.delivered(stored)
        taken.append(stored.payload.data)
    return taken


def test_a_lane_is_held_by_one_process_and_freed_by_its_death(path: Path) -> None:
    with Outbox(path) as outbox, outbox_children.started(outbox_children.hold_lane, path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        asked: list[bool] = []

        def wait() -> bool:
            asked.append(True)
            return len(asked) < 3

        with outbox.lane_lock(LANE, wait=wait) as mine:
            assert not mine
        assert len(asked) == 3
        with outbox.lane_lock("memory://b", wait=lambda: False) as mine:
            assert mine

        def kill() -> bool:
            holder.kill()
            holder.wait()
            return True

        with outbox.lane_lock(LANE, wait=kill) as mine:
            assert mine


def test_two_outboxes_of_one_process_do_not_hold_a_lane_at_once(path: Path) -> None:
    with (
        Outbox(path) as one,
        Outbox(path) as other,
        one.lane_lock(LANE, wait=lambda: False) as first,
        other.lane_lock(LANE, wait=lambda: False) as second,
    ):
        assert (first, second) == (True, False)


# ---- kill -9


def stored_days(store: Path) -> list[int]:
    """Return the days of the points in a store that the children deliver to, as they came."""
    lines = store.read_text().splitlines() if store.exists() else []
    return [int(timestamp) // 86400 for line in lines for _, _, timestamp in json.loads(line)]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_store_has_each_point_in_the_end(path: Path, tmp_path: Path, step: str) -> None:
    store = tmp_path / "store"
    assert outbox_children.run(outbox_children.import_and_deliver, path, store, step) == -signal.SIGKILL
    committed = STEPS.index(step) > STEPS.index("before commit")
    with Outbox(path) as outbox:
        assert outbox.damage == ""
        assert outbox.cursors() == ({CURSOR: DAYS} if committed else {})
        waiting = sum(lane.payloads for lane in outbox.lanes())
    in_doubt = step == "after deliver"
    assert waiting + len(stored_days(store)) == (DAYS + in_doubt if committed else 0)

    assert outbox_children.run(outbox_children.import_and_deliver, path, store, "none") == 0
    days = stored_days(store)
    assert sorted(set(days)) == list(range(1, DAYS + 1))
    assert len(days) == DAYS + in_doubt
    assert days == sorted(days)


def test_killed_at_any_time_a_commit_that_was_told_is_there(path: Path) -> None:
    told = 0
    for number in range(4):
        with outbox_children.started(outbox_children.commit_days, path, LANE, 100_000) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            for _ in range(10 + 7 * number):
                told = int(process.stdout.readline())
            process.kill()
            process.wait()
            rest = process.stdout.read().splitlines()
            told = int(rest[-1]) if rest and rest[-1] else told
        with Outbox(path) as outbox:
            assert outbox.damage == ""
            last = outbox.cursors()[LANE]
            assert last in {told, told + 1}
            assert drain(outbox, LANE) == [b"%d" % day for day in range(1, last + 1)]


# ---- disks


def test_at_the_limit_of_a_file_nothing_is_lost(path: Path) -> None:
    assert outbox_children.run(outbox_children.outgrow_file_limit, path) == 0


@needs_tiny_disk
def test_on_a_full_disk_nothing_is_lost(tmp_path: Path) -> None:
    assert outbox_children.run(outbox_children.outgrow_disk, tmp_path, prefix=TINY_DISK) == 0


@needs_tiny_disk
def test_a_damaged_file_on_a_full_disk_waits_for_room(tmp_path: Path, sound_content: bytes) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(sound_content[: len(sound_content) // 2])
    disk = tmp_path / "disk"
    disk.mkdir()
    assert outbox_children.run(outbox_children.salvage_on_full_disk, disk, damaged, prefix=TINY_DISK) == 0


def test_a_read_only_directory_is_one_line_and_no_damage() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        assert outbox_children.run(outbox_children.open_read_only, directory) == 0


def test_an_error_inside_sqlite_is_undone_and_the_outbox_goes_on(path: Path) -> None:
    """As on a bad disk: the statement in the middle of a transaction fails."""
    with Outbox(path) as outbox:
        commit(outbox, 1)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("CREATE TRIGGER broken BEFORE INSERT ON cursors BEGIN SELECT RAISE(ROLLBACK, 'broken'); END")
            with pytest.raises(OutboxError, match="broken"), outbox.transaction() as transaction:
                import_second(transaction)
            other.execute("DROP TRIGGER broken")
        with outbox.transaction() as transaction:
            import_second(transaction)
        assert waiting(outbox) == [1, 2]


def import_second(transaction: Transaction) -> None:
    transaction.add(LANE, [payload(2)])
    transaction.move_cursor(CURSOR, 2)


def test_many_threads_share_one_outbox(path: Path) -> None:
    with Outbox(path) as outbox:

        def work(lane: str) -> None:
            for number in range(30):
                with outbox.transaction() as transaction:
                    transaction.add(lane, [Payload(b"%d" % number, 1)])

        lanes = [f"memory://{number}" for number in range(4)]
        threads = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        for lane in lanes:
            assert drain(outbox, lane) == [b"%d" % number for number in range(30)]


def test_room_of_delivered_payloads_goes_back_to_the_file_system(path: Path) -> None:
    with Outbox(path) as outbox:
        commit(outbox, *range(300))
        waiting(outbox)
        outbox.shrink()
        assert outbox._connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert outbox._connection.execute("PRAGMA page_count").fetchone()[0] < 20
    assert path.stat().st_size < 20 * PAGE_BYTES


def holders(action: Callable[[], object]) -> int:
    before = len(list(Path("/proc/self/fd").iterdir()))
    action()
    return len(list(Path("/proc/self/fd").iterdir())) - before


def test_a_failed_opening_leaves_no_file_open(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (value)")

    def fail() -> None:
        for opening in (Outbox, OutboxView.open):
            with pytest.raises(OutboxError):
                opening(path)

    assert holders(fail) == 0


def test_who_configures_what_there_is_writes_nothing(path: Path) -> None:
    with Outbox(path) as outbox, closing(sqlite3.connect(path)) as other:
        lanes = [Lane(LANE, "memory")]
        outbox.configure(lanes)
        (before,) = other.execute("PRAGMA data_version").fetchone()
        outbox.configure(lanes)
        assert other.execute("PRAGMA data_version").fetchone() == (before,)


def test_who_waits_for_no_other_writer_is_told_at_once(path: Path) -> None:
    with (
        Outbox(path, busy_seconds=0.0) as outbox,
        Outbox(path) as other,
        other.transaction(),
        pytest.raises(OutboxError, match="locked"),
    ):
        outbox.record_run(Run(1.0, 2.0, 0, 1, None, ""))
