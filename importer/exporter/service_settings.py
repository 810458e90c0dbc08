"""What a configuration says of one service of cton, beside what only its kind asks for."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from importer.config import ObjectReader
from importer.errors import Problem
from importer.exporter.exposition.place import Place
from importer.exporter.exposition.web_config import WebConfig, read_web_config
from importer.exporter.json_api.config import read_json_service
from importer.exporter.json_api.request_config import DEFAULT_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS
from importer.handed_over import credential_path
from importer.stores import file_stamp

UNKNOWN = "is not known, and passed over"
"""What is said of a key that nobody reads."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the file says of a service, beside what only its kind asks for."""

    name: str
    file: Path
    where: str
    """What comes before each of its keys in the file, as in `services.shop.`."""
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


def read_service(name: str, top: ObjectReader, keys: ObjectReader, warnings: list[Problem]) -> ServiceSettings:
    """Return what keys say of a service; what they leave open, `top` says.

    Mistakes are added to the problems of keys, what a person should know to `warnings`.
    """
    web = keys if keys.value("web") is not None else top
    entry = cast("Mapping[str, object]", top.child("services").value(name))
    settings = ServiceSettings(
        name,
        keys.file,
        keys.where,
        entry,
        interval_seconds=_seconds(keys, "api_call_intervals", _seconds(top, "api_call_intervals", math.inf)),
        timeout_seconds=_timeout(keys) if "service_class" in entry else DEFAULT_TIMEOUT_SECONDS,
        address=_address(keys, _address(top, None)),
        port=_port(keys, _port(top, 0)),
        web=read_web_config(web.child("web")),
        definition=(entry, [file_stamp(path) for path in _secret_files(keys.file.parent, entry)]),
    )
    if settings.is_class:
        warnings += _label_warnings(settings)
    else:
        read_json_service(keys, name=name)  # for the mistakes
        warnings += keys.unknown(UNKNOWN)
    return settings


def _secret_files(folder: Path, entry: Mapping[str, object]) -> Iterator[Path]:
    """Yield the files that an entry names for secrets: one that changes makes another service of it."""
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from _secret_files(
                folder, {f"{name}_file": each for name, each in value.items()} if key == "header_files" else value
            )
        elif isinstance(value, str) and key == "secret_file_path":
            yield credential_path(value)
        elif isinstance(value, str) and key.endswith("_file"):
            yield credential_path(value, beside=folder)


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


def _label_warnings(service: ServiceSettings) -> Iterator[Problem]:
    named = _names(service.entry.get("prometheus_metrics_mapping"))
    labels = service.entry.get("prometheus_metric_labels")
    for metric in labels if isinstance(labels, dict) else ():
        if metric not in named:
            what = f"{metric} is not in prometheus_metrics_mapping; its labels are of no use"
            yield Problem(service.file, what, key=f"{service.where}prometheus_metric_labels")


def _names(mapping: object) -> set[object]:
    """Return the names of all metrics of a mapping that `problems_of` has looked at."""
    return {name for names in mapping.values() for name in names} if isinstance(mapping, dict) else set()
