"""The logs of pp-collector as they have always been: on the console, or in two files, one of them for machines.

`production.log` is for people, `production.json.log` has an object a line in the form of logstash 0.
"""

import fcntl
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from importer.logs import HTTP_LOGGERS, RedactingFormatter, add_handler, clean, set_level

logger = logging.getLogger(__name__)

CONSOLE_FORMAT = "%(levelname)s:root:%(message)s"
FILE_FORMAT = "%(asctime)s [%(levelname)s] -> %(message)s"
FILE_NAME = "production.log"
MAX_BYTES = 2 * 2**30
"""A file that is larger becomes FILE.1, in place of the one before."""

_undo = ExitStack()
"""Takes back what `set_up` did."""


def set_up(
    entrypoint: str,
    *,
    directory: Path | None,
    level: str = "INFO",
    fields: Mapping[str, str] | None = None,
    file_name: str = FILE_NAME,
    console: TextIO | None = None,
    shows_all: bool = False,
) -> None:
    """Log to files in a directory, and errors to the console too; without a directory to the console alone.

    With `shows_all` the console gets everything beside the files.

    `fields` is what every object of the file for machines has. A directory that cannot be written is warned of.
    """
    close_down()
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    is_console = directory is None
    if directory is not None:
        is_console = not _add_files(
            directory, file_name, entrypoint, fields or {}, shows_tracebacks=number <= logging.DEBUG
        )
    stream = logging.StreamHandler(console or sys.stderr)
    stream.setFormatter(RedactingFormatter(CONSOLE_FORMAT, tracebacks=number <= logging.DEBUG))
    stream.setLevel(number if is_console or shows_all else logging.ERROR)
    add_handler(stream, undo=_undo)
    for name in ("", "importer"):
        set_level(name, number, undo=_undo)
    for name in HTTP_LOGGERS:
        set_level(name, logging.WARNING, undo=_undo)
    if directory is not None and is_console:
        logger.warning("no log files: %s cannot be written", directory)
    logger.info("%s logging started", entrypoint)


def close_down() -> None:
    """Close the handlers and restore the levels that `set_up` changed, if it was called."""
    _undo.close()


def _add_files(
    directory: Path, file_name: str, entrypoint: str, fields: Mapping[str, str], *, shows_tracebacks: bool
) -> bool:
    """Add the handlers of both files; return whether they can be written."""
    path = directory / file_name
    formatters = {
        path: RedactingFormatter(FILE_FORMAT, tracebacks=shows_tracebacks),
        path.with_suffix(".json.log"): LogstashFormatter(entrypoint, fields),
    }
    try:
        files = [(SharedFile(each), formatter) for each, formatter in formatters.items()]
    except OSError:
        return False
    for handler, formatter in files:
        handler.setFormatter(formatter)
        add_handler(handler, undo=_undo)
    return True


class LogstashFormatter(logging.Formatter):
    """Writes a record as one object of logstash's form 0."""

    def __init__(self, entrypoint: str, fields: Mapping[str, str]) -> None:
        super().__init__()
        self._tags = ["collector", entrypoint]
        self._fields = dict(fields)
        self._message = RedactingFormatter("%(message)s", tracebacks=False)

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, on one line."""
        fields = {name: clean(text) for name, text in self._fields.items()}  # a secret is known only later
        fields |= {"levelname": record.levelname, "name": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception_class"] = record.exc_info[0].__name__
            fields["exception_message"] = clean(str(record.exc_info[1]))
        return json.dumps(
            {
                "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
                "@message": self._message.format(record),
                "@source_host": socket.gethostname(),
                "@tags": self._tags,
                "@fields": fields,
            }
        )


class SharedFile(logging.Handler):
    """A log file that several processes append to, and that is put aside when it has grown too large.

    One that cannot be written any more (full disk, directory gone) is told once, and the work goes on. Raises OSError
    where it cannot be opened.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._path = path
        self._max_bytes = max_bytes
        self._is_failing = False
        self._descriptor = self._opened()

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line in one piece."""
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            self._reopen_if_moved()
            os.write(self._descriptor, line)
            if os.fstat(self._descriptor).st_size > self._max_bytes:
                self._rotate()
        except OSError as error:
            self._complain(error)
        else:
            self._is_failing = False

    def close(self) -> None:
        """Close the file."""
        super().close()
        os.close(self._descriptor)

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _reopen_if_moved(self) -> None:
        try:
            is_current = os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            is_current = False
        if not is_current:
            former, self._descriptor = self._descriptor, self._opened()  # the number of a closed one would be another's
            os.close(former)

    def _complain(self, error: OSError) -> None:
        if not self._is_failing:
            self._is_failing = True  # first: the complaint comes back here, being a record too
            logger.error("log file %s cannot be written: %s", self._path, error.strerror)

    def _rotate(self) -> None:
        """Put the file aside, unless another process has just done so."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                self._path.replace(f"{self._path}.1")
        except FileNotFoundError:
            return
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
