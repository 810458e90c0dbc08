"""Where cton's services stand: under `services` in config.json, and in the files of services.d beside it.

Each of these holds what could stand there: an object with a service for each name.

    {"nats": {"port": 8000, "api_url": ..., "metrics": [...]}}
"""

from collections.abc import Mapping
from pathlib import Path

from importer.drop_ins import drop_in_files
from importer.errors import ConfigError, Problem
from importer.stores import load_json

DIRECTORY = "services.d"
SUFFIX = ".json"


def drop_in_paths(config: Path) -> list[Path]:
    """Return the files of services.d beside a configuration file, by name; raises ConfigError if it cannot be read."""
    return drop_in_files(config.parent / DIRECTORY, SUFFIX)


def load_service_file(path: Path) -> dict[str, object]:
    """Return what a file of services.d holds, name by name; raises ConfigError where that is no object of services."""
    content = load_json(path)
    if not isinstance(content, dict) or not content:
        raise ConfigError(Problem(path, "must be an object with at least one service: its name, and what it is"))
    return content


def with_drop_ins(config: Path, content: object) -> tuple[object, Mapping[str, Path]]:
    """Return the content of a configuration file with the services of services.d, and the file of each of these.

    Where there are none, or what they would be added to is no object, the content is as it was. Raises ConfigError with
    every file that is of no use, and every service that is named twice.
    """
    paths = drop_in_paths(config)
    own = content.get("services", {}) if isinstance(content, dict) else None
    if not paths or not isinstance(content, dict) or not isinstance(own, dict):
        return content, {}
    problems: list[Problem] = []
    services: dict[str, object] = dict(own)
    files: dict[str, Path] = {}
    for path in paths:
        for name, service in _load_some(path, problems).items():
            if name in services:
                other = files.get(name, config)
                problems.append(Problem(path, f"is in {other}, too; give one of them another name", key=name))
            services[name], files[name] = service, path
    if problems:
        raise ConfigError(problems)
    return {**content, "services": services}, files


def _load_some(path: Path, problems: list[Problem]) -> Mapping[str, object]:
    try:
        return load_service_file(path)
    except ConfigError as error:
        problems += error.problems
        return {}
