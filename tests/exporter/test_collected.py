"""What collectors yield becomes families, and a series stays the same object as long as it is there."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import prometheus_client
import pytest
from hypothesis import given
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, Summary, generate_latest
from prometheus_client.core import GaugeMetricFamily

from importer.exporter.collected import CollectedSeries
from importer.exporter.exposition.text import text
from importer.exporter.family import Family, Series
from tests.exporter.client_metrics import as_newest, metrics

INSTRUMENTS: list[tuple[type[Any], str]] = [
    (Gauge, "set"),
    (Counter, "inc"),
    (Summary, "observe"),
    (Histogram, "observe"),
]


def series_of(families: Sequence[Family]) -> dict[tuple[object, ...], Series]:
    return {(series.name, *series.labels): series for family in families for series, _ in family.samples}


def stock(*teams: str, value: float = 1.0) -> GaugeMetricFamily:
    family = GaugeMetricFamily("stock", "Stock.", labels=["team"])
    for team in teams:
        family.add_metric([team], value)
    return family


@given(metrics())
def test_a_second_poll_uses_the_series_of_the_first(given_metrics: list[Metric]) -> None:
    collected = CollectedSeries()
    first = series_of(collected.families(given_metrics))
    second = series_of(collected.families(given_metrics))
    assert all(second[key] is series for key, series in first.items())


def test_a_series_is_the_same_object_when_others_come_go_and_change_places() -> None:
    collected = CollectedSeries()
    first = series_of(collected.families([stock("a", "b", "c")]))
    second = series_of(collected.families([stock("c", "new", "a", value=2.0)]))
    assert [key[1] for key in second] == [("team", "c"), ("team", "new"), ("team", "a")]
    assert second["stock", ("team", "a")] is first["stock", ("team", "a")]
    assert second["stock", ("team", "c")] is first["stock", ("team", "c")]


def test_a_series_that_has_vanished_is_forgotten() -> None:
    collected = CollectedSeries()
    first = series_of(collected.families([stock("a", "b")]))
    collected.families([stock("a")])
    assert series_of(collected.families([stock("a", "b")]))["stock", ("team", "b")] is not first["stock", ("team", "b")]


def test_labels_that_a_collector_changes_in_place_make_another_series() -> None:
    collected = CollectedSeries()
    labels = {"team": "a"}
    metric = Metric("stock", "Stock.", "gauge")
    metric.add_sample("stock", labels, 1.0)
    collected.families([metric])
    labels["team"] = "b"
    ((series, _),) = collected.families([metric])[0].samples
    assert series.labels == (("team", "b"),)


@pytest.mark.parametrize(("instrument", "fill"), INSTRUMENTS)
def test_an_instrument_is_read_as_it_is_collected(instrument: type[Any], fill: str) -> None:
    registry = CollectorRegistry()
    made = instrument("size", "Size.", ["team", "site"], registry=registry)
    collected = CollectedSeries()
    steps: list[Callable[[], object]] = [
        lambda: getattr(made.labels("a", "x"), fill)(1.5),
        lambda: getattr(made.labels("a", "x"), fill)(2),
        lambda: getattr(made.labels("b", "y"), fill)(1e9),
        lambda: made.remove("a", "x"),
        lambda: getattr(made.labels("a", "x"), fill)(math.inf),
        lambda: getattr(made.labels("b", "y"), fill)(math.nan),
    ]
    assert collected.families([made]) == []
    for step in steps:
        step()
        assert text(collected.families([made])) == as_newest(generate_latest(registry))
    before = series_of(collected.families([made]))
    after = series_of(collected.families([made]))
    assert all(after[key] is series for key, series in before.items())


def test_samples_that_are_read_in_bulk_are_a_sequence_like_any_other() -> None:
    made = Gauge("size", "Size.", ["team"], registry=None)
    for number, team in enumerate("abc"):
        made.labels(team).set(number)
    collected = CollectedSeries()
    collected.families([made])
    samples = collected.families([made])[0].samples
    assert len(samples) == 3
    assert [sample.value for sample in samples] == [0.0, 1.0, 2.0]
    assert samples[1] == list(samples)[1]
    assert list(samples[1:]) == list(samples)[1:]


@pytest.mark.parametrize("instrument", [Counter, Histogram])
def test_an_exemplar_that_comes_later_is_seen(instrument: type[Any]) -> None:
    made = instrument("size", "Size.", ["team"], registry=None)
    collected = CollectedSeries()
    child = made.labels("a")
    fill = child.inc if instrument is Counter else child.observe
    fill(1)
    assert not collected.families([made])[0].extras
    fill(1, exemplar={"trace": "x"})
    assert collected.families([made])[0].extras


def test_a_gauge_that_gets_a_function_later_is_asked_for_its_value() -> None:
    made = Gauge("size", "Size.", ["team"], registry=None)
    made.labels("a").set(1)
    collected = CollectedSeries()
    collected.families([made])
    made.labels("a").set_function(lambda: 17.0)
    assert [value for _, value in collected.families([made])[0].samples] == [17.0]


@pytest.mark.parametrize(("instrument", "fill"), INSTRUMENTS)
def test_an_instrument_without_labels_is_read_too(instrument: type[Any], fill: str) -> None:
    registry = CollectorRegistry()
    made = instrument("size", "Size.", registry=registry)
    getattr(made, fill)(3)
    collected = CollectedSeries()
    for _ in range(2):
        assert text(collected.families([made])) == as_newest(generate_latest(registry))


def test_a_subclass_that_collects_in_its_own_way_is_asked() -> None:
    class Doubled(Gauge):
        def collect(self) -> list[Metric]:
            return [stock("a", value=2.0)]

    made = Doubled("size", "Size.", ["team"], registry=None)
    made.labels("a").set(1)
    collected = CollectedSeries()
    for _ in range(2):
        assert [value for _, value in collected.families([made])[0].samples] == [2.0]


def test_names_beyond_ascii_get_underscores() -> None:
    if not hasattr(prometheus_client.metrics_core, "_validate_metric_name"):
        with pytest.raises(ValueError, match="Invalid metric name"):
            GaugeMetricFamily("größe.kg", "Size.")
        return
    registry = CollectorRegistry()
    Gauge("größe.kg", "Size.", ["maß.einheit"], registry=registry).labels("ü").set(1)
    shown = text(CollectedSeries().families(registry.collect()))
    assert shown == as_newest(generate_latest(registry))
    assert 'gr__e_kg{ma__einheit="ü"} 1.0' in shown.decode()
