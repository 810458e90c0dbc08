"""The only place that says where log records go: the command's log file, and standard error for people.

Whatever is written passes through `RedactingFormatter`: no registered secret, and nobody else's line breaks.
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import TextIO

from importer.credentials import redact

logger = logging.getLogger(__name__)

FILE_FORMAT = "%(asctime)s - %(levelname)s -%(name)s:%(funcName)s:%(lineno)d- %(message)s"
"""As the Apteligent importer has always written it, missing blanks included: users count fields with awk."""

MULTILINE = {"multiline": True}
"""`logger.info(text, extra=MULTILINE)` keeps the line breaks of a record: for text of our own making alone."""

HTTP_LOGGERS = ("urllib3", "requests")
"""What the HTTP library logs by."""

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Levels to those of syslog, see sd-daemon(3)."""


class RedactingFormatter(logging.Formatter):
    """Formats a record without secrets, and in one line unless it was logged with MULTILINE.

    Line breaks and control characters in a message are written as escapes; the lines of a traceback are
    indented. So no text from outside can pass for a record of its own.
    """

    def __init__(self, line_format: str = FILE_FORMAT, *, tracebacks: bool = True) -> None:
        super().__init__(line_format)
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        record.message = clean(_message(record), multiline=getattr(record, "multiline", False))
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        return "\n".join([self.formatMessage(record), *self._traceback_lines(record)])

    def _traceback_lines(self, record: logging.LogRecord) -> Iterator[str]:
        if not self._tracebacks:
            return
        texts = [self.formatException(record.exc_info)] if record.exc_info else []
        if record.stack_info:
            texts.append(self.formatStack(record.stack_info))
        for text in texts:
            yield from (f"    {line}" for line in clean(text, multiline=True).split("\n"))


class JournalFormatter(RedactingFormatter):
    """Puts before each line the `<N>` that tells systemd's journal its level; the journal has the time."""

    def __init__(self) -> None:
        super().__init__("%(message)s", tracebacks=False)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, each line with its priority."""
        priority = _PRIORITIES.get(min(record.levelno, logging.CRITICAL) // 10 * 10, 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


def clean(text: str, *, multiline: bool = False) -> str:
    r"""Return text without registered secrets, with escapes for what does not print.

    >>> clean("bell \x07, line\nbreak")
    'bell \\x07, line\\nbreak'
    """
    redacted = redact(text)
    if redacted.isprintable():
        return redacted
    separator = "\n" if multiline else "\\n"
    return redact(separator.join(map(_escaped, redacted.split("\n"))))  # escapes could spell out a secret


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a user's plug-in that logs "%d" of a text: show what there is
        return f"{record.msg} {record.args!r}"


class _LogFile(WatchedFileHandler):
    """The log file, reopened when it was rotated away.

    When it cannot be written (full disk, directory gone) that is said once, and the work goes on.
    """

    def __init__(self, path: Path) -> None:
        self._failing = False
        super().__init__(path, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError as error:  # of reopening: only writing is guarded by logging itself
            self._complain(error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._complain(error)
        else:
            self._failing = False

    def handleError(self, record: logging.LogRecord) -> None:
        self._complain(sys.exc_info()[1])

    def close(self) -> None:
        with suppress(OSError):  # what could not be written has been complained of
            super().close()

    def _complain(self, error: BaseException | None) -> None:
        if self._failing:
            return
        self._failing = True  # first: the complaint comes back here, being a record too
        logger.error("log file %s cannot be written: %s", self.baseFilename, error)


_undo = ExitStack()
"""Takes back what `setup` did."""


def setup(
    command: str,
    *,
    directory: Path | None,
    quiet: bool = False,
    file_format: str = FILE_FORMAT,
    console: TextIO | None = None,
    console_level: int = logging.ERROR,
    console_format: str = "%(message)s",
    loggers: Sequence[str] = ("importer",),
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send log records to `<directory>/<command>.log` and to the console (standard error); undoes an earlier call.

    The level of `loggers` is DEBUG, or INFO when quiet; the HTTP library's is DEBUG, or WARNING when quiet.
    A console that is systemd's journal gets INFO and above, with priorities and without time stamps.
    Without a directory there is no file. A file that cannot be opened does not stop a command, since metrics
    matter more than the log of them: the console then gets warnings too, that one first.
    """
    teardown()
    _undo.callback(setattr, logging, "raiseExceptions", logging.raiseExceptions)
    logging.raiseExceptions = False
    for name in loggers:
        set_level(name, logging.INFO if quiet else logging.DEBUG, undo=_undo)
    for name in HTTP_LOGGERS:
        set_level(name, logging.WARNING if quiet else logging.DEBUG, undo=_undo)
    console_handler = _console_handler(
        console or sys.stderr, level=console_level, line_format=console_format, environ=environ
    )
    add_handler(console_handler, undo=_undo)
    if directory is None:
        return
    path = directory / f"{command}.log"
    try:
        file_handler = _LogFile(path)
    except OSError as error:
        console_handler.setLevel(min(console_handler.level, logging.WARNING))
        logger.warning("log file %s cannot be opened: %s", path, error.strerror)
        return
    file_handler.setFormatter(RedactingFormatter(file_format))
    add_handler(file_handler, undo=_undo)


def teardown() -> None:
    """Close the handlers and restore the levels that `setup` changed, if it was called."""
    _undo.close()


def set_level(name: str, level: int, *, undo: ExitStack) -> None:
    """Give a logger a level until `undo` is closed."""
    named = logging.getLogger(name)
    undo.callback(named.setLevel, named.level)
    named.setLevel(level)


def add_handler(handler: logging.Handler, *, undo: ExitStack) -> None:
    """Let a handler have all records until `undo` is closed, which closes it, too."""
    root = logging.getLogger()
    root.addHandler(handler)
    undo.callback(handler.close)
    undo.callback(root.removeHandler, handler)


def _console_handler(stream: TextIO, *, level: int, line_format: str, environ: Mapping[str, str]) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    if _is_journal(stream, environ):
        handler.setLevel(min(level, logging.INFO))
        handler.setFormatter(JournalFormatter())
    else:
        handler.setLevel(level)
        handler.setFormatter(RedactingFormatter(line_format, tracebacks=False))
    return handler


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """systemd names the device and inode of its stream, since a child whose output goes elsewhere inherits the name."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # not a file, or closed
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
