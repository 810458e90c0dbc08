"""First configurations of cton: a JSON API without a class of one's own, and one with it."""

from collections.abc import Sequence
from typing import cast

from importer.cli.metrics_importer.init.answers import Question
from importer.cli.metrics_importer.init.files import PlannedFile
from importer.cli.metrics_importer.init.vendor import Content, Given, Vendor, checked_json, with_keys
from importer.errors import UsageError

_PROJECT = "collectington"


def _json_api(given: Given) -> Sequence[PlannedFile]:
    values = given.values
    metric = {"name": values["metric"], **with_keys(values, "path", "type", "help")}
    entry = {**with_keys(values, "port", "api_url", "bearer_token"), "metrics": [metric]}
    return _config(given, entry)


def _class(given: Given) -> Sequence[PlannedFile]:
    values = given.values
    mapping = {kind[:-1]: values[kind] for kind in ("counters", "gauges") if values.get(kind)}
    if not mapping:
        raise UsageError("missing: --set gauges=NAME,NAME or --set counters=NAME,NAME")
    entry = with_keys(values, "service_class", "service_module", "port", "api_url")
    return _config(given, {**entry, "prometheus_metrics_mapping": mapping})


def _config(given: Given, entry: object) -> Sequence[PlannedFile]:
    values = given.values
    content: dict[str, object] = {
        "api_call_intervals": values["api_call_intervals"],
        "services": {cast("str", values["service"]): entry},
    }
    if given.store is not None:
        content["destinations"] = [given.store]
    return [checked_json(_PROJECT, "config.json", content, state=given.state)]


def _try(values: Content) -> Sequence[str]:
    return [
        f"sudo -u metrics-importer cton -c {{directory}}/config.json -s {values['service']} --once",
        "sudo systemctl enable --now cton.service",
        f"curl -s http://127.0.0.1:{values['port']}/metrics",
    ]


_SERVICE = (
    Question("service", "name of the service"),
    Question("api_url", "address of the API"),
    Question("port", "port where Prometheus finds the figures", "number", default=8000),
    Question("api_call_intervals", "seconds between two requests", "number", default=60),
)

CTON = Vendor(
    "cton",
    _PROJECT,
    "figures of a JSON API, without a class",
    (
        *_SERVICE,
        Question("metric", "name of the first metric"),
        Question("path", "JSONPath of its value, such as $.queue.length"),
        Question("type", "its type", default="gauge", choices=("gauge", "counter")),
        Question("help", "what it is, in words", is_optional=True),
        Question("bearer_token", "bearer token that the API wants", "secret", is_optional=True),
    ),
    _json_api,
    _try,
    main_file="config.json",
    default_store=lambda _values: None,
)

CTON_CLASS = Vendor(
    "cton-class",
    _PROJECT,
    "figures that a class of yours makes",
    (
        *_SERVICE,
        Question("service_class", "name of the class"),
        Question("service_module", "module that it is in"),
        Question("gauges", "names of its gauges, with commas between", "list", is_optional=True),
        Question("counters", "names of its counters", "list", is_optional=True),
    ),
    _class,
    _try,
    main_file="config.json",
    default_store=lambda _values: None,
)
