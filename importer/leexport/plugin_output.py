"""What users' services print goes to the log: in the background there is nobody to see it, and else it would get
between our own lines."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

logger = logging.getLogger(__name__)

MAX_LINE_CHARS = 2000
"""Longer lines are cut into several records."""


class _Thread(threading.local):
    """What this thread is about."""

    service: str = ""
    """The user's service that it runs, empty for none."""
    is_logging: bool = False
    """Whether what is printed comes from a handler of the service's own, which prints what we log."""


_thread = _Thread()


@contextmanager
def captured(service: str) -> Iterator[None]:
    """Let what this thread prints go to the log while the block lasts, told as that of a service.

    Where `output_to_log` is not in force nothing is changed.
    """
    former, _thread.service = _thread.service, service
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, LogStream):
                stream.finish_line()
        _thread.service = former


@contextmanager
def output_to_log() -> Iterator[None]:
    """Let what users' services print go to the log while the block lasts: in calls of theirs, and in their threads.

    What our own main thread prints goes where it always went.
    """
    former = sys.stdout, sys.stderr
    sys.stdout = LogStream(sys.stdout, logging.INFO)
    sys.stderr = LogStream(sys.stderr, logging.WARNING)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = former


class LogStream(io.TextIOBase):
    """A stream of text, each line of which becomes a log record, unless it is of our own main thread."""

    def __init__(self, ours: TextIO, level: int) -> None:
        self._ours = ours
        self._level = level
        self._unfinished = threading.local()
        self._bytes = _Bytes(self)  # one for all: a stream that nobody holds any more flushes

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of `buffer`."""
        return "utf-8"

    @property
    def buffer(self) -> "_Bytes":
        """The same stream, for bytes."""
        return self._bytes

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether a person sees what is written."""
        return self._is_ours() and self._ours.isatty()

    def fileno(self) -> int:
        """Return the descriptor that lies behind, for programs that a service starts. Raises OSError without one."""
        return self._ours.fileno()

    def write(self, text: str) -> int:
        """Log what of text is in whole lines; the rest waits for its end, a `flush` or the end of the call."""
        if self._is_ours():
            return self._ours.write(text)
        if not _thread.is_logging:
            *lines, rest = (self._rest() + text).split("\n")
            for line in lines:
                self._log(line)
            self._unfinished.text = rest
            if len(rest) > MAX_LINE_CHARS:
                self.finish_line()
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self._is_ours():
            self._ours.flush()
        else:
            self.finish_line()

    def finish_line(self) -> None:
        """Log what this thread has written of a line."""
        rest, self._unfinished.text = self._rest(), ""
        self._log(rest)

    def _rest(self) -> str:
        return str(getattr(self._unfinished, "text", ""))

    def _log(self, line: str) -> None:
        _thread.is_logging = True
        try:
            for start in range(0, len(line.rstrip()), MAX_LINE_CHARS):
                part = line[start : start + MAX_LINE_CHARS].rstrip()
                logger.log(self._level, "printed by %s: %s", _thread.service or "a thread of a service", part)
        finally:
            _thread.is_logging = False

    @staticmethod
    def _is_ours() -> bool:
        return threading.current_thread() is threading.main_thread() and not _thread.service


class _Bytes(io.RawIOBase):
    """Bytes for a LogStream."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: object) -> int:
        """Write bytes as text."""
        content = bytes(data)  # type: ignore[call-overload]
        self._stream.write(content.decode("utf-8", "replace"))
        return len(content)

    def flush(self) -> None:
        """Hand on what was written."""
        self._stream.flush()
