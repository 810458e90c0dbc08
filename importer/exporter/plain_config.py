"""config.json as users' classes read it: a plain dict, checked; and the checks, which cton itself makes too.

Of services without a class only that they are objects is checked here.
"""

import importlib
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from json.decoder import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any

from importer.exporter.log_format import setup_logging
from importer.exporter.service_files import with_drop_ins

DECODER = JSONDecoder()
LOGGER = setup_logging()

LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")
METRIC_TYPES = ("counter", "gauge", "summary", "histogram")

_TEXTS = ("service_class", "service_module", "api_url")

Mistake = tuple[str, str]
"""The key, empty for the file as a whole, and what is wrong there."""


def get_config(path: str | Path) -> dict[str, Any]:
    """Return what the file says, with the services of services.d beside it; there is no mistake in that.

    Raises OSError, what `parse` raises, ValueError, and ConfigError for files of services.d.
    """
    config: Any = parse(Path(path).read_text(encoding="utf-8-sig"))
    config, _files = with_drop_ins(Path(path), config)
    validate(config)
    checked: dict[str, Any] = config
    return checked


def parse(config: str) -> Any:
    """Return what a text holds as JSON; raises JSONDecodeError, and TypeError for what is no text."""
    try:
        return DECODER.decode(config)
    except (JSONDecodeError, TypeError) as error:
        LOGGER.error("Failed to parse config file: %s", error)
        raise


def get_list_of_available_metrics(config: Mapping[str, Any], service_name: str) -> list[str]:
    """Return the metrics of a service, all types one after the other, in the order of the file."""
    mapping = config["services"][service_name]["prometheus_metrics_mapping"]
    return [metric for metrics in mapping.values() for metric in metrics]


def get_service(config: Mapping[str, Any], service_name: str) -> Any:
    """Return a new instance of a service's class; raises what its import and its `__init__` raise."""
    entry = config["services"][service_name]
    try:
        importlib.import_module(entry["service_module"])
    except ModuleNotFoundError as error:
        LOGGER.error("Failed to get module: %s", error)
        raise
    return getattr(sys.modules[entry["service_module"]], entry["service_class"])()


def validate(config: object) -> None:
    """Raise ValueError for the first mistake of a configuration."""
    _raise_first(problems_of(config))


def validate_services(services: object) -> None:
    """Raise ValueError for the first mistake of an object of services."""
    _raise_first(_services_problems(services))


def validate_service(service_name: str, service: object) -> None:
    """Raise ValueError for the first mistake of a service."""
    _raise_first(_service_problems(f"services.{service_name}", service))


def validate_metrics_mapping(service_name: str, metrics_mapping: object) -> None:
    """Raise ValueError for the first mistake of a service's metrics."""
    _raise_first(_mapping_problems(f"services.{service_name}.prometheus_metrics_mapping", metrics_mapping))


def problems_of(config: object) -> Iterator[Mistake]:
    """Yield the mistakes of a whole configuration."""
    if not isinstance(config, dict):
        yield "", f"must be an object with api_call_intervals and services, not {_kind(config)}"
        return
    if "api_call_intervals" not in config:
        yield "", "api_call_intervals is missing; a number of seconds is expected"
    else:
        yield from _seconds_problems("", config)
    if config.get("log_level", "INFO") not in LOG_LEVELS:
        yield "", f"log_level must be one of {', '.join(LOG_LEVELS)}"
    yield from _port_problems("", config)
    if "services" not in config:
        yield "", "services is missing; an object with at least one service is expected"
    else:
        yield from _services_problems(config["services"])


def _services_problems(services: object) -> Iterator[Mistake]:
    if not isinstance(services, dict) or not services:
        yield "services", "must be an object with at least one service"
        return
    for name, service in services.items():
        yield from _service_problems(f"services.{name}", service)


def _service_problems(where: str, service: object) -> Iterator[Mistake]:
    if not isinstance(service, dict):
        yield where, f"must be an object, not {_kind(service)}"
        return
    yield from _seconds_problems(where, service)
    yield from _port_problems(where, service)
    if "metrics" in service and "service_class" not in service:
        return
    for key in _TEXTS:
        if key not in service:
            yield where, f"{key} is missing"
        elif not isinstance(service[key], str) or not service[key]:
            yield f"{where}.{key}", "must be a text that is not empty"
    if "prometheus_metrics_mapping" not in service:
        yield where, "prometheus_metrics_mapping is missing"
    else:
        yield from _mapping_problems(f"{where}.prometheus_metrics_mapping", service["prometheus_metrics_mapping"])
    yield from _labels_problems(f"{where}.prometheus_metric_labels", service.get("prometheus_metric_labels"))


def _mapping_problems(where: str, mapping: object) -> Iterator[Mistake]:
    if not isinstance(mapping, dict):
        yield where, f"must be an object of metric types, not {_kind(mapping)}"
        return
    names: Counter[str] = Counter()
    for kind, metrics in mapping.items():
        if kind not in METRIC_TYPES:
            yield where, f'unknown type "{kind}" ({", ".join(METRIC_TYPES)})'
        elif not _is_list_of_texts(metrics):
            yield f"{where}.{kind}", "must be a list of names"
        else:
            names.update(metrics)
    for name, count in names.items():
        if count > 1:
            yield where, f'"{name}" is there {count} times; each metric has one name, and one type'


def _labels_problems(where: str, labels: object) -> Iterator[Mistake]:
    if labels is None:
        return
    if not isinstance(labels, dict):
        yield where, f"must be an object of metrics and their labels, not {_kind(labels)}"
        return
    for metric, names in labels.items():
        if not _is_list_of_texts(names):
            yield f"{where}.{metric}", "must be a list of labels"


def _seconds_problems(where: str, keys: Mapping[str, Any]) -> Iterator[Mistake]:
    seconds = keys.get("api_call_intervals", 1)
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < math.inf:
        yield _key(where, "api_call_intervals"), "must be a number of seconds above 0"


def _port_problems(where: str, keys: Mapping[str, Any]) -> Iterator[Mistake]:
    port = keys.get("port", 1)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        yield _key(where, "port"), "must be a number from 1 to 65535"


def _key(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _raise_first(mistakes: Iterator[Mistake]) -> None:
    for key, what in mistakes:
        raise ValueError(f"{key}: {what}" if key else what)
