"""The configuration files of pp-collector, for `metrics-importer check`."""

import json
from pathlib import Path
from typing import Any

from importer.cli.projects import Checked, ConfigFile, probes_of
from importer.collector.arguments import NAME
from importer.collector.content import PATH_KEY
from importer.errors import ConfigError, Problem
from importer.stores import load_json

_ANY = {"data-group": "any", "data-type": "any"}


def _query(path: Path, state: Path) -> Checked:
    from importer.collector.run import Query  # on use: what it imports need not be waited for

    Query.from_content(_content(path))
    return Checked()


def _platform(path: Path, state: Path) -> Checked:
    from importer.collector.platform import read_platform  # on use, as above

    platform = read_platform(_content(path), {"token": "unknown"}, _ANY, state=state)
    return Checked(probes=probes_of(platform.stores))


def _content(path: Path) -> dict[str, Any]:
    content = load_json(path)
    if not isinstance(content, dict):
        raise ConfigError(Problem(path, "is not an object"))
    return {**content, PATH_KEY: str(path)}


def _has(*keys: str) -> Any:
    """Return a function that tells whether a text is an object with one of these keys."""

    def is_ours(text: str) -> bool:
        try:
            content = json.loads(text)
        except ValueError:
            return False
        return isinstance(content, dict) and any(key in content for key in keys)

    return is_ours


FILES = (
    ConfigFile("performanceplatform.json", _platform, (NAME,), _has("backdrop_url", "destination")),
    ConfigFile("query.json", _query, (), _has("entrypoint")),
)
