"""What the outbox tests run in processes of their own, to kill them, or to take their disk or rights away."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from importer.errors import OutboxError
from importer.lane import LaneDelivery
from importer.outbox import Outbox
from importer.points import Payload
from tests.commands import ROOT
from tests.doubles import MemorySink, day_point
from tests.servers.process import die_with_parent

LANE = "memory://a"
CURSOR = "daily/dau"
DAYS = 3
STEPS = (
    "before begin",
    "after begin",
    "after add",
    "before commit",
    "after commit",
    "before deliver",
    "after deliver",
    "after delete",
)
NOBODY = 65534


def command(function: Callable[..., None], *arguments: object, prefix: tuple[str, ...] = ()) -> list[str]:
    """Return the command line of a process that calls a function of this module."""
    code = f"import sys; from tests.outbox_children import {function.__name__} as f; f(*sys.argv[1:])"
    return die_with_parent([*prefix, sys.executable, "-c", code, *map(str, arguments)])


def run(function: Callable[..., None], *arguments: object, prefix: tuple[str, ...] = ()) -> int:
    """Call a function of this module in another process; return how that ended."""
    return subprocess.run(command(function, *arguments, prefix=prefix), cwd=ROOT, check=False).returncode


@contextlib.contextmanager
def started(function: Callable[..., None], *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Call a function of this module in another process, which is killed at the end of the block."""
    with subprocess.Popen(
        command(function, *arguments), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class FileSink(MemorySink):
    """Appends each payload to a file, as a store would that keeps the last value of a name and time."""

    def __init__(self, store: Path, *, step: Callable[[str], None]) -> None:
        super().__init__(LANE)
        self._store = store
        self._step = step

    def deliver(self, payload: Payload) -> None:
        self._step("before deliver")
        with self._store.open("ab") as file:
            file.write(payload.data + b"\n")
        self._step("after deliver")


def import_and_deliver(path: str, store: str, fatal_step: str) -> None:
    """Import the days that the cursor lacks and deliver all; die at the step named."""

    def step(name: str) -> None:
        if name == fatal_step:
            os.kill(os.getpid(), signal.SIGKILL)

    sink = FileSink(Path(store), step=step)
    with Outbox(Path(path)) as outbox:
        step("before begin")
        with outbox.transaction() as transaction:
            step("after begin")
            seen = transaction.cursor(CURSOR) or 0
            transaction.add(LANE, sink.encode(day_point(day) for day in range(seen + 1, DAYS + 1)))
            step("after add")
            transaction.move_cursor(CURSOR, DAYS)
            step("before commit")
        step("after commit")
        report = LaneDelivery(outbox, sink).drain()
        step("after delete")
    assert report.error is None, report


def commit_days(path: str, lane: str, count: str) -> None:
    """Once told to on standard input, commit a payload and the cursor for each day, and say each when it is safe."""
    with Outbox(Path(path)) as outbox:
        print("ready", flush=True)
        sys.stdin.readline()
        for day in range(1, int(count) + 1):
            with outbox.transaction() as transaction:
                transaction.add(lane, [Payload(b"%d" % day, 1)])
                transaction.move_cursor(lane, day)
            print(day, flush=True)


def open_and_close(path: str, count: str) -> None:
    """Open and close the outbox over and over, so that it is checkpointed and its -wal removed all the time."""
    for _ in range(int(count)):
        Outbox(Path(path)).close()


def hold_lane(path: str) -> None:
    """Hold the lock of LANE until killed or told to end."""
    with Outbox(Path(path)) as outbox, outbox.lane_lock(LANE, wait=lambda: False) as mine:
        print(mine, flush=True)
        sys.stdin.readline()


def outgrow_file_limit(path: str) -> None:
    """Commit until the files may grow no more, then again once they may."""
    with Outbox(Path(path)) as outbox:
        _commit_day(outbox, 1)
        hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard_limit))
        last = _commit_until_full(outbox)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
        _assert_all_kept_and_usable(outbox, last)


def outgrow_disk(directory: str) -> None:
    """Mount a tiny file system at directory, commit until it is full, then again once there is room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", directory], check=True)
    path = Path(directory) / "outbox.db"
    ballast = Path(directory) / "ballast"
    ballast.write_bytes(bytes(7_000_000))
    with Outbox(path) as outbox:
        last = _commit_until_full(outbox)
    with Outbox(path) as outbox:  # a full disk is no damage, and does not keep the outbox from being opened
        assert outbox.damage == ""
        ballast.unlink()
        _assert_all_kept_and_usable(outbox, last)


def salvage_on_full_disk(directory: str, damaged: str) -> None:
    """Open a damaged outbox where there is no room to mend it, then again where there is."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", directory], check=True)
    path = Path(directory) / "outbox.db"
    content = Path(damaged).read_bytes()
    path.write_bytes(content)
    ballast = Path(directory) / "ballast"
    with contextlib.suppress(OSError):
        ballast.write_bytes(bytes(2**23))
    _assert_one_line_error(lambda: Outbox(path))
    assert path.read_bytes() == content
    ballast.unlink()
    with Outbox(path) as outbox:
        print(outbox.damage)


def open_read_only(directory: str) -> None:
    """Open an outbox as somebody who may not write to its directory, then once that is mended."""
    path = Path(directory) / "outbox.db"
    with Outbox(path) as outbox:
        _commit_day(outbox, 1)
    if os.getuid() == 0:
        for file in Path(directory).iterdir():
            os.chown(file, NOBODY, NOBODY)
        os.chown(directory, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    path.with_name("outbox.db.lock").unlink()
    content = path.read_bytes()
    Path(directory).chmod(0o555)
    _assert_one_line_error(lambda: Outbox(path))
    assert path.read_bytes() == content
    Path(directory).chmod(0o755)
    with Outbox(path) as outbox:
        _assert_all_kept_and_usable(outbox, 1)


def _commit_day(outbox: Outbox, day: int) -> None:
    with outbox.transaction() as transaction:
        transaction.add(LANE, [Payload(b"%05d" % day * 4000, 1)])
        transaction.move_cursor(CURSOR, day)


def _commit_until_full(outbox: Outbox) -> int:
    """Return the last day that was committed."""
    for day in range(1, 1000):
        try:
            _commit_day(outbox, day)
        except OutboxError as error:
            assert len(str(error).splitlines()) == 1
            return day - 1
    raise AssertionError("the disk was never full")


def _assert_all_kept_and_usable(outbox: Outbox, last: int) -> None:
    assert outbox.cursors() == {CURSOR: last}
    _commit_day(outbox, last + 1)
    sink = MemorySink(LANE)
    report = LaneDelivery(outbox, sink).drain()
    assert report.error is None, report
    days = {int(payload.data[:5]) for payload in sink.taken}
    assert days == set(range(1, last + 2))


def _assert_one_line_error(action: Callable[[], object]) -> None:
    try:
        action()
    except OutboxError as error:
        assert len(str(error).splitlines()) == 1
    else:
        raise AssertionError("no error")
