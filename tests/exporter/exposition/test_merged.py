"""Several services in one exposition: each family once, nothing lost, nothing twice."""

import pytest

from importer.exporter.exposition.merged import merged
from importer.exporter.exposition.text import text
from importer.exporter.family import Extra, Family, Sample, Series
from tests.exporter.scripted import gauge
from tests.servers.prometheus import check_metrics


def test_families_of_one_service_alone_stay_as_they_are() -> None:
    first, second = gauge("stock", 1.0), gauge("depth", 2.0, team="a")
    assert merged([("shop", [first]), ("bank", [second])]) == [first, second]


def test_a_family_of_two_services_gets_the_services_as_a_label() -> None:
    found = merged([("shop", [gauge("stock", 1.0, team="a"), gauge("x", 3.0)]), ("bank", [gauge("stock", 2.0)])])
    assert text(found).decode().splitlines() == [
        "# HELP stock stock",
        "# TYPE stock gauge",
        'stock{team="a",service="shop"} 1.0',
        'stock{service="bank"} 2.0',
        "# HELP x x",
        "# TYPE x gauge",
        "x 3.0",
    ]


def test_a_sample_that_has_the_label_keeps_it() -> None:
    found = merged([("shop", [gauge("up", 1.0, service="mine")]), ("bank", [gauge("up", 0.0)])])
    assert b'up{service="mine"} 1.0\nup{service="bank"} 0.0\n' in text(found)


def test_what_stands_behind_a_value_stays_there() -> None:
    series = Series("stock")
    timed = Family("stock", "gauge", "", [Sample(series, 1.0)], extras={series: Extra(" 1000", " 1")})
    assert b'stock{service="shop"} 1.0 1000\n' in text(merged([("shop", [timed]), ("bank", [gauge("stock", 2.0)])]))


@pytest.mark.server("prometheus")
def test_where_kinds_differ_all_samples_are_shown_untyped() -> None:
    samples = [Sample(Series("stock_count"), 2.0), Sample(Series("stock_sum"), 5.0)]
    summary = Family("stock", "summary", "Stock.", samples)
    shown = text(merged([("shop", [summary]), ("bank", [gauge("stock", 1.0)])]))
    assert shown.decode().splitlines() == [
        "# HELP stock_count Stock.",
        "# TYPE stock_count untyped",
        'stock_count{service="shop"} 2.0',
        "# HELP stock_sum Stock.",
        "# TYPE stock_sum untyped",
        'stock_sum{service="shop"} 5.0',
        "# HELP stock Stock.",
        "# TYPE stock untyped",
        'stock{service="bank"} 1.0',
    ]
    assert check_metrics(shown)[0] in {0, 3}


def test_a_counter_and_a_gauge_that_are_shown_by_the_same_name_are_one_family() -> None:
    counter = Family("orders", "counter", "Orders.", [Sample(Series("orders_total"), 2.0)])
    shown = text(merged([("shop", [counter]), ("bank", [gauge("orders_total", 1.0)])])).decode()
    assert shown.count("# TYPE orders_total ") == 1
    assert 'orders_total{service="shop"} 2.0\norders_total{service="bank"} 1.0\n' in shown
