"""From the values of a poll to metrics of prometheus_client: each for itself, labelled ones a label set at a time."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge, Histogram, Summary

from importer.errors import Stopped
from importer.exporter.user_class.delta import as_number, label_set
from importer.exporter.user_class.exceptions import BadValue, UnsupportedPrometheusInstance
from importer.exporter.user_class.state import labels_of, state_of
from importer.exporter.user_error import USER_EXCEPTIONS

if TYPE_CHECKING:
    from importer.exporter.user_class.api import CollectingtonApi

_TWICE = "twice"


def update(instance: object, value: Any) -> None:
    """Count, observe or set a value, as the kind of metric wants it.

    Raises BadValue for one that is no number of use there, and UnsupportedPrometheusInstance.
    """
    if isinstance(instance, Counter):
        number = as_number(value)
        if number < 0:
            raise BadValue(f"{value!r:.80} is below 0, and a counter only grows")
        instance.inc(float(number))
    elif isinstance(instance, Summary | Histogram):
        instance.observe(float(as_number(value)))
    elif isinstance(instance, Gauge):
        instance.set(_gauge_value(value))
    else:
        raise UnsupportedPrometheusInstance(f"{type(instance).__name__} is none of Counter, Gauge, Summary, Histogram")


def split(entry: Mapping[str, Any], labels: Sequence[str]) -> tuple[list[Any], Any]:
    """Return the values of an entry's labels, in their order, and the first value beside them.

    Raises KeyError for a label that is missing, and IndexError where nothing is beside them.
    """
    values = [entry[label] for label in labels]
    return values, [value for key, value in entry.items() if key not in labels][0]  # noqa: RUF015 - IndexError


def update_all(service: "CollectingtonApi", values: Mapping[str, Any], instances: Iterable[Any]) -> None:
    """Hand each value to its metric; one that is None leaves its metric as it was.

    What goes wrong with a metric is noted, and costs no other metric anything. Raises Stopped.
    """
    state = state_of(service)
    for instance in instances:
        metric = state.name_of(instance, values)
        value = values.get(metric)
        if value is None:
            continue
        try:
            labels = labels_of(service, metric) or getattr(instance, "_labelnames", ())
            if labels:
                _LabelSets(service, metric, instance, labels).update(value)
            else:
                service._update_metric(instance, value)
            state.has_value.add(id(instance))
            state.deltas.settle_metric(metric)
        except Stopped:
            raise
        except USER_EXCEPTIONS as error:
            state.fail(metric, error)


class _LabelSets:
    """A labelled metric, and the answer of one poll."""

    def __init__(self, service: "CollectingtonApi", metric: str, instance: Any, labels: Sequence[str]) -> None:
        self._service = service
        self._state = state_of(service)
        self._metric = metric
        self._instance = instance
        self._labels = labels
        self._shown = self._state.label_sets.setdefault(id(instance), set())
        self._found: set[tuple[str, ...]] = set()
        self._failures: list[BaseException] = []
        self._is_twice = False

    def update(self, value: Any) -> None:
        """Use an answer; a gauge loses what is not in it. Raises Stopped, and BadValue for one that is no list."""
        for entry in _entries(value):
            self._take(entry)
        if isinstance(self._instance, Gauge):
            for gone in self._shown - self._found:
                with suppress(KeyError):  # the class has removed it itself
                    self._instance.remove(*gone)
            self._shown &= self._found
        if self._is_twice:
            text = "a label set is twice in one answer: both values are used, one after the other"
            self._state.warn(self._metric, _TWICE, text)
        else:
            self._state.calm(self._metric, _TWICE)
        if self._failures:
            self._state.deltas.settle_metric(self._metric)  # what failed has been taken back
            self._state.fail(self._metric, _summed_up(self._failures))

    def _take(self, entry: Any) -> None:
        try:
            labels, value = self._parts(entry)
        except BadValue as error:
            self._failures.append(error)
            return
        key = tuple(map(str, labels))
        self._is_twice = self._is_twice or key in self._found
        self._found.add(key)
        if value is None:
            return
        try:
            self._service._update_metric(self._instance.labels(*labels), value)
            self._shown.add(key)
        except Stopped:
            raise
        except USER_EXCEPTIONS as error:
            self._failures.append(error)
            self._state.deltas.take_back(self._metric, label_set(entry, self._labels))
            if key not in self._shown:
                self._instance.remove(*labels)  # made a moment ago, and has no value

    def _parts(self, entry: Any) -> tuple[list[Any], Any]:
        """Return an entry's labels and value; raises BadValue where it has not all of them."""
        if not isinstance(entry, Mapping):
            raise BadValue(f"{entry!r:.80} is not an object of labels and a value; it is left out")
        try:
            return self._service._split_labeled_metric_dict(entry, self._labels)
        except KeyError as error:
            raise BadValue(f"an entry without the label {error} is left out") from error
        except IndexError as error:
            named = ", ".join(f"{label}={entry[label]!r:.40}" for label in self._labels)
            raise BadValue(f"the entry with {named} has no value, and is left out") from error


def _entries(value: Any) -> Sequence[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise BadValue(f"{value!r:.80} is not a list of objects, one for each label set")
    return list(value)


def _gauge_value(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadValue(f"{value!r:.80} is not a number") from error


def _summed_up(failures: Sequence[BaseException]) -> BaseException:
    """Return the first failure, which says how many others there are."""
    first, *others = failures
    if isinstance(first, BadValue) and others:
        return BadValue(f"{first} (and so for {len(others)} more)")
    return first
