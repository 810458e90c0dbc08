"""config.json of cton, and services.d: which services there are, how often each is polled, and where it is shown.

What a class-based service has to hold is what Collectington has always checked (`plain_config`); any other key is the
class's own. No class is imported here: a file may hold services that nobody asks for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from importer.config import ObjectReader
from importer.destinations import read_destinations
from importer.errors import ConfigError, Problem
from importer.exporter.exposition.place import overlap
from importer.exporter.plain_config import problems_of
from importer.exporter.service_files import load_service_file, with_drop_ins
from importer.exporter.service_settings import UNKNOWN, ServiceSettings, read_service
from importer.sinks.base import PointSink
from importer.stores import load_json

DEFAULT_LOG_LEVEL = "INFO"

_ANYTHING = {"api_call_intervals": 60}
"""What stands in for config.json where that is of no use."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file without mistakes, as far as they can be seen without importing anything."""

    path: Path
    log_level: str
    services: tuple[ServiceSettings, ...]
    """Those that were asked for, in that order."""
    sinks: tuple[PointSink, ...]
    """Where the figures are pushed to, beside being shown."""
    warnings: tuple[Problem, ...]


def read_configuration(
    path: Path,
    names: Sequence[str] | None,
    *,
    state: Callable[[], Path],
    is_shown: bool = True,
    alone: bool = False,
) -> Configuration:
    """Return what the file, with services.d beside it, says of the services with these names; None: of all.

    `state` gives the directory of the outbox, and is called where there are destinations. `is_shown` is whether
    services need ports; `alone` leaves services.d out, if the file itself has a service. Raises ConfigError with every
    mistake.
    """
    content = load_json(path)
    files: Mapping[str, Path] = {}
    if not (alone and isinstance(content, dict) and content.get("services")):
        content, files = with_drop_ins(path, content)
    return _read(path, content, files, names, state=state, is_shown=is_shown)


def check_service_file(path: Path) -> tuple[Problem, ...]:
    """Return what there is to warn of in a file of services.d, without the others; raises ConfigError.

    What is the same for all services is taken from config.json beside the directory, if that is there and in order.
    """
    config = path.absolute().parent.parent / "config.json"
    services = load_service_file(path)
    top = _top_keys(config)
    content = {**(top or _ANYTHING), "services": services}
    files = dict.fromkeys(services, path)
    found = _read(config, content, files, None, state=Path, is_shown=top is not None)
    return tuple(warning for warning in found.warnings if warning.file == path)


def _top_keys(config: Path) -> dict[str, object] | None:
    """Return what a configuration file says of all services; None where it is missing or wrong."""
    try:
        content = load_json(config)
    except ConfigError:
        return None
    if not isinstance(content, dict):
        return None
    top = {key: value for key, value in content.items() if key not in ("services", "destinations")}
    is_wrong = any(problems_of({**top, "services": {"any": {"metrics": []}}}))
    return None if is_wrong else top


def _read(
    path: Path,
    content: object,
    files: Mapping[str, Path],
    names: Sequence[str] | None,
    *,
    state: Callable[[], Path],
    is_shown: bool,
) -> Configuration:
    """Return what content says; `files` are where services stand that are not in the file at path."""
    problems = [_placed(path, files, key, what) for key, what in problems_of(content)]
    if problems:
        raise ConfigError(problems)
    top = ObjectReader(path, content, problems=problems)
    warnings: list[Problem] = []
    services = [
        read_service(name, top, _keys_of(name, top, files), warnings)
        for name in _wanted(path, top.child("services"), names)
    ]
    if is_shown:
        problems += _port_problems(services)
    destinations = top.value("destinations")
    sinks = (
        []
        if destinations is None
        else read_destinations(path, destinations, problems, state=state(), where="destinations")
    )
    if problems:
        raise ConfigError(problems)
    log_level = top.text("log_level", DEFAULT_LOG_LEVEL)
    warnings += top.unknown(UNKNOWN)
    return Configuration(path, log_level, tuple(services), tuple(sinks), tuple(warnings))


def _placed(path: Path, files: Mapping[str, Path], key: str, what: str) -> Problem:
    """Return a mistake with the file that it is in, and its key there."""
    own = key.removeprefix("services.")
    for name, file in files.items():
        if own != key and (own == name or own.startswith(f"{name}.")):
            return Problem(file, what, key=own)
    return Problem(path, what, key=key)


def _keys_of(name: str, top: ObjectReader, files: Mapping[str, Path]) -> ObjectReader:
    """Return a reader of a service where it stands."""
    services = top.child("services")
    if name not in files:
        return services.child(name)
    return ObjectReader(files[name], services.value(name), where=f"{name}.", problems=top.problems)


def _wanted(path: Path, services: ObjectReader, names: Sequence[str] | None) -> list[str]:
    """Return the names of the services to read, each once. Raises ConfigError for one that the file does not have."""
    there = services.keys_with("")
    wanted = there if names is None else list(dict.fromkeys(names))
    shown = ", ".join(there)
    problems = [
        Problem(path, f'no service "{name}" in {path.name} (there are: {shown})')
        for name in wanted
        if name not in there
    ]
    if problems:
        raise ConfigError(problems)
    return wanted


def _port_problems(services: Sequence[ServiceSettings]) -> Iterator[Problem]:
    """Yield what is wrong with the ports of services that are to be shown together."""
    for index, service in enumerate(services):
        if not service.port:
            yield Problem(service.file, "is missing; a number from 1 to 65535 is expected", key=f"{service.where}port")
            continue
        other = next((each for each in services[:index] if overlap(each.place, service.place)), None)
        if other is not None:
            what = f"{service.port} is the port of {_named_from(service, other)}, too; give each its own"
            yield Problem(service.file, what, key=f"{service.where}port")


def _named_from(service: ServiceSettings, other: ServiceSettings) -> str:
    """Return what another service is called in a message about one."""
    name = other.where.rstrip(".")
    return name if other.file == service.file else f"{name} in {other.file}"
