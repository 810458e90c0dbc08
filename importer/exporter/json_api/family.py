"""What a metric of a config-only service shows: each poll's own figures, or those of all polls added up."""

from collections.abc import Sequence
from typing import Protocol

from prometheus_client import Histogram, Summary

from importer.exporter.collected import CollectedSeries
from importer.exporter.family import Family, Labels, Sample, Series
from importer.exporter.json_api.metric import MetricRule, Reading


class View(Protocol):
    """Turns readings into a family."""

    def show(self, readings: Sequence[Reading]) -> Family | None:
        """Take over the readings of a poll, and return what there is to show: None for nothing."""


def view_of(rule: MetricRule) -> View:
    """Return a fresh view of a metric."""
    return _Accumulated(rule) if rule.is_observed else _Newest(rule)


def family_name(name: str, kind: str) -> str:
    """Return the name without the suffix of a counter.

    >>> family_name("orders_total", "counter"), family_name("orders", "counter"), family_name("orders_total", "gauge")
    ('orders', 'orders', 'orders_total')
    """
    return name.removesuffix("_total") if kind == "counter" else name


def sample_names(name: str, kind: str) -> tuple[str, ...]:
    """Return what the series of a metric are called, and its family."""
    family = family_name(name, kind)
    suffixes = {
        "counter": ("_total",),
        "summary": ("_count", "_sum", "_created"),
        "histogram": ("_bucket", "_count", "_sum", "_created"),
    }
    return (family, *(f"{family}{suffix}" for suffix in suffixes.get(kind, ())))


class _Newest:
    """A family that is built anew from each answer: what has vanished there vanishes here."""

    def __init__(self, rule: MetricRule) -> None:
        self._rule = rule
        self._family_name = family_name(rule.name, rule.kind)
        self._sample_name = f"{self._family_name}_total" if rule.kind == "counter" else rule.name
        self._series: dict[Labels, Series] = {}

    def show(self, readings: Sequence[Reading]) -> Family | None:
        former, self._series = self._series, {}
        for labels, _ in readings:
            self._series[labels] = former.get(labels) or Series(self._sample_name, labels)
        if not readings:
            return None
        samples = [Sample(self._series[labels], number) for labels, number in readings]
        return Family(self._family_name, self._rule.kind, self._rule.help, samples)


class _Accumulated:
    """A summary or histogram: each reading of each poll is observed once."""

    def __init__(self, rule: MetricRule) -> None:
        self._metric = _made(rule)
        self._collected = CollectedSeries()
        self._is_empty = True

    def show(self, readings: Sequence[Reading]) -> Family | None:
        for labels, number in readings:
            self._is_empty = False
            metric = self._metric.labels(**dict(labels)) if labels else self._metric
            metric.observe(number)
        if self._is_empty:
            return None
        (family,) = self._collected.families([self._metric])
        return family


def _made(rule: MetricRule) -> Summary | Histogram:
    if rule.kind == "summary":
        return Summary(rule.name, rule.help, rule.label_names, registry=None)
    if rule.buckets:
        return Histogram(rule.name, rule.help, rule.label_names, registry=None, buckets=rule.buckets)
    return Histogram(rule.name, rule.help, rule.label_names, registry=None)
