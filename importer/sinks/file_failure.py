"""What an error of the file system means for a destination that is a file."""

import errno

from importer.errors import SinkError, SinkRefused, SinkUnavailable

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
