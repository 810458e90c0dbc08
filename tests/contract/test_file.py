"""The promises of sinks, kept by the file of JSON lines."""

import json
from pathlib import Path

import pytest

from importer.sinks.base import PointSink
from importer.sinks.file import FileSink
from tests.contract.test_sinks import Held, OutageContract, Store


class FileStore(Store):
    """A file in a directory that can be taken away."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "store"
        self._away = directory / "away"
        self._away.mkdir()

    def sink(self) -> PointSink:
        return FileSink(path=self._directory / "metrics.jsonl")

    def start(self) -> None:
        self._away.rename(self._directory)

    def stop(self) -> None:
        if self._directory.exists():
            self._directory.rename(self._away)

    def held(self) -> Held:
        rows = map(json.loads, (self._directory / "metrics.jsonl").read_text().splitlines())
        return {(row["name"], row["timestamp"]): row["value"] for row in rows}


class TestFile(OutageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return FileStore(tmp_path)
