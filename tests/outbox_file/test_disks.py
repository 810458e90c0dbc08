"""Full disks, errors of SQLite, and threads."""

import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from importer.errors import OutboxError
from importer.outbox import Lane, Outbox, Run, Transaction
from importer.outbox_view import OutboxView
from importer.points import Payload
from tests import outbox_children
from tests.doubles import WAIT_SECONDS
from tests.outbox_children import CURSOR, LANE
from tests.outbox_file.outbox_files import PAGE_BYTES, TINY_DISK, commit, drain, payload, waiting

needs_tiny_disk = pytest.mark.skipif(
    subprocess.run([*TINY_DISK, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode
    != 0,
    reason="may not mount a file system in a namespace of its own",
)


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
