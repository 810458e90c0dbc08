"""Runs the token commands inside the test's process: quick, and measured by coverage."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Main = Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str


class InProcess:
    """`run(main, *arguments)` is what a user's command line does."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def run(self, main: Main, *arguments: str | Path, code: int = 0) -> Outcome:
        """Return what it printed, after comparing its exit code; only a failure says something on standard error."""
        self._capture.readouterr()
        try:
            found = main([str(argument) for argument in arguments])
        except SystemExit as end:
            found = end.code if isinstance(end.code, int) else -1
        captured = self._capture.readouterr()
        assert found == code, captured
        assert captured.err.count("\n") == (1 if code else 0), captured
        return Outcome(found, captured.out, captured.err)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def entries_of(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(path.read_text())
    return entries
