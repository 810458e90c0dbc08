import errno
import logging
import os
import resource
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SinkRefused, SinkUnavailable
from importer.sinks.file_failure import file_error
from importer.sinks.line_file import LineFile

LANE = "file:///x"
ABC = b'{"a":1}\n{"b":2}\n{"c":3}\n'
BATCHES = st.lists(
    st.lists(st.sampled_from(['{"a":1}', '{"b":22}', '{"c":333}', "{}"]), min_size=1, max_size=4).map(
        lambda lines: "".join(f"{line}\n" for line in lines).encode()
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def line_file(path: Path, *, max_bytes: int = 2**20, keep_files: int = 5) -> LineFile:
    return LineFile(path, LANE, max_bytes=max_bytes, keep_files=keep_files)


def contents(path: Path) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in path.parent.iterdir()}


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Let this process write no file beyond a size: as a full disk does, the kernel takes a part or nothing."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_batches_are_appended_in_their_order(path: Path) -> None:
    file = line_file(path)
    for batch in (ABC, b'{"d":4}\n', b'{"e":5}\n'):
        file.append(batch)
    assert path.read_bytes() == ABC + b'{"d":4}\n{"e":5}\n'


def test_a_new_file_is_not_for_everybody(path: Path) -> None:
    former = os.umask(0)
    try:
        line_file(path).append(ABC)
    finally:
        os.umask(former)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_batch_that_was_written_before_a_crash_is_not_written_again(path: Path) -> None:
    path.write_bytes(b'{"z":0}\n' + ABC)
    os.utime(path, (1, 1))
    line_file(path).append(ABC)
    assert path.read_bytes() == b'{"z":0}\n' + ABC
    assert path.stat().st_mtime == 1


def test_a_batch_that_is_not_the_last_one_is_written_again(path: Path) -> None:
    file = line_file(path)
    for batch in (ABC, b'{"d":4}\n', ABC):
        file.append(batch)
    assert path.read_bytes() == ABC + b'{"d":4}\n' + ABC


@pytest.mark.parametrize("earlier", [b"", b'{"z":0}\n', ABC + b'{"z":0}\n'])
def test_a_batch_that_a_crash_cut_off_anywhere_is_there_once_afterwards(earlier: bytes, path: Path) -> None:
    for length in range(len(ABC)):
        path.write_bytes(earlier + ABC[:length])
        line_file(path).append(ABC)
        assert Counter(path.read_bytes().splitlines()) == Counter((earlier + ABC).splitlines()), length


def test_the_first_line_of_a_batch_may_have_been_written_before_it(path: Path) -> None:
    path.write_bytes(b'{"a":1}\n' + ABC[:16])
    line_file(path).append(ABC)
    assert path.read_bytes() == b'{"a":1}\n' + ABC


def test_the_end_of_a_longer_line_is_not_the_beginning_of_a_batch(path: Path) -> None:
    path.write_bytes(b"[1] " + ABC)
    line_file(path).append(ABC)
    assert path.read_bytes() == b"[1] " + ABC + ABC


def test_what_another_batch_left_unfinished_is_cut_off(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(ABC + b'{"name":"' + b"x" * 200_000)
    line_file(path).append(b'{"d":4}\n')
    assert path.read_bytes() == ABC + b'{"d":4}\n'
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_zeros_that_a_power_cut_left_are_cut_off(path: Path) -> None:
    path.write_bytes(ABC + bytes(5000))
    line_file(path).append(b'{"d":4}\n')
    assert path.read_bytes() == ABC + b'{"d":4}\n'


@given(BATCHES, st.integers(0, 60))
def test_after_a_cut_anywhere_every_batch_from_there_on_is_whole(
    tmp_path_factory: pytest.TempPathFactory, batches: list[bytes], cut: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "f"
    *earlier, last = batches
    before = b"".join(earlier)
    path.write_bytes(before + last[:cut])
    file = line_file(path)
    file.append(last)
    after = path.read_bytes()
    assert after.endswith(last)
    assert set(after.splitlines()) == set((before + last).splitlines())


@pytest.mark.parametrize(
    "content", [b"root:x:0:0", b"text\nmore text", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"x" * 200_000]
)
def test_a_file_of_something_else_is_left_alone(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    if content.endswith(b"IHDR"):
        path.write_bytes(content := content.replace(b"\n\0", b"\n\x01\0"))
    with pytest.raises(SinkRefused, match="does not end like a file of ours"):
        line_file(path).append(ABC)
    assert path.read_bytes() == content


def test_a_write_that_the_disk_takes_in_part_is_undone(path: Path) -> None:
    held = b'{"x":1}\n' * 200_000
    path.write_bytes(held)
    file = line_file(path, max_bytes=2**30)
    with largest_file(len(held) + 10), pytest.raises(SinkUnavailable, match="room for 10 of 24 bytes"):
        file.append(ABC)
    assert path.read_bytes() == held
    file.append(ABC)
    assert path.read_bytes() == held + ABC


def test_a_write_that_the_disk_does_not_take_leaves_the_file_as_it_was(path: Path) -> None:
    held = b'{"x":1}\n' * 200_000
    path.write_bytes(held)
    with largest_file(len(held)), pytest.raises(SinkUnavailable, match=f"{LANE}: file too large"):
        line_file(path, max_bytes=2**30).append(ABC)
    assert path.read_bytes() == held


def test_a_write_that_does_not_get_to_the_disk_is_undone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    file = line_file(path)
    file.append(b'{"z":0}\n')
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(SinkUnavailable, match="input/output error"):
            file.append(ABC)
    assert path.read_bytes() == b'{"z":0}\n'


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, SinkUnavailable),
        (errno.EDQUOT, SinkUnavailable),
        (errno.EAGAIN, SinkUnavailable),
        (errno.EIO, SinkUnavailable),
        (errno.EACCES, SinkRefused),
        (errno.ENOENT, SinkRefused),
        (errno.EISDIR, SinkRefused),
        (errno.EROFS, SinkRefused),
    ],
)
def test_an_error_of_the_file_system_is_waited_out_or_told(number: int, kind: type[Exception]) -> None:
    error = file_error(LANE, OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert str(error) == f"{LANE}: {os.strerror(number).lower()}"


def test_a_full_file_makes_room_for_a_new_one_and_the_oldest_goes(path: Path) -> None:
    file = line_file(path, max_bytes=16, keep_files=2)
    for number in range(9):
        file.append(b'{"n":%d}\n' % number)
    assert contents(path) == {
        "metrics.jsonl": b'{"n":8}\n',
        "metrics.jsonl.1": b'{"n":6}\n{"n":7}\n',
        "metrics.jsonl.2": b'{"n":4}\n{"n":5}\n',
    }


def test_a_batch_is_never_divided_even_one_that_is_too_large(path: Path) -> None:
    file = line_file(path, max_bytes=10)
    for batch in (b"{}\n", ABC, b'{"d":4}\n'):
        file.append(batch)
    assert contents(path) == {"metrics.jsonl": b'{"d":4}\n', "metrics.jsonl.1": ABC, "metrics.jsonl.2": b"{}\n"}


def test_a_file_may_be_as_large_as_allowed(path: Path) -> None:
    file = line_file(path, max_bytes=16)
    file.append(b'{"n":1}\n')
    file.append(b'{"n":2}\n')
    assert contents(path) == {"metrics.jsonl": b'{"n":1}\n{"n":2}\n'}


@pytest.mark.parametrize("missing", [1, 2])
def test_a_renaming_that_a_crash_cut_off_costs_no_file(missing: int, path: Path) -> None:
    olds = {f"metrics.jsonl.{number}": b'{"old":%d}\n' % number for number in (1, 2, 3) if number != missing}
    for name, content in olds.items():
        path.with_name(name).write_bytes(content)
    path.write_bytes(b'{"n":1}\n')
    line_file(path, max_bytes=8, keep_files=3).append(b'{"n":2}\n')
    assert sorted(contents(path).values()) == sorted([*olds.values(), b'{"n":1}\n', b'{"n":2}\n'])


def test_what_was_written_just_before_a_crash_is_known_although_the_file_is_full(path: Path) -> None:
    path.write_bytes(ABC)
    line_file(path, max_bytes=len(ABC)).append(ABC)
    assert contents(path) == {"metrics.jsonl": ABC}


def test_processes_that_append_at_the_same_time_lose_and_mix_nothing(path: Path) -> None:
    def work(name: str) -> None:
        file = line_file(path, max_bytes=400, keep_files=100)  # each has a descriptor and thus a lock of its own
        for number in range(50):
            file.append(b"".join(b'{"%s":[%d,%d]}\n' % (name.encode(), number, part) for part in range(3)))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = list(contents(path).values())
    lines = [line for content in files for line in content.splitlines()]
    assert Counter(lines) == Counter(
        b'{"%s":[%d,%d]}' % (name, number, part)
        for name in (b"a", b"b", b"c")
        for number in range(50)
        for part in range(3)
    )
    assert all(len(content) <= 400 for content in files)
    assert all(first[:-3] == third[:-3] for first, third in zip(lines[::3], lines[2::3], strict=True))


def test_a_file_that_was_moved_away_is_begun_anew(path: Path) -> None:
    file = line_file(path)
    file.append(ABC)
    path.rename(path.with_name("taken.jsonl"))
    file.append(ABC)
    assert contents(path) == {"metrics.jsonl": ABC, "taken.jsonl": ABC}


def test_a_directory_and_a_pipe_are_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(SinkRefused, match="is a directory"):
        line_file(path).append(ABC)
    path.rmdir()
    os.mkfifo(path)
    for attempt in (lambda: line_file(path).append(ABC), line_file(path).check):
        with pytest.raises(SinkRefused, match=r"is no (regular )?file"):
            attempt()


def test_check_tells_of_the_file_and_makes_none(path: Path) -> None:
    file = line_file(path)
    assert file.check() == "will be made"
    assert not path.exists()
    file.append(ABC)
    assert file.check() == "holds 24 bytes"
    with pytest.raises(SinkRefused, match="no directory that this user may write to"):
        line_file(path.parent / "gone" / "f").check()


@pytest.mark.parametrize("numbers", [{"max_bytes": 0}, {"keep_files": 0}])
def test_an_impossible_bound_is_refused(numbers: dict[str, int], path: Path) -> None:
    with pytest.raises(ValueError, match="is not 1 or more"):
        line_file(path, **numbers)
