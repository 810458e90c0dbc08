"""Metrics as users' code may make them with prometheus_client, for hypothesis."""

import re
from collections.abc import Iterable, Iterator

from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
    SummaryMetricFamily,
    UnknownMetricFamily,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(['a\\b"c\nd', "\\n", "é"])
NUMBERS = st.floats() | st.sampled_from([410.0, 1e6, 999999.0, 1e15, 1e16, 1e17, 12345678.5, -1e9, -0.0, 5e-324])
TIMES = st.none() | st.integers(0, 2**31) | st.floats(0, 2e9)
NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)


class Given:
    """A collector that yields what it was given."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def as_newest(shown: bytes) -> bytes:
    """Return a text of prometheus_client with exponents as the newest prints them: 0.16.0 has 1e+010."""
    return re.sub(rb"(?<=\de\+)0(?=\d\d\b)", b"", shown)


def registry_of(metrics: Iterable[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Given(metrics))  # type: ignore[arg-type]
    return registry


@st.composite
def metric(draw: st.DrawFn, name: str) -> Metric:
    """A family of any kind, with a few series of the same labels."""
    kind = draw(st.sampled_from(sorted(_FILLERS)))
    return _FILLERS[kind](draw, name, draw(TEXTS), draw(st.lists(NAMES.filter(_is_free), max_size=2, unique=True)))


def metrics() -> st.SearchStrategy[list[Metric]]:
    """A few families, no two of one name."""
    names = st.lists(NAMES.map("m_{}".format), max_size=4, unique=True)
    return names.flatmap(lambda chosen: st.tuples(*(metric(f"{name}{i}x") for i, name in enumerate(chosen))).map(list))


def _is_free(label: str) -> bool:
    return label not in {"le", "quantile"} and not label.startswith("__")


def _rows(draw: st.DrawFn, labels: list[str]) -> list[list[str]]:
    return draw(st.lists(st.lists(TEXTS, min_size=len(labels), max_size=len(labels)), max_size=3, unique_by=tuple))


def _simple(family: type) -> object:
    def fill(draw: st.DrawFn, name: str, text: str, labels: list[str]) -> Metric:
        made = family(name, text, labels=labels)
        for row in _rows(draw, labels):
            made.add_metric(row, draw(NUMBERS), timestamp=draw(TIMES))
        return made

    return fill


def _counter(draw: st.DrawFn, name: str, text: str, labels: list[str]) -> Metric:
    made = CounterMetricFamily(name, text, labels=labels)
    for row in _rows(draw, labels):
        made.add_metric(row, draw(NUMBERS), created=draw(st.none() | st.floats(1, 2e9)), timestamp=draw(TIMES))
    return made


def _summary(draw: st.DrawFn, name: str, text: str, labels: list[str]) -> Metric:
    made = SummaryMetricFamily(name, text, labels=labels)
    for row in _rows(draw, labels):
        made.add_metric(row, draw(st.integers(0, 2**40)), draw(NUMBERS))
    return made


def _buckets(draw: st.DrawFn) -> list[tuple[str, float]]:
    return [(bound, draw(NUMBERS)) for bound in ("0.5", "1.0", "+Inf")]


def _histogram(draw: st.DrawFn, name: str, text: str, labels: list[str]) -> Metric:
    made = HistogramMetricFamily(name, text, labels=labels)
    for row in _rows(draw, labels):
        made.add_metric(row, _buckets(draw), draw(NUMBERS))
    return made


def _gauge_histogram(draw: st.DrawFn, name: str, text: str, labels: list[str]) -> Metric:
    made = GaugeHistogramMetricFamily(name, text, labels=labels)
    for row in _rows(draw, labels):
        made.add_metric(row, _buckets(draw), draw(NUMBERS))
    return made


def _info(draw: st.DrawFn, name: str, text: str, labels: list[str]) -> Metric:
    made = InfoMetricFamily(name, text, labels=labels)
    for row in _rows(draw, labels):
        made.add_metric(row, {"version": draw(TEXTS)})
    return made


def _states(draw: st.DrawFn, name: str, text: str, labels: list[str]) -> Metric:
    made = StateSetMetricFamily(name, text, labels=labels)
    for row in _rows(draw, labels):
        made.add_metric(row, {"on": draw(st.booleans()), "off": draw(st.booleans())})
    return made


_FILLERS = {
    "counter": _counter,
    "gauge": _simple(GaugeMetricFamily),
    "unknown": _simple(UnknownMetricFamily),
    "summary": _summary,
    "histogram": _histogram,
    "gaugehistogram": _gauge_histogram,
    "info": _info,
    "stateset": _states,
}
