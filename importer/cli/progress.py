"""How far long work has come, for a person who waits at a terminal."""

import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self, TextIO

from importer.cli.text_table import format_duration

INTERVAL_SECONDS = 0.2
BAR_CELLS = 20


class Progress:
    """Counts on one line of a terminal, which is wiped at the end; silent anywhere else.

    The line is wiped, too, before a log record goes to the same terminal, and comes back below it. May be used from
    several threads.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: str = "answers",
        total: int | None = None,
        is_wanted: bool = True,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total` is how many there will be, if that is known: then there is a bar, and an estimate of the time.

        Unless it is wanted, there is nothing to be seen at a terminal either.
        """
        self._name = name
        self._unit = unit
        self._total = total
        self._out = out or sys.stderr
        self._is_shown = is_wanted and self._out.isatty()
        self._clock = clock
        self._count = 0
        self._count_before = 0
        self._began = self._shown_at = clock()
        self._shown = ""
        self._lock = threading.RLock()
        self._handlers: dict[logging.StreamHandler[TextIO], logging.Formatter | None] = {}
        """Those that write to a terminal, and their own formatters."""

    def __enter__(self) -> Self:
        if self._is_shown:
            handlers = (
                handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)
            )
            self._handlers = {handler: handler.formatter for handler in handlers if _is_on_terminal(handler)}
        for handler, formatter in self._handlers.items():
            handler.setFormatter(_AfterWiping(formatter or logging.Formatter(), self._wipe))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._alone():
            self._show("")
        for handler, formatter in self._handlers.items():
            handler.setFormatter(formatter)

    def __call__(self) -> None:
        """Count one more."""
        self.add(1)

    def add(self, count: int) -> None:
        """Count so many more."""
        with self._alone():
            self._count += count
            self._show_if_due()

    def reach(self, count: int, total: int) -> None:
        """Set both numbers; what was there at the first time is taken for done before."""
        with self._alone():
            if self._total is None:
                self._count_before = count
            self._count, self._total = count, total
            self._show_if_due()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody count, nor a record be written to a terminal, while the block lasts."""
        with ExitStack() as stack:
            for handler in self._handlers:
                handler.acquire()
                stack.callback(handler.release)
            stack.enter_context(self._lock)
            yield

    def _wipe(self) -> None:
        """Take the line away for a record; its handler, which nobody else has meanwhile, writes it next."""
        with self._lock:
            self._show("")

    def _show_if_due(self) -> None:
        if self._is_shown and self._clock() - self._shown_at >= INTERVAL_SECONDS:
            self._shown_at = self._clock()
            self._show(self._text())

    def _text(self) -> str:
        if not self._total:
            return f"{self._name}: {self._count} {self._unit}"
        share = min(1.0, self._count / self._total)
        bar = "#" * int(share * BAR_CELLS)
        text = f"{self._name}: [{bar:.<{BAR_CELLS}}] {share:4.0%} {self._count} of {self._total} {self._unit}"
        done = self._count - self._count_before
        if not done:
            return text
        left = (self._clock() - self._began) / done * max(0, self._total - self._count)
        return f"{text}, {format_duration(left)} left"

    def _show(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]  # a line that is wrapped could not be wiped
        if text != self._shown:
            self._out.write(f"\r{text:{len(self._shown)}}" + ("" if text else "\r"))
            self._out.flush()
            self._shown = text


class _AfterWiping(logging.Formatter):
    """Formats as another formatter does, and calls a function just before the record is written."""

    def __init__(self, formatter: logging.Formatter, wipe: Callable[[], None]) -> None:
        super().__init__()
        self._formatter = formatter
        self._wipe = wipe

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        text = self._formatter.format(record)
        self._wipe()
        return text


def _is_on_terminal(handler: "logging.StreamHandler[TextIO]") -> bool:
    try:
        return os.isatty(handler.stream.fileno())
    except (AttributeError, OSError, ValueError):  # no file, or a closed one
        return False
