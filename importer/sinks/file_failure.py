"""What an error of the file system, or a lock of another process, means for a destination that is a file."""

import errno
import fcntl
import time

from importer.errors import SinkError, SinkRefused, SinkUnavailable

LOCK_SECONDS = 30.0
"""How long a lock is waited for that another process has."""
_POLL_SECONDS = 0.05

_MAY_HEAL = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,  # the process's limit, unless the file system has one so low
    errno.EIO,
    errno.EAGAIN,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
}


def file_error(lane: str, error: OSError) -> SinkError:
    """Return SinkUnavailable for what may pass, such as a full disk, and SinkRefused for what a person must mend."""
    reason = (error.strerror or str(error)).lower()
    return (SinkUnavailable if error.errno in _MAY_HEAL else SinkRefused)(lane, reason)


def lock_file(descriptor: int, lane: str, *, timeout_seconds: float = LOCK_SECONDS) -> None:
    """Lock an open file against other processes; raises SinkUnavailable where one of them keeps it, and OSError."""
    gives_up_at = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= gives_up_at:
                reason = f"another process has kept it locked for {timeout_seconds:g} s"
                raise SinkUnavailable(lane, reason) from error
            time.sleep(_POLL_SECONDS)  # the kernel's own wait for a lock has no limit of time
        else:
            return
