"""The configuration file of cton, for `metrics-importer check`."""

import json
from pathlib import Path

from importer.cli.cton import NAME
from importer.cli.projects import Checked, ConfigFile, probes_of
from importer.exporter.config import read_configuration


def _services(path: Path, state: Path) -> Checked:
    """Check the file and every service in it; classes are not imported."""
    configuration = read_configuration(path, None, state=lambda: state)
    return Checked(configuration.warnings, probes_of(configuration.sinks))


def _is_ours(text: str) -> bool:
    """Whether a text is an object with keys that no other file has: users name this file as they like."""
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and {"services", "api_call_intervals"} <= content.keys()


FILES = (ConfigFile("config.json", _services, (NAME,), _is_ours),)
