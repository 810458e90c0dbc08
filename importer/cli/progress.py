"""How far long work has come, for a person who waits at a terminal."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

INTERVAL_SECONDS = 0.2


class Progress:
    """Counts answers on one line of a terminal, which is wiped at the end; silent anywhere else."""

    def __init__(self, name: str, *, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._out = out or sys.stderr
        self._clock = clock
        self._count = 0
        self._shown_at = clock()
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show("")

    def __call__(self) -> None:
        """Count one more."""
        self._count += 1
        if self._out.isatty() and self._clock() - self._shown_at >= INTERVAL_SECONDS:
            self._shown_at = self._clock()
            self._show(f"{self._name}: {self._count} answers")

    def _show(self, text: str) -> None:
        if text != self._shown:
            self._out.write(f"\r{text:{len(self._shown)}}" + ("" if text else "\r"))
            self._out.flush()
            self._shown = text
