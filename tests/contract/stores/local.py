"""What needs no server: the embedded store, read by SQL, the file of JSON lines, and the log."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.contract.stores.base import Held, Key, Store

ROWS = "SELECT name, labels, timestamp, value FROM points JOIN series ON series.id = series_id"


class _DirectoryStore(Store):
    """A file in a directory that can be taken away."""

    def __init__(self, root: str, state: Path) -> None:
        super().__init__(root, state)
        self.directory = state / f"{type(self).__name__}"
        self.directory.mkdir()
        self._away = self.directory.with_suffix(".away")

    def start(self) -> None:
        self._away.rename(self.directory)

    def stop(self) -> None:
        self.directory.rename(self._away)


class SqliteStore(_DirectoryStore):
    """The embedded store."""

    def description(self) -> dict[str, object]:
        return {"protocol": "sqlite", "path": str(self.directory / "metrics.db")}

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        path = self.directory / "metrics.db"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(ROWS).fetchall()
        return {
            Key(name, tuple(json.loads(labels).items()), timestamp): value
            for name, labels, timestamp, value in rows
            if wanted.match(name)
        }


class FileStore(_DirectoryStore):
    """The file of JSON lines. A reader keeps the last of lines that tell of one point."""

    def description(self) -> dict[str, object]:
        return {"protocol": "file", "path": str(self.directory / "metrics.jsonl")}

    def lines(self) -> list[str]:
        """Return the lines of the file, none where there is no file."""
        file = self.directory / "metrics.jsonl"
        return file.read_text().splitlines() if file.exists() else []

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        return {
            Key(row["name"], tuple(sorted(row["labels"].items())), row["timestamp"]): row["value"]
            for row in map(json.loads, self.lines())
            if wanted.match(row["name"])
        }


class LogStore(Store):
    """The log, which is always there, and takes whatever it is given."""

    has_labels = False

    def __init__(self, root: str, state: Path, *, read_log: Callable[[], str]) -> None:
        super().__init__(root, state)
        self._read_log = read_log

    def description(self) -> dict[str, object]:
        return {"protocol": "dummy"}

    def time(self, timestamp: float) -> float:
        return round(timestamp, 3)

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        blocks = re.findall(r"STARTDATA\n(.*?)ENDDATA", self._read_log(), re.S)
        points = [line.split(" ") for block in blocks for line in block.split("\n") if line.count(" ") == 2]
        return {Key(name, (), float(seconds)): float(value) for name, value, seconds in points if wanted.match(name)}
