"""Runs metrics-importer inside the test's process, in an environment of its own: quick, and measured by coverage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from importer.cli.metrics_importer.main import main


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str


class MetricsImporter:
    """`run(*arguments)` is what a user's command line does; the directories exist and are empty."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.config = home / "config"
        self.state = home / "state"
        self._patch = patch
        self._capture = capture
        for variable, path in {"CONFIG_DIR": self.config, "STATE_DIR": self.state}.items():
            path.mkdir()
            patch.setenv(variable, str(path))
        patch.setenv("TMPDIR", str(home))
        patch.setenv("COLUMNS", "100")
        patch.chdir(home)

    def run(self, *arguments: str | Path, code: int = 0) -> Outcome:
        """Return what it printed, after comparing its exit code."""
        self._capture.readouterr()
        try:
            found = main([str(argument) for argument in arguments])
        except SystemExit as end:
            found = end.code if isinstance(end.code, int) else -1
        captured = self._capture.readouterr()
        assert found == code, captured
        assert "Traceback" not in captured.err
        return Outcome(found, captured.out, captured.err)


@contextmanager
def metrics_importer_in(home: Path, capture: pytest.CaptureFixture[str]) -> Iterator[MetricsImporter]:
    with pytest.MonkeyPatch.context() as patch:
        yield MetricsImporter(home, patch, capture)
