"""A scrape gets the last poll's figures, whole, and what is only known when it comes."""

import gzip
import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from importer.exporter.exposition.gzip_parts import joined, pack
from importer.exporter.exposition.page import Page
from importer.exporter.exposition.text import text
from importer.exporter.family import Family
from tests.exporter.scripted import gauge
from tests.servers.prometheus import check_metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def page(*live: Family) -> Page:
    """Return a page beside an empty registry."""
    return Page(lambda: list(live), registry=CollectorRegistry())


def body(shown: Page, accept: str = "", names: set[str] | None = None) -> str:
    return shown.answer(accept, names, gzip=False)[0].decode()


def test_before_the_first_poll_there_is_only_what_is_live() -> None:
    assert body(page(gauge("up", 0.0))) == "# HELP up up\n# TYPE up gauge\nup 0.0\n"


def test_a_poll_replaces_what_was_there() -> None:
    shown = page()
    shown.publish([gauge("stock", 1.0), gauge("gone", 1.0)])
    shown.publish([gauge("stock", 2.0)])
    assert body(shown) == "# HELP stock stock\n# TYPE stock gauge\nstock 2.0\n"


def test_what_is_live_is_asked_at_each_scrape() -> None:
    ages = iter([1.0, 2.0])
    shown = Page(lambda: [gauge("age", next(ages))], registry=CollectorRegistry())
    assert ["age 1.0" in body(shown), "age 2.0" in body(shown)] == [True, True]


@pytest.mark.parametrize("error", [SystemExit(3), ZeroDivisionError()])
def test_a_collector_of_the_default_registry_that_fails_costs_the_figures_nothing(error: BaseException) -> None:
    class Own:
        def collect(self) -> Iterator[Metric]:
            raise error

        def describe(self) -> list[Metric]:
            return []

    registry = CollectorRegistry()
    registry.register(Own())  # type: ignore[arg-type]
    shown = Page(registry=registry)
    shown.publish([gauge("stock", 1.0)])
    assert body(shown) == "# HELP stock stock\n# TYPE stock gauge\nstock 1.0\n"


def test_openmetrics_has_one_end_and_is_packed_as_it_is() -> None:
    shown = page(gauge("up", 1.0))
    shown.publish([gauge("stock", 1.0)])
    plain, content_type, coding = shown.answer(OPENMETRICS, None, gzip=False)
    assert content_type.startswith(OPENMETRICS)
    assert coding is None
    assert plain.count(b"# EOF\n") == 1
    assert plain.endswith(b"# EOF\n")
    packed, _, packed_coding = shown.answer(OPENMETRICS, None, gzip=True)
    assert packed_coding == "gzip"
    assert gzip.decompress(packed) == plain


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_names_pick_samples_of_every_part(accept: str) -> None:
    registry = CollectorRegistry()
    Gauge("registered", "", registry=registry).set(3)
    Gauge("other", "", registry=registry).set(4)
    shown = Page(lambda: [gauge("up", 1.0), gauge("age", 2.0)], registry=registry)
    shown.publish([gauge("stock", 1.0), gauge("depth", 1.0)])
    lines = [line for line in body(shown, accept, {"stock", "up", "registered"}).splitlines() if line[0] != "#"]
    assert lines == ["stock 1.0", "up 1.0", "registered 3.0"]
    packed, _, _ = shown.answer(accept, {"stock", "up", "registered"}, gzip=True)
    assert [line for line in gzip.decompress(packed).decode().splitlines() if line[0] != "#"] == lines


def test_no_family_is_there_twice_and_the_services_own_comes_first() -> None:
    registry = CollectorRegistry()
    Gauge("stock", "", registry=registry).set(3)
    Gauge("up", "", registry=registry).set(3)
    Gauge("mine", "", registry=registry).set(3)
    shown = Page(lambda: [gauge("stock", 2.0), gauge("up", 2.0)], registry=registry)
    shown.publish([gauge("stock", 1.0)])
    assert [line for line in body(shown).splitlines() if line[0] != "#"] == ["stock 1.0", "up 2.0", "mine 3.0"]


@pytest.mark.server("prometheus")
def test_the_process_is_shown_beside_the_figures_and_promtool_has_nothing_against_it() -> None:
    shown = Page()
    shown.publish([gauge("stock", 1.0)])
    text = body(shown)
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"stock", "python_info", "python_gc_objects_collected", "process_cpu_seconds"} <= names
    assert check_metrics(text.encode()) == (0, "")


def test_a_collector_of_users_that_raises_costs_the_registry_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        is_broken = True

        def collect(self) -> Iterator[Metric]:
            if self.is_broken:
                raise KeyError("team")
            yield GaugeMetricFamily("mine", "", value=1)

    registry, broken = CollectorRegistry(auto_describe=False), Broken()
    broken.is_broken = False
    registry.register(broken)  # type: ignore[arg-type]
    broken.is_broken = True
    shown = Page(registry=registry)
    shown.publish([gauge("stock", 1.0)])
    with caplog.at_level(logging.ERROR, "importer"):
        assert [body(shown), body(shown)] == ["# HELP stock stock\n# TYPE stock gauge\nstock 1.0\n"] * 2
        assert body(shown, OPENMETRICS).endswith("stock 1.0\n# EOF\n")
        assert len(caplog.records) == 1
        broken.is_broken = False
        assert "mine 1.0" in body(shown)
        broken.is_broken = True
        assert "mine" not in body(shown)
    assert len(caplog.records) == 2


def test_a_scrape_during_polls_sees_each_of_them_whole() -> None:
    shown = page()
    shown.publish([gauge("first", 0.0), gauge("second", 0.0)])
    is_over = threading.Event()

    def poll() -> None:
        number = 0.0
        while not is_over.is_set():
            number += 1
            shown.publish([gauge("first", number), gauge("second", number)])

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        for accept in ["", OPENMETRICS] * 100:
            text = gzip.decompress(shown.answer(accept, None, gzip=True)[0]).decode()
            values = [line.split()[1] for line in text.splitlines() if line[0] != "#"]
            assert values[0] == values[1]
    finally:
        is_over.set()
        poller.join()


def test_figures_are_rendered_once_for_many_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(list[float]):
        looks = 0

        def __iter__(self) -> Iterator[float]:
            self.looks += 1
            return super().__iter__()

    family = gauge("stock", 1.0)
    samples = Counted(family.samples)
    shown = page()
    shown.publish([Family("stock", "gauge", "stock", samples)])
    shown.answer("", None, gzip=False)
    looks = samples.looks
    for is_packed in (False, True, True):
        shown.answer("", None, gzip=is_packed)
    assert samples.looks == looks > 0
    assert text([family]).decode() == body(shown)


@given(st.binary(), st.binary())
def test_gzip_in_two_parts_is_one_member(beginning: bytes, end: bytes) -> None:
    assert gzip.decompress(joined(pack(beginning), end)) == beginning + end
