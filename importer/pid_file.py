"""The file that says which process runs: its number in decimal digits, and a newline."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from importer.errors import ImporterError, one_line

CLOCK_SLACK_SECONDS = 60.0
"""How much younger than its pid file a process may seem: the clock may have been put forward since."""

_MAX_PID = 2**31 - 1
"""More does not go into a pid_t; the kernel's own limit is far below."""
_MAX_PID_FILE_BYTES = 100


class PidFileError(ImporterError):
    """A pid file cannot be read, written or understood, or the process that it names cannot be ended."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = one_line(reason)
        super().__init__(f"{path}: {self.reason}")


class AlreadyRunning(PidFileError):
    """The process that the pid file names is alive; `pid` is its number."""

    def __init__(self, path: Path, pid: int) -> None:
        self.pid = pid
        super().__init__(path, f"process {pid} is running already")


@dataclass(frozen=True, slots=True)
class PidEntry:
    """What a pid file says."""

    pid: int
    """The number of a process, not of a group: above 0."""
    written_at: float
    """When the file was written, in seconds since 1970."""

    def is_live(self) -> bool:
        """Return whether the process that was meant is alive: neither a zombie nor a later one of that number.

        Where /proc does not tell (other systems; hidepid= and another user's process), the number has to do.
        """
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's is alive, too
            pass
        try:
            status = Path(f"/proc/{self.pid}/stat").read_bytes()
        except OSError:
            return True
        # Before the last parenthesis there is a name, which may hold anything. The fields are the 3rd and the 22nd
        # of proc_pid_stat(5).
        fields = status.rpartition(b")")[2].split()
        state, start_ticks = fields[0], int(fields[19])
        return state not in (b"Z", b"X") and not self._is_older_than(start_ticks)

    def _is_older_than(self, start_ticks: int) -> bool:
        """Compare ages: the kernel keeps a process's start as time since boot, which no clock change moves."""
        process_age = time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")
        file_age = time.time() - self.written_at
        return file_age > process_age + CLOCK_SLACK_SECONDS


class PidFile:
    """The file that names a process; a relative path counts from the working directory of this moment."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def holder(self) -> int | None:
        """Return the number of the live process that the file names; None where there is no file or no process.

        Raises PidFileError for a file that cannot be read or holds something else.
        """
        entry = self.read()
        return entry.pid if entry is not None and entry.is_live() else None

    def read(self) -> PidEntry | None:
        """Return what the file says, be that process alive or not; None where there is no file.

        Raises PidFileError as `holder` does.
        """
        try:
            with self.path.open("rb") as file:
                return PidEntry(self._parse(file), os.fstat(file.fileno()).st_mtime)
        except FileNotFoundError as error:
            if self.path.is_symlink():
                raise PidFileError(self.path, "is a link that leads nowhere: remove it") from error
            return None
        except OSError as error:
            raise PidFileError(self.path, f"cannot be read: {error.strerror}") from error

    def read_stale(self) -> PidEntry | None:
        """Return what a file says that may be replaced; None where there is no file.

        Raises AlreadyRunning, and PidFileError as `holder` does.
        """
        entry = self.read()
        is_ours = entry is not None and entry.pid == os.getpid()  # a restarted container gives the same numbers again
        if entry is not None and not is_ours and entry.is_live():
            raise AlreadyRunning(self.path, entry.pid)
        return entry

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the file name this process while the block lasts. A file whose process is gone is replaced.

        Of several processes that enter at once, one does. Raises AlreadyRunning, or PidFileError for a file that
        cannot be read, written or understood. A file that names another process by the end is left alone.
        """
        pid = os.getpid()
        while not self._create(pid):
            stale = self.read_stale()
            if stale is not None:
                self.discard(stale.pid)
        try:
            yield
        finally:
            self.discard(pid)

    def discard(self, pid: int) -> None:
        """Remove the file if it names that process. Raises PidFileError if that cannot be done."""
        try:
            with self.path.open("rb") as file:
                # Two processes may find the same stale file. Without the lock the second could remove what the
                # first has put in its place since.
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(file.fileno()), self.path.stat()) and self._parse(file) == pid:
                    self.path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise PidFileError(self.path, f"cannot be removed: {error.strerror}") from error

    def _create(self, pid: int) -> bool:
        """Put a file in place, if there is none; return whether that was so. Nobody ever sees half of it."""
        try:
            with NamedTemporaryFile(dir=self.path.parent, prefix=f".{self.path.name}.") as beside:
                beside.write(b"%d\n" % pid)
                beside.flush()
                os.fchmod(beside.fileno(), 0o644)
                os.link(beside.name, self.path)
        except FileExistsError:
            return False
        except OSError as error:
            raise PidFileError(self.path, f"cannot be written: {error.strerror}") from error
        return True

    def _parse(self, file: BinaryIO) -> int:
        text = file.read(_MAX_PID_FILE_BYTES).strip()
        if not (text.isdigit() and 0 < int(text) <= _MAX_PID):
            raise PidFileError(self.path, "holds no process number: remove it, unless what it belongs to is running")
        return int(text)
