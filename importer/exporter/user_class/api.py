"""The class that users' services derive from: it asks an API, keeps the answers for a while, and fills metrics.

Every method may be overridden, so each calls the others through the instance.
"""

import logging
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from prometheus_client import Counter, Gauge, Histogram, Summary

from importer.errors import Stopped
from importer.exporter.user_class.metric_update import split, update, update_all
from importer.exporter.user_class.state import entry_of, labels_of, state_of
from importer.exporter.user_class.store_ages import READ_AT

logger = logging.getLogger(__name__)

DEFAULT_EXPIRATION_SECONDS = 60

_NO_VALUE = "no value"


class CollectingtonApi(ABC):  # noqa: B024 - users' classes are checked with it, and need override nothing
    """A service of Collectington; a subclass sets the attributes in its `__init__`, or before it asks for something."""

    _metric_registry: ClassVar[Mapping[str, str]] = {}
    _delta_metric_registry: ClassVar[Mapping[str, int]] = {}

    def __init__(self) -> None:
        self.data_store: dict[str, Any] = {}
        """The answers by the names of their stores, and the time of the newest read as `data_read_at`."""
        self.data_store_expiration_sec: float = DEFAULT_EXPIRATION_SECONDS
        self.config: Any = None
        """The whole configuration, or the service's entry alone."""
        self.headers: dict[str, Any] = {}
        self.params: Any = {}
        self.name_of_datastore = ""
        self.api_url = ""
        self.service_name = ""
        self.prometheus_metrics_mapping: dict[str, Callable[..., Any]] = {
            "counter": Counter,
            "gauge": Gauge,
            "histogram": Histogram,
            "summary": Summary,
        }

    def generate_prometheus_metric_instances(self) -> list[Any]:
        """Return a metric for each one of the configuration, in its order."""
        _check_attributes(self)
        state = state_of(self)
        instances = []
        for kind, metrics in entry_of(self)["prometheus_metrics_mapping"].items():
            for metric in metrics:
                instance = self._init_p_method(self.prometheus_metrics_mapping[kind], metric)
                state.name(instance, metric)
                instances.append(instance)
        return instances

    def _init_p_method(self, p_method: Callable[..., Any], api_metric: str) -> Any:
        """Return a metric made by one of prometheus_client's classes, or by whatever the user has in its place."""
        labels = labels_of(self, api_metric)
        instance = p_method(api_metric, api_metric, labels) if labels else p_method(api_metric, api_metric)
        state_of(self).name(instance, api_metric)
        return instance

    def get_metric(self, metric: str) -> Any:
        """Return what the method of a metric gives; None where an answer has no such key or item."""
        method = self._metric_registry.get(metric)
        if method is None:
            return None
        state = state_of(self)
        try:
            with state.asking_for(metric):
                value = getattr(self, method)()
        except (KeyError, IndexError) as error:
            state.warn(metric, _NO_VALUE, f"has no value: {type(error).__name__}: {error}")
            return None
        state.calm(metric, _NO_VALUE)
        return value

    def get_data_from_store(self, name_of_datastore: str) -> Any:
        """Return the answer that is kept by this name, read anew if it is too old.

        A read that failed is not tried again in the same poll: what it raised is raised again. Null is kept as long.
        """
        state = state_of(self)
        former, state.store = state.store, name_of_datastore
        try:
            if name_of_datastore in self.data_store and not self.is_data_store_expired():
                return self.data_store[name_of_datastore]
            failed = state.poll and state.poll.failed_stores.get(name_of_datastore)
            if failed:
                raise failed.with_traceback(None)
            if state.poll and name_of_datastore in state.poll.empty_stores:
                return None
            return self._read_store(name_of_datastore)
        finally:
            state.store = former

    def _read_store(self, name: str) -> Any:
        state = state_of(self)
        mark = self.data_store.get(READ_AT)
        try:
            answer = self.read_data(self.api_url, self.params, self.headers)
        except Stopped:
            raise
        except Exception as error:
            if state.poll:
                state.poll.failed_stores[name] = error
            raise
        if self.data_store.get(READ_AT) is mark:
            self.data_store[READ_AT] = _now()
        if answer is None and state.poll:
            state.poll.empty_stores.add(name)
        elif answer is not None:
            self.data_store[name] = answer
            state.ages.note(name, self.data_store[READ_AT])
        return answer

    def read_data(self, url: str, params: Any, headers: Any) -> Any:
        """Return what an API answers to a GET, as JSON; raises what `importer.exporter.user_class.fetch` says."""
        state = state_of(self)
        answer = state.fetcher.get(url, params, headers, state.tries())
        self.data_store[READ_AT] = _now()
        return answer

    def is_data_store_expired(self) -> bool:
        """Return whether the store that is being asked for, else `name_of_datastore`, is too old."""
        state = state_of(self)
        name = self.name_of_datastore if state.store is None else state.store
        return state.ages.age_seconds(name, self.data_store.get(READ_AT)) >= self.data_store_expiration_sec

    def call_prometheus_metrics(
        self, service_metric_dict: Mapping[str, Any], list_of_metric_instances: Sequence[Any]
    ) -> None:
        """Hand the values of a poll to their metrics."""
        update_all(self, service_metric_dict, list_of_metric_instances)

    @staticmethod
    def _split_labeled_metric_dict(
        labeled_metric: Mapping[str, Any], label_list: Sequence[str]
    ) -> tuple[list[Any], Any]:
        """Return the values of the labels in an entry, and the value beside them."""
        return split(labeled_metric, label_list)

    @staticmethod
    def _update_metric(p_instance: Any, val: Any) -> None:
        """Count, observe or set a value; raises UnsupportedPrometheusInstance."""
        update(p_instance, val)


AbstractApi = CollectingtonApi
"""The name that the first releases had for it."""


def _check_attributes(service: CollectingtonApi) -> None:
    """Raise TypeError where a class has not set what its metrics are made of."""
    if not hasattr(service, "prometheus_metrics_mapping"):
        raise TypeError("__init__ has not called super().__init__()")
    if service.config is None:
        raise TypeError('self.config is None; set it in __init__: self.config = get_config("config.json")')
    if "services" in service.config and service.service_name not in service.config["services"]:
        what = f"self.service_name is {service.service_name!r}"
        raise TypeError(f'{what}, which self.config["services"] does not have; set it in __init__')


def _now() -> datetime:
    return datetime.now()  # noqa: DTZ005 - users' code compares it with one without a zone
