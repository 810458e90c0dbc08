"""A service by a user's class: made once, and polled through its own methods."""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

from importer.exporter.base import Outcome
from importer.exporter.collected import CollectedSeries
from importer.exporter.family import Family
from importer.exporter.user_class.collectors import Collectors
from importer.exporter.user_class.fetch import DEFAULT_TIMEOUT_SECONDS, Fetcher
from importer.exporter.user_class.loading import failures, load_factory
from importer.exporter.user_class.pace import pace_warning
from importer.exporter.user_class.poll import overrides, polled
from importer.exporter.user_class.state import state_of
from importer.exporter.user_error import UserError

logger = logging.getLogger(__name__)


class ClassService:
    """Implements `base.Service`."""

    def __init__(self, name: str, instance: Any, metrics: Sequence[str], collectors: Collectors) -> None:
        self.name = name
        self.instance = instance
        self._metrics = metrics
        self._instances: Sequence[Any] = ()
        self._collectors = collectors
        self._series = CollectedSeries(collectors.note_unshowable)

    def generate(self) -> None:
        """Make the metrics. Raises UserError for what the class raises, and for two metrics of one name."""
        with failures(f"services.{self.name}", "its metrics cannot be made"):
            with self._collectors.adopting():
                self._instances = list(self.instance.generate_prometheus_metric_instances())
            self._collectors.settle(self._instances)

    def poll(self) -> Outcome:
        """Ask for each metric, and fill those that have a value. Raises Stopped."""
        return polled(self.instance, self._metrics, self._instances)

    def families(self) -> Sequence[Family]:
        """Return the metrics that have had a value, and those that the user's code has registered by itself."""
        has_value = state_of(self.instance).has_value
        return self._series.families(self._collectors.metrics(lambda instance: id(instance) in has_value))

    def close(self) -> None:
        """Close the connections."""
        state_of(self.instance).fetcher.close()

    def report_unregistered(self) -> None:
        """Log an error for each metric of the configuration that no method is registered for."""
        registry = getattr(self.instance, "_metric_registry", {})
        if overrides(self.instance, "get_metric"):
            return
        for metric in self._metrics:
            if metric not in registry:
                logger.error('%s: %s: no method has @register_metric("%s")', self.name, metric, metric)


def load_class_service(
    name: str,
    entry: Mapping[str, object],
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    stop: threading.Event,
    interval_seconds: float | None = None,
) -> ClassService:
    """Import the module of a service's entry, make its class, and let that make its metrics.

    Raises ConfigError for a module or class that is not there, and UserError for what the user's code raises.
    """
    logger.info("Setting up Service: %s", name)
    module, class_name = str(entry["service_module"]), str(entry["service_class"])
    collectors = Collectors()
    with collectors.adopting(module):
        factory = load_factory(name, module, class_name)
    with failures(f"services.{name}", f"{class_name}() raised"), collectors.adopting():
        instance = factory()
    if not hasattr(instance, "__dict__"):
        given = f"{class_name}() gives {type(instance).__name__}, which is no service"
        raise UserError(f"services.{name}: {given}; derive it from CollectingtonApi")
    state = state_of(instance)
    state.label = f"{name}: "
    state.fetcher.close()
    state.fetcher = Fetcher(timeout_seconds=timeout_seconds, stop=stop)
    service = ClassService(name, instance, _metrics_of(entry), collectors)
    logger.info("Generating Prometheus Metric Instances")
    service.generate()
    service.report_unregistered()
    cache_seconds = getattr(instance, "data_store_expiration_sec", 0)
    warning = pace_warning(str(entry.get("api_url")), interval_seconds, cache_seconds)
    if warning:
        logger.warning("%s: %s", name, warning)
    return service


def _metrics_of(entry: Mapping[str, object]) -> list[str]:
    mapping = cast(Mapping[str, Sequence[str]], entry["prometheus_metrics_mapping"])
    return [metric for metrics in mapping.values() for metric in metrics]
