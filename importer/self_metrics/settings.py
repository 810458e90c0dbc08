"""self-metrics.json: whether a project's commands tell of themselves, and to whom.

{"points": true, "metric_root": "apteligent", "textfile": "/var/lib/prometheus/node-exporter"}
"""

import os
from dataclasses import dataclass
from pathlib import Path

from importer.config import ObjectReader
from importer.stores import load_json

FILE_NAME = "self-metrics.json"
DEFAULT_ROOT = "metrics"


@dataclass(frozen=True, slots=True)
class Settings:
    """What self-metrics.json says; all of it is off where there is none."""

    points: bool = False
    """Whether points go to the command's own destinations."""
    metric_root: str = ""
    """The first element of their names; empty: that of the command's other points, or DEFAULT_ROOT."""
    textfile: Path | None = None
    """A directory of node_exporter's textfile collector: a file for each command."""


def load_settings(path: Path) -> Settings:
    """Return what a file says, or that all is off if there is none; raises ConfigError with every mistake."""
    return read_settings(path) if os.path.lexists(path) else Settings()


def read_settings(path: Path) -> Settings:
    """Return what a file says, which has to be there; raises ConfigError with every mistake."""
    keys = ObjectReader(path, load_json(path))
    points = keys.boolean("points", default=False)
    root = keys.text("metric_root", "")
    directory = keys.text("textfile", None)
    if directory and (not Path(directory).is_absolute() or "\0" in directory):
        keys.problem("textfile", f"{directory!r:.80} is not the absolute path of a directory")
    keys.finish()
    return Settings(points, root, None if directory is None else Path(directory))
