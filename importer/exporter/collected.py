"""From what collectors of prometheus_client yield to families, with what a series is known by made once.

From poll to poll a metric hardly ever changes but in its values: its samples are compared, one by one, with those that
stood in the same place before, and only what is new is looked up or made.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import prometheus_client
from prometheus_client.samples import Exemplar
from prometheus_client.samples import Sample as ClientSample

from importer.exporter.exposition.text import number_text
from importer.exporter.family import Extra, Family, Sample, SampleColumns, Series, escape_label_value
from importer.exporter.instruments import Children, Instrument, children_of, values_of

_Known = tuple[str, Mapping[str, str], Series]
"""Name and labels as the client gave them, and what became of them."""

_Collected = prometheus_client.Metric | Instrument

_NO_METRIC_NAME = re.compile(r"[^a-zA-Z0-9_:]|^[0-9]")
_NO_LABEL_NAME = re.compile(r"[^a-zA-Z0-9_]|^[0-9]")
_WITH_EXEMPLARS = {"counter": "_total", "histogram": "_bucket", "gaugehistogram": "_bucket"}


class CollectedSeries:
    """Makes families of metrics, and remembers the series of the last ones."""

    def __init__(self, failed: Callable[[_Collected, Exception], None] | None = None) -> None:
        """`failed` is told which metric cannot be shown, since it holds what no metric holds; None: it is raised."""
        self._failed = failed
        self._remembered: dict[object, _Remembered] = {}

    def families(self, metrics: Iterable[_Collected]) -> list[Family]:
        """Return a family for each metric, of its values now; series that are there again are the same objects.

        An instrument (Counter, Gauge, Summary, Histogram) stands for what it collects, and is read several times as
        fast where it has labels; it has no family before its first sample.
        Names that only newer releases of prometheus_client allow get underscores for what Prometheus 2 does not read,
        as those releases show them to it.
        """
        former, self._remembered = self._remembered, {}
        found: list[Family] = []
        for metric in metrics:
            key: object = metric.name if isinstance(metric, prometheus_client.Metric) else metric
            remembered = self._remembered[key] = former.get(key) or _Remembered()
            try:
                found += remembered.families_of(metric)
            except (AttributeError, TypeError, ValueError) as error:
                if self._failed is None:
                    raise
                self._failed(metric, error)
        return found


class _Remembered:
    """The series of one metric, as they were last time."""

    def __init__(self) -> None:
        self._order: list[_Known] = []
        self._series: list[Series] = []
        self._children: Children = []
        """What of an instrument the series are of, if they can be read without `collect`."""
        self._family: Family | None = None

    def families_of(self, metric: _Collected) -> list[Family]:
        """Return what a metric or an instrument has to show."""
        return [self.family(metric)] if isinstance(metric, prometheus_client.Metric) else self._read(metric)

    def _read(self, instrument: Instrument) -> list[Family]:
        children = children_of(instrument)
        if children and children == self._children and self._family is not None:
            values = values_of(instrument, children, sample_count=len(self._series))
            if values is not None:
                old = self._family
                return [Family(old.name, old.kind, old.help, SampleColumns(self._series, values), old.unit)]
        found = [self.family(metric) for metric in instrument.collect() if metric.samples]
        is_same = children == children_of(instrument)  # nobody has added one meanwhile
        self._children = children if is_same else []
        self._family = found[0] if found else None
        return found

    def family(self, metric: prometheus_client.Metric) -> Family:
        """Return a metric as a family, but for native histograms: the formats that we speak do not have them."""
        given = [each for each in metric.samples if each[2] is not None]
        if not self._is_as_before(given):
            self._reorder(given)
        samples = [Sample(series, float(each[2])) for series, each in zip(self._series, given, strict=True)]
        kind = "untyped" if metric.type == "unknown" else metric.type
        extras = {
            series: _extra(each, kind)
            for series, each in zip(self._series, given, strict=True)
            if each[3] is not None or each[4] is not None
        }
        return Family(_metric_name(metric.name), kind, metric.documentation, samples, metric.unit, extras)

    def _is_as_before(self, given: Sequence[ClientSample]) -> bool:
        return len(given) == len(self._order) and all(
            each[0] == name and each[1] == labels for each, (name, labels, _) in zip(given, self._order, strict=True)
        )

    def _reorder(self, given: Sequence[ClientSample]) -> None:
        known = {_key(name, labels): series for name, labels, series in self._order}
        self._order = [
            (each.name, dict(each.labels), known.get(_key(each.name, each.labels)) or _series(each.name, each.labels))
            for each in given
        ]
        self._series = [series for _, _, series in self._order]


def _key(name: str, labels: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


def _series(name: str, labels: Mapping[str, str]) -> Series:
    pairs = sorted(labels.items())
    return Series(_metric_name(name), tuple((_NO_LABEL_NAME.sub("_", label), value) for label, value in pairs))


def _metric_name(name: str) -> str:
    return _NO_METRIC_NAME.sub("_", name)


def _extra(sample: ClientSample, kind: str) -> Extra:
    plain = "" if sample.timestamp is None else f" {int(float(sample.timestamp) * 1000):d}"
    behind = "" if sample.timestamp is None else f" {sample.timestamp}"
    suffix = _WITH_EXEMPLARS.get(kind)
    if sample.exemplar is not None and suffix and sample.name.endswith(suffix):
        behind += _exemplar_text(sample.exemplar)
    return Extra(plain, behind)


def _exemplar_text(exemplar: Exemplar) -> str:
    pairs = ",".join(f'{name}="{escape_label_value(value)}"' for name, value in sorted(exemplar.labels.items()))
    moment = "" if exemplar.timestamp is None else f" {exemplar.timestamp}"
    return f" # {{{pairs}}} {number_text(exemplar.value)}{moment}"
