"""Whether the outbox that a process has open is still the one that the next start will find."""

import os
from collections.abc import Callable
from pathlib import Path

from importer.errors import OutboxError


class Presence:
    """Notices that a file was removed, or another put in its place: what is written to it then is lost."""

    def __init__(self, path: Path, *, gone: Callable[[OutboxError], None] = lambda _error: None) -> None:
        """`gone` is told once, before `check` raises for the first time. Make it when the file has been opened."""
        self._path = path
        self._gone = gone
        self._identity = _identity(path)
        self._is_told = False

    def check(self) -> None:
        """Raise OutboxError if the file is gone."""
        if self._identity is not None and _identity(self._path) == self._identity:
            return
        error = OutboxError(self._path, "the outbox was removed or replaced while it was in use; another one is begun")
        if not self._is_told:
            self._is_told = True
            self._gone(error)
        raise error


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from any other; None where there is none, or it cannot be told."""
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast, once for each group of events
    except OSError:
        return None
    return found.st_dev, found.st_ino
