"""One service has an outbox to itself: another one would take over what waits in it, and forget what this one keeps."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from importer.errors import ImporterError, OutboxError

WAIT_SECONDS = 2.0
"""How long another one may still have it: it may be about to end."""
_INTERVAL_SECONDS = 0.05
_MAX_BYTES = 2000


class InUse(ImporterError):
    """Another process has the outbox; `pid` is the number of one that has."""

    def __init__(self, path: Path, pid: str) -> None:
        self.path = path
        self.pid = pid
        which = f" (pid {pid})" if pid else ""
        super().__init__(
            f"{path.parent} is in use by another stats-service{which}: give stats_service.state_dir another directory"
        )


@contextmanager
def exclusive(
    outbox: Path, *, lane: str = "", wait_seconds: float = WAIT_SECONDS, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Have an outbox to ourselves while the block lasts, or with those that name the same lane, if one is named.

    Children do not inherit the lock, and the kernel gives it back however this process ends. Raises InUse, and
    OutboxError for a directory that is not there or cannot be written.
    """
    path = outbox.with_name(f"{outbox.name}.owner")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutboxError(path, error.strerror or str(error)) from error
    try:
        gives_up_at = clock() + wait_seconds
        while not _take(descriptor, lane):
            if clock() > gives_up_at:
                raise InUse(path, _read(descriptor)[0])
            time.sleep(_INTERVAL_SECONDS)  # who has it gives no sign when it lets go
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, lane: str) -> bool:
    """Take the lock if it is free, and say in the file who has it; share it where a lane says that this is right."""
    if _lock(descriptor, fcntl.LOCK_EX):
        with suppress(OSError):  # on a full disk we have it all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n{lane}\n".encode(), 0)
        return not lane or _lock(descriptor, fcntl.LOCK_SH)
    if not lane or not _lock(descriptor, fcntl.LOCK_SH):
        return False
    if _read(descriptor)[1] == lane:
        return True
    fcntl.lockf(descriptor, fcntl.LOCK_UN)
    return False


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter is what some systems say
        return False
    return True


def _read(descriptor: int) -> tuple[str, str]:
    """Return the number of the process that the file names, and the lane."""
    pid, _, rest = os.pread(descriptor, _MAX_BYTES, 0).decode(errors="replace").partition("\n")
    return pid if pid.isdecimal() else "", rest.partition("\n")[0]
