"""A file that JSON objects are appended to, a line each, some lines at a time: all of them or none.

Several processes may append to one file; each locks it for that. What is at its end when a batch of lines comes tells
whether a crash came in between: the beginning of a batch is cut off, and a batch that is there is not appended again.
Once the file is large enough it becomes FILE.1, FILE.1 becomes FILE.2, and so on.
"""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.errors import SinkRefused, SinkUnavailable
from importer.sinks.file_failure import file_error, lock_file
from importer.stores import file_stamp, sync_directory

logger = logging.getLogger(__name__)

MODE = 0o640
"""Of a new file, less what the umask takes away."""

_CHUNK_BYTES = 64 * 1024
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class LineFile:
    """Appends batches of lines to a file, for one lane.

    The file is renamed before a batch would make it larger than `max_bytes`, and the last `keep_files` of the renamed
    ones are kept. A batch is never divided: one that is larger has a file for itself. Equal lines tell the same fact:
    those that the file ends with already are not written twice. Raises ValueError for numbers below 1.
    """

    def __init__(self, path: Path, lane: str, *, max_bytes: int, keep_files: int) -> None:
        if max_bytes < 1 or keep_files < 1:
            raise ValueError(f"max_bytes {max_bytes} or keep_files {keep_files} is not 1 or more")
        self.path = path.absolute()
        self._lane = lane
        self._max_bytes = max_bytes
        self._generations = [self.path, *(Path(f"{self.path}.{number}") for number in range(1, keep_files + 1))]

    def append(self, batch: bytes) -> None:
        """Append lines, the last one ended too; they are safe on disk when this returns.

        Raises SinkUnavailable for a full disk and the like, and SinkRefused for a file that may not be written or
        that is not made of such lines; it is then as it was.
        """
        try:
            while not self._append_to_current(batch):
                pass  # it was full and has been renamed; who locks the new one first may be another process
        except OSError as error:
            raise file_error(self._lane, error) from error

    def check(self) -> str:
        """Return what is to be said of the file, without its name; makes and changes nothing.

        Raises SinkRefused where `append` would.
        """
        if file_stamp(self.path) is None:
            if not os.access(self.path.parent, os.W_OK | os.X_OK):
                raise SinkRefused(self._lane, f"{self.path.parent} is no directory that this user may write to")
            return "will be made"
        if not self.path.is_file() or not os.access(self.path, os.R_OK | os.W_OK):
            raise SinkRefused(self._lane, "is no file that this user may read and write")
        return f"holds {self.path.stat().st_size} bytes"

    def _append_to_current(self, batch: bytes) -> bool:
        """Append and return True; False where that needs a new file, for which there is room now."""
        with self._locked() as descriptor:
            size = os.fstat(descriptor).st_size
            held = _held_bytes(batch, _tail(descriptor, size, len(batch)))
            if held == len(batch):
                logger.info("written before, not appended again lane=%s bytes=%d", self._lane, held)
                return True
            end = size - held if held else self._end_of_lines(descriptor, size)
            if end < size:
                logger.warning("cut off what a crash left unfinished lane=%s bytes=%d", self._lane, size - end)
                os.ftruncate(descriptor, end)
            if end and end + len(batch) > self._max_bytes:
                self._rotate()
                return False
            self._write(descriptor, end, batch)
            return True

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Give a descriptor of the file, locked against other processes."""
        while True:
            descriptor = os.open(self.path, _FLAGS, MODE)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SinkRefused(self._lane, "is no regular file")
                lock_file(descriptor, self._lane)
                if self._is_current(descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        """Return whether a file still has its name: another process may have renamed it while we waited."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _end_of_lines(self, descriptor: int, size: int) -> int:
        """Return how many bytes whole lines take; raises SinkRefused where what follows is not of our writing."""
        start = size
        rest = b""
        while start and b"\n" not in rest:
            length = min(start, _CHUNK_BYTES)
            start -= length
            rest = os.pread(descriptor, length, start) + rest
        unfinished = rest[rest.rfind(b"\n") + 1 :]
        if unfinished and not unfinished.startswith((b"{", b"\0")):  # a power cut may leave zeros
            raise SinkRefused(self._lane, "does not end like a file of ours; name another path")
        return size - len(unfinished)

    def _write(self, descriptor: int, end: int, batch: bytes) -> None:
        try:
            written = os.write(descriptor, batch)
            if written < len(batch):
                raise SinkUnavailable(self._lane, f"there was room for {written} of {len(batch)} bytes only")
            os.fdatasync(descriptor)
            if not end:  # it may be new
                sync_directory(self.path.parent)
        except (OSError, SinkUnavailable):
            os.ftruncate(descriptor, end)
            raise

    def _rotate(self) -> None:
        """Rename the file; up to the first number that is free, where a crash came in between the last time."""
        last = len(self._generations) - 1
        free = next((number for number in range(1, last) if not self._generations[number].exists()), last)
        for number in range(free, 0, -1):
            self._generations[number - 1].replace(self._generations[number])
        sync_directory(self.path.parent)


def _tail(descriptor: int, size: int, length: int) -> bytes:
    """Return the last bytes of a file, and the one before them: a line feed where they are all that there is."""
    start = max(0, size - length)
    before = os.pread(descriptor, 1, start - 1) if start else b"\n"
    return before + os.pread(descriptor, size - start, start)


def _held_bytes(batch: bytes, tail: bytes) -> int:
    """Return how many bytes of a batch, from its beginning, are what a file ends with; its first line at least.

    >>> _held_bytes(b"{1}\\n{2}\\n{3}\\n", b"\\n{0}\\n{1}\\n{2")
    6
    """
    first_line = b"\n" + batch[: batch.index(b"\n") + 1]
    found = tail.find(first_line)
    while found != -1:
        held = tail[found + 1 :]
        if batch.startswith(held):
            return len(held)
        found = tail.find(first_line, found + 1)
    return 0
