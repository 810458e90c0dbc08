"""What we remember of an instance of a user's class, beside the attributes that are the user's."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from importer.exporter.base import Fault, FaultKind, Outcome
from importer.exporter.exchange import Tries
from importer.exporter.user_class.delta import DeltaMemory
from importer.exporter.user_class.fetch import Fetcher, FetchError
from importer.exporter.user_class.store_ages import StoreAges
from importer.exporter.user_error import kind_of, told, traceback_text
from importer.logs import MULTILINE

logger = logging.getLogger(__name__)

_ATTRIBUTE = "_collectington_state"


class Poll:
    """What goes wrong in one poll."""

    def __init__(self, stop: threading.Event) -> None:
        self.tries = Tries(stop)
        """For all requests of the poll together."""
        self.failed_stores: dict[str, Exception] = {}
        """Why a store has no answer: it is not asked for again."""
        self.empty_stores: set[str] = set()
        """Of which the answer was null: they are not asked for again either."""
        self._failures: dict[int, tuple[BaseException, FaultKind, list[str]]] = {}

    def fail(self, metric: str, error: BaseException, kind: FaultKind) -> None:
        """Note why a metric has no value; empty for all of them. An error that several metrics have is told once."""
        self._failures.setdefault(id(error), (error, kind, []))[2].append(metric)

    def outcome(self) -> Outcome:
        """Return what the poll came to."""
        pauses = [error.retry_after_seconds for error, _, _ in self._failures.values() if isinstance(error, FetchError)]
        return Outcome(
            [_fault(*failure) for failure in self._failures.values()],
            max((pause for pause in pauses if pause is not None), default=None),
        )


class ApiState:
    """What belongs to one instance."""

    def __init__(self, seeds: Mapping[str, Any]) -> None:
        self.label = ""
        """The service's name in messages, and what parts it from them."""
        self.fetcher = Fetcher()
        self.ages = StoreAges()
        self.deltas = DeltaMemory(seeds)
        self.metric = ""
        """Whose method is being called."""
        self.store: str | None = None
        """What is being asked for."""
        self.has_value: set[int] = set()
        """The metrics that have had a value, by their ids."""
        self.label_sets: dict[int, set[tuple[str, ...]]] = {}
        """What each labelled metric shows."""
        self.poll: Poll | None = None
        self._names: dict[int, tuple[object, str]] = {}
        self._warned: set[tuple[str, str]] = set()

    @contextmanager
    def polling(self) -> Iterator[Poll]:
        """Gather what goes wrong while the block lasts."""
        former, self.poll = self.poll, Poll(self.fetcher.stop)
        try:
            yield self.poll
        finally:
            self.poll = former
            self.deltas.settle()

    @contextmanager
    def asking_for(self, metric: str) -> Iterator[None]:
        """Call the method of a metric in the block: what it raises takes back what the memory of deltas has learned."""
        if self.poll is None:
            self.deltas.settle()
        former, self.metric = self.metric, metric
        former_delta = self.deltas.begin(metric)
        try:
            yield
        except BaseException:
            self.deltas.take_back(metric)
            raise
        finally:
            self.metric = former
            self.deltas.begin(former_delta)

    def tries(self) -> Tries:
        """Return how often a request may be repeated now."""
        return Tries(self.fetcher.stop) if self.poll is None else self.poll.tries

    def fail(self, metric: str, error: BaseException) -> None:
        """Note that a metric cannot have its value, in the poll under way or in the log."""
        self.deltas.take_back(metric)
        kind = kind_of(error)
        if kind == FaultKind.CODE:
            logger.debug("%s", traceback_text(error), extra=MULTILINE)
        if self.poll is None:
            logger.error("%s%s", self.label, _fault(error, kind, [metric]).reason)
        else:
            self.poll.fail(metric, error, kind)

    def warn(self, metric: str, what: str, text: str) -> None:
        """Log a warning, unless it was logged since `calm`."""
        if (metric, what) not in self._warned:
            self._warned.add((metric, what))
            logger.warning("%s%s: %s", self.label, metric, text)

    def calm(self, metric: str, what: str) -> None:
        """Let the next such warning be logged again."""
        self._warned.discard((metric, what))

    def name(self, instance: object, metric: str) -> None:
        """Remember which metric of the configuration an instance was made for."""
        self._names[id(instance)] = (instance, metric)

    def name_of(self, instance: object, known: Mapping[str, object]) -> str:
        """Return the metric that an instance was made for; of one that we did not make what it calls itself."""
        if id(instance) in self._names:
            return self._names[id(instance)][1]
        name = str(instance).rpartition(":")[2]
        return name if name in known or f"{name}_total" not in known else f"{name}_total"


def state_of(service: object) -> ApiState:
    """Return what we remember of an instance, from the first time on."""
    attributes = vars(service)
    if _ATTRIBUTE not in attributes:
        seeds = attributes.setdefault("_delta_metric_registry", dict(getattr(service, "_delta_metric_registry", {})))
        attributes[_ATTRIBUTE] = ApiState(seeds)
    state: ApiState = attributes[_ATTRIBUTE]
    return state


def entry_of(service: Any) -> Mapping[str, Any]:
    """Return a service's entry of its own configuration, which may also be the entry alone; empty where it has none."""
    config: Mapping[str, Any] = service.config or {}
    if "services" not in config:
        return config
    entry: Mapping[str, Any] = config["services"][service.service_name]
    return entry


def labels_of(service: object, metric: str) -> Sequence[str]:
    """Return the labels that the configuration gives a metric."""
    try:
        labels: Sequence[str] = (entry_of(service).get("prometheus_metric_labels") or {}).get(metric) or ()
    except (AttributeError, KeyError):  # a class that has no configuration
        return ()
    return labels


def _fault(error: BaseException, kind: FaultKind, metrics: Sequence[str]) -> Fault:
    named = ", ".join(filter(None, metrics))
    return Fault(kind, f"{named}{': ' if named else ''}{told(error)}", metrics[0])
