"""The configuration file of cton, for `metrics-importer check`."""

from functools import partial
from pathlib import Path

from importer.cli.cton.main import NAME
from importer.cli.metrics_importer.projects import Checked, ConfigFile, DropIns, probes_of
from importer.exporter.config import check_service_file, read_configuration
from importer.exporter.service_files import DIRECTORY, SUFFIX
from importer.stores import json_or_none


def _services(path: Path, state: Path, *, alone: bool = True) -> Checked:
    """Check the file and every service in it; classes are not imported."""
    configuration = read_configuration(path, None, state=lambda: state, alone=alone)
    return Checked(configuration.warnings, probes_of(configuration.sinks))


def _drop_in(path: Path, _state: Path) -> Checked:
    return Checked(check_service_file(path))


def _is_ours(text: str) -> bool:
    """Whether a text is an object with keys that no other file has: users name this file as they like."""
    return {"services", "api_call_intervals"} <= _object(text).keys()


def _holds_services(text: str) -> bool:
    """Whether a text is an object of nothing but what could be services."""
    services = _object(text).values()
    return bool(services) and all(isinstance(each, dict) and "api_url" in each for each in services)


def _object(text: str) -> dict[str, object]:
    """Return the object that a text is; an empty one for another text."""
    content = json_or_none(text)
    return content if isinstance(content, dict) else {}


_DROP_INS = DropIns(DIRECTORY, SUFFIX, _drop_in, partial(_services, alone=False), _holds_services)

FILES = (ConfigFile("config.json", _services, (NAME,), _is_ours, _DROP_INS),)
