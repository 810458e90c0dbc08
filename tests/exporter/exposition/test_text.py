"""What is printed is what prometheus_client prints, byte by byte, whichever release of it is installed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Counter, Enum, Gauge, Histogram, Info, Metric, Summary, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest
from prometheus_client.registry import CollectorRegistry

from importer.exporter.collected import CollectedSeries
from importer.exporter.exposition.negotiation import Format, accepts_gzip, wanted_format
from importer.exporter.exposition.text import number_text, openmetrics, shown_name, text
from importer.exporter.family import Family, Sample, Series
from tests.exporter.client_metrics import as_newest, metrics, registry_of
from tests.exporter.oldest_client import oldest_client, run_tests  # noqa: F401
from tests.servers.prometheus import check_metrics

OF_EACH_KIND = [
    Family("orders", "counter", "Orders.", [Sample(Series("orders_total", (("team", "a"),)), 410.0)]),
    Family("stock", "gauge", 'In "boxes", or\nso \\ about.', [Sample(Series("stock"), 31)]),
    Family("what", "untyped", "Who knows.", [Sample(Series("what"), 1e6)]),
]


@given(metrics())
def test_text_is_that_of_the_client(given_metrics: list[Metric]) -> None:
    assert text(CollectedSeries().families(given_metrics)) == as_newest(generate_latest(registry_of(given_metrics)))


@given(metrics())
def test_openmetrics_is_that_of_the_client(given_metrics: list[Metric]) -> None:
    assert openmetrics(CollectedSeries().families(given_metrics)) == as_newest(
        openmetrics_latest(registry_of(given_metrics))
    )


@given(metrics(), st.data())
def test_a_filter_by_names_picks_the_samples_that_the_client_picks(
    given_metrics: list[Metric], data: st.DataObject
) -> None:
    there = sorted({sample.name for metric in given_metrics for sample in metric.samples})
    names = data.draw(st.lists(st.sampled_from(there), min_size=1, unique=True)) if there else ["nothing"]
    picked = [family for metric in given_metrics if (family := metric._restricted_metric(names))]
    families = CollectedSeries().families(given_metrics)
    assert text(families, names) == as_newest(generate_latest(registry_of(picked)))
    assert openmetrics(families, names) == as_newest(openmetrics_latest(registry_of(picked)))


def test_the_clients_own_instruments_are_printed_as_the_client_does() -> None:
    registry = CollectorRegistry()
    orders = Counter("orders", "Orders.", ["team"], registry=registry)
    orders.labels('a"b').inc(3, exemplar={"trace": 'x"y'})
    orders.labels("c").inc(2)
    Gauge("stock", "Stock.", unit="boxes", registry=registry).set(12345678)
    Summary("wait", "Wait.", registry=registry).observe(0.25)
    Histogram("size", "Size.", ["kind"], registry=registry).labels("x").observe(3, exemplar={"trace": "z"})
    Info("build", "Build.", registry=registry).info({"version": "1"})
    Enum("state", "State.", states=["on", "off"], registry=registry).state("off")
    Gauge("empty", "No series.", ["team"], registry=registry)
    families = CollectedSeries().families(registry.collect())
    assert text(families) == as_newest(generate_latest(registry))
    assert openmetrics(families) == as_newest(openmetrics_latest(registry))


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (410.0, "410.0"),
        (1e6, "1e+06"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
        (7, "7.0"),
    ],
)
def test_numbers_are_written_as_go_writes_them(number: float, shown: str) -> None:
    assert number_text(number) == shown
    assert text([Family("x", "gauge", "x", [Sample(Series("x"), number)])]).endswith(f"\nx {shown}\n".encode())


def test_openmetrics_calls_what_has_no_type_unknown_and_quotes_in_help() -> None:
    shown = openmetrics(OF_EACH_KIND).decode()
    assert "# TYPE what unknown\n" in shown
    assert '# HELP stock In \\"boxes\\", or\\nso \\\\ about.\n' in shown
    assert "# TYPE orders counter\n" in shown
    assert shown.endswith("# EOF\n")


def test_in_the_text_format_a_counter_has_its_suffix() -> None:
    assert "# TYPE orders_total counter\n" in text(OF_EACH_KIND).decode()
    assert shown_name("orders", "counter") == "orders_total"


@pytest.mark.server("prometheus")
def test_promtool_has_nothing_against_it() -> None:
    assert check_metrics(text(OF_EACH_KIND[:2])) == (0, "")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/plain;version=0.0.4", Format.TEXT),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3", Format.TEXT_1),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*", Format.OPENMETRICS_1),
        ("application/openmetrics-text; version=0.0.1, text/plain;q=0.5", Format.TEXT),
        ("application/openmetrics-text;q=0, text/plain", Format.TEXT),
        ("application/openmetrics-text; version=x", Format.TEXT),
    ],
)
def test_the_format_is_the_first_that_a_client_asks_for_and_we_speak(accept: str, wanted: Format) -> None:
    assert wanted_format(accept) is wanted


@pytest.mark.parametrize(
    ("header", "is_accepted"),
    [("gzip", True), ("deflate, GZIP ;q=0.1", True), ("gzip;q=0", False), ("gzip; q=0.000", False), ("br", False)],
)
def test_gzip_is_sent_to_who_accepts_it(header: str, is_accepted: bool) -> None:
    assert accepts_gzip(header) is is_accepted


def test_with_the_oldest_client_all_of_this_holds(oldest_client: Path) -> None:  # noqa: F811
    paths = ("tests/exporter/exposition/test_text.py", "tests/exporter/test_collected.py")
    done = run_tests(oldest_client, *paths)
    assert done.returncode == 0, done.stdout + done.stderr
