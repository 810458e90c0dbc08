"""config.json of cton: which services there are, how often each is polled, and where it is shown.

What a class-based service has to hold is what Collectington has always checked (`plain_config`); any other key is the
class's own. No class is imported here: a file may hold services that nobody asks for.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from importer.config import ObjectReader
from importer.destinations import read_destinations
from importer.errors import ConfigError, Problem
from importer.exporter.exposition.place import Place, overlap
from importer.exporter.exposition.web_config import WebConfig, read_web_config
from importer.exporter.json_api.config import read_json_service
from importer.exporter.json_api.request_config import DEFAULT_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS
from importer.exporter.plain_config import problems_of
from importer.sinks.base import PointSink
from importer.stores import file_stamp, load_json

DEFAULT_LOG_LEVEL = "INFO"

_UNKNOWN = "is not known, and passed over"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the file says of a service, beside what only its kind asks for."""

    name: str
    entry: Mapping[str, object]
    """As the file has it."""
    interval_seconds: float
    """From the end of a poll to the next one."""
    timeout_seconds: float
    """Of one exchange with the vendor, where a class makes it."""
    address: str | None
    """What the port is opened on; None for all addresses."""
    port: int
    """0 where nothing is shown."""
    web: WebConfig | None
    definition: object
    """What decides whether a service that runs is still the one that the file describes."""

    @property
    def is_class(self) -> bool:
        """Return whether a user's class makes the figures."""
        return "service_class" in self.entry

    @property
    def place(self) -> Place:
        """Return where the service is shown."""
        return self.address, self.port


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
    path: Path, names: Sequence[str] | None, *, state: Callable[[], Path], is_shown: bool = True
) -> Configuration:
    """Return what the file says of the services with these names; None: of all.

    `state` gives the directory of the outbox, and is called where there are destinations. `is_shown` is whether
    services need ports. Raises ConfigError with every mistake.
    """
    content = load_json(path)
    problems = [Problem(path, what, key=key) for key, what in problems_of(content)]
    if problems:
        raise ConfigError(problems)
    top = ObjectReader(path, content, problems=problems)
    warnings: list[Problem] = []
    services = [_read_service(name, top, warnings) for name in _wanted(path, top.child("services"), names)]
    if is_shown:
        problems += _port_problems(path, services)
    destinations = top.value("destinations")
    sinks = (
        []
        if destinations is None
        else read_destinations(path, destinations, problems, state=state(), where="destinations")
    )
    if problems:
        raise ConfigError(problems)
    log_level = top.text("log_level", DEFAULT_LOG_LEVEL)
    warnings += top.unknown(_UNKNOWN)
    return Configuration(path, log_level, tuple(services), tuple(sinks), tuple(warnings))


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


def _read_service(name: str, top: ObjectReader, warnings: list[Problem]) -> ServiceSettings:
    keys = top.child("services").child(name)
    web = keys if keys.value("web") is not None else top
    entry = cast("Mapping[str, object]", top.child("services").value(name))
    settings = ServiceSettings(
        name,
        entry,
        interval_seconds=_seconds(keys, "api_call_intervals", _seconds(top, "api_call_intervals", math.inf)),
        timeout_seconds=_timeout(keys) if "service_class" in entry else DEFAULT_TIMEOUT_SECONDS,
        address=_address(keys, _address(top, None)),
        port=_port(keys, _port(top, 0)),
        web=read_web_config(web.child("web")),
        definition=(entry, [file_stamp(path) for path in _secret_files(top.file.parent, entry)]),
    )
    if settings.is_class:
        warnings += _label_warnings(top.file, settings)
    else:
        read_json_service(keys, name=name)  # for the mistakes
        warnings += keys.unknown(_UNKNOWN)
    return settings


def _secret_files(folder: Path, entry: Mapping[str, object]) -> Iterator[Path]:
    """Yield the files that an entry names for secrets: one that changes makes another service of it."""
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from _secret_files(
                folder, {f"{name}_file": each for name, each in value.items()} if key == "header_files" else value
            )
        elif isinstance(value, str) and key == "secret_file_path":
            yield Path(value)
        elif isinstance(value, str) and key.endswith("_file"):
            yield folder / value


def _seconds(keys: ObjectReader, key: str, default: float) -> float:
    seconds = keys.number(key, default)
    if seconds <= 0:
        keys.problem(key, "must be above 0")
    return seconds


def _timeout(keys: ObjectReader) -> float:
    seconds = _seconds(keys, "timeout", DEFAULT_TIMEOUT_SECONDS)
    if seconds > MAX_TIMEOUT_SECONDS:
        keys.problem("timeout", f"{seconds:g} seconds are more than {MAX_TIMEOUT_SECONDS}")
    return seconds


def _port(keys: ObjectReader, default: int) -> int:
    return keys.integer("port", default, minimum=1, maximum=65535)


def _address(keys: ObjectReader, default: str | None) -> str | None:
    address = keys.text("address", default)
    try:
        return address if address is None else str(ip_address(address))
    except ValueError:
        keys.problem("address", f"{address!r:.80} is not an address to listen on, such as 127.0.0.1, 0.0.0.0 or ::")
        return default


def _port_problems(path: Path, services: Sequence[ServiceSettings]) -> Iterator[Problem]:
    """Yield what is wrong with the ports of services that are to be shown together."""
    for index, service in enumerate(services):
        if not service.port:
            yield Problem(path, "is missing; a number from 1 to 65535 is expected", key=f"services.{service.name}.port")
            continue
        other = next((each for each in services[:index] if overlap(each.place, service.place)), None)
        if other is not None:
            what = f"{service.port} is the port of services.{other.name}, too; give each its own"
            yield Problem(path, what, key=f"services.{service.name}.port")


def _label_warnings(path: Path, service: ServiceSettings) -> Iterator[Problem]:
    named = _names(service.entry.get("prometheus_metrics_mapping"))
    labels = service.entry.get("prometheus_metric_labels")
    for metric in labels if isinstance(labels, dict) else ():
        if metric not in named:
            what = f"{metric} is not in prometheus_metrics_mapping; its labels are of no use"
            yield Problem(path, what, key=f"services.{service.name}.prometheus_metric_labels")


def _names(mapping: object) -> set[object]:
    """Return the names of all metrics of a mapping that `problems_of` has looked at."""
    return {name for names in mapping.values() for name in names} if isinstance(mapping, dict) else set()
