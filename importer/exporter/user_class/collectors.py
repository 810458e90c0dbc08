"""The metrics of one service and of its code: made in the default registry, and moved to one of the service's own.

So the same name may be in two services, and what users' code registers by itself is shown as well.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, REGISTRY, CollectorRegistry, Metric

from importer.exporter.instruments import Instrument, is_readable
from importer.exporter.user_class.poll import sample_values
from importer.exporter.user_error import USER_EXCEPTIONS, place, told

logger = logging.getLogger(__name__)

_OF_THE_PROCESS: tuple[Any, ...] = (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR)
"""Are shown beside every service."""

_of_modules: WeakKeyDictionary[ModuleType, list[Any]] = WeakKeyDictionary()
"""What a module has registered when it was imported: it belongs to every service of that module."""


class Collectors:
    """What one service shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._mapped: list[Any] = []
        self._others: list[Any] = []
        self._failing: set[int] = set()
        self._unshowable: set[str] = set()

    @contextmanager
    def adopting(self, module: str = "") -> Iterator[None]:
        """Take over what is registered in the block; where that is a module's import, share it with its services."""
        former = set(_registered())
        try:
            yield
        finally:
            fresh = [collector for collector in _registered() if collector not in former]
            for collector in fresh:
                REGISTRY.unregister(collector)
            if module in sys.modules:
                fresh = _of_modules.setdefault(sys.modules[module], fresh)
            self._others += fresh

    def settle(self, instances: Sequence[Any]) -> None:
        """Let these be the metrics of the configuration; raises ValueError where two have the same name."""
        self._mapped = list(instances)
        ids = set(map(id, instances))
        self._others = [collector for collector in self._others if id(collector) not in ids]
        for collector in [*self._mapped, *self._others]:
            if hasattr(collector, "collect"):
                self.registry.register(collector)

    def metrics(self, has_value: Callable[[Any], bool]) -> Iterator[Metric | Instrument]:
        """Yield what there is to show: of the configuration's metrics those with a value, and all others."""
        for instance in self._mapped:
            if hasattr(instance, "collect") and (has_value(instance) or any(sample_values(instance).values())):
                yield from self._collected(instance)
        mapped = set(map(id, self._mapped))
        shared = [each for each in _registered() if each not in _OF_THE_PROCESS and id(each) not in mapped]
        for collector in [*self._others, *shared]:
            yield from self._collected(collector)

    def _collected(self, collector: Any) -> Sequence[Metric | Instrument]:
        if is_readable(collector):
            return [collector]
        try:
            found = [metric for metric in collector.collect() if metric.samples]
        except USER_EXCEPTIONS as error:
            if id(collector) not in self._failing:
                self._failing.add(id(collector))
                logger.error("a collector of the user's cannot be asked: %s (%s)", told(error), place(error))
            return []
        self._failing.discard(id(collector))
        return found

    def note_unshowable(self, metric: Metric | Instrument, error: Exception) -> None:
        """Log, once for each name, that a metric which a collector gave is none that can be shown."""
        name = str(getattr(metric, "name", metric))
        if name not in self._unshowable:
            self._unshowable.add(name)
            logger.error("%s, of a collector of the user's, cannot be shown: %s", name, told(error))


def _registered() -> Iterable[Any]:
    """Return the collectors of the default registry, oldest first."""
    with REGISTRY._lock:
        return list(REGISTRY._collector_to_names)
