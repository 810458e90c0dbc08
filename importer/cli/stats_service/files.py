"""The configuration files of stats-service, for `metrics-importer check`."""

import re
from pathlib import Path

from importer.cli.metrics_importer.projects import Checked, ConfigFile, probes_of
from importer.errors import Problem
from importer.events.settings.directory import PROJECT
from importer.events.settings.settings import read_settings, sinks_of
from importer.events.tokens.users import parse_users
from importer.stores import load_json

_SECTION = re.compile(r"^\[app:main\]", re.MULTILINE)
_KEY = re.compile(r"^(stats_service|influxdb|kafka)\.[\w.]+\s*[=:]", re.MULTILINE)


def _settings(path: Path, state: Path) -> Checked:
    """Check the file, and the users file that it names."""
    settings = read_settings(path, make_directories=False)
    warnings = [Problem(path, warning.removeprefix(f"{path}: ")) for warning in settings.warnings]
    if settings.identities is not None:
        warnings += _users(settings.identities, state).warnings
    return Checked(tuple(warnings), probes_of(sinks_of(settings)))


def _users(path: Path, state: Path) -> Checked:
    users = parse_users(path, load_json(path))
    without = [account.user.username for account in users.accounts if not account.pairs]
    return Checked(tuple(Problem(path, "has no token, and cannot log in", key=name) for name in without))


def _is_ours(text: str) -> bool:
    """Whether a text has the section and a key of ours: the file always had a name of its user's own choice."""
    return _SECTION.search(text) is not None and _KEY.search(text) is not None


FILES = (
    ConfigFile("stats-service.ini", _settings, (PROJECT,), _is_ours),
    ConfigFile("access.json", _users),
)
