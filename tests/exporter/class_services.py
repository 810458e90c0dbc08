"""Classes as users write them, made and polled without a command."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from importer.exporter.user_class.api import CollectingtonApi
from importer.exporter.user_class.collectors import Collectors
from importer.exporter.user_class.decorators import register_metric, register_metric_class
from importer.exporter.user_class.service import ClassService
from importer.exporter.user_class.state import state_of
from tests.http_servers import Answer


def answer(content: object, status: int = 200, **headers: str) -> Answer:
    """Return an answer of the vendor, as JSON."""
    return Answer(status, json.dumps(content).encode(), headers)


def api_with(
    mapping: Mapping[str, Sequence[str]], labels: Mapping[str, Sequence[str]] | None = None, url: str = ""
) -> type[CollectingtonApi]:
    """Return a class of the service `shop` whose methods give what stands in `values`, or raise it."""

    class ShopApi(CollectingtonApi):
        def __init__(self) -> None:
            super().__init__()
            entry = {"prometheus_metrics_mapping": mapping, "prometheus_metric_labels": labels or {}}
            self.config = {"services": {"shop": entry}}
            self.service_name = "shop"
            self.api_url = url
            self.values: dict[str, Any] = {}

    for metric in [name for names in mapping.values() for name in names]:
        setattr(ShopApi, f"get_{metric}", register_metric(metric)(_giver(metric)))
    return register_metric_class(ShopApi)


def _giver(metric: str) -> Any:
    def give(self: Any) -> object:
        value = self.values.get(metric)
        if isinstance(value, BaseException):
            raise value
        return value

    return give


@contextmanager
def made(cls: type[Any], mapping: Mapping[str, Sequence[str]]) -> Iterator[ClassService]:
    """Make a service of a class, ready to be polled."""
    metrics = [name for names in mapping.values() for name in names]
    collectors = Collectors()
    with collectors.adopting():
        instance = cls()
    service = ClassService("shop", instance, metrics, collectors)
    service.generate()
    try:
        yield service
    finally:
        service.close()


def samples(service: ClassService) -> dict[str, float]:
    """Return what is shown, but for when it was made."""
    return {
        sample.series.text.strip(): sample.value
        for family in service.families()
        for sample in family.samples
        if "_created" not in sample.series.text and "_bucket" not in sample.series.text
    }


def polled(service: ClassService, **values: object) -> dict[str, float]:
    """Poll with these values; return what is shown then."""
    service.instance.values = values
    service.poll()
    return samples(service)


def stop_of(service: ClassService) -> threading.Event:
    """Return the event that ends what a service waits for."""
    return state_of(service.instance).fetcher.stop
