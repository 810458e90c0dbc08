"""The ways to Prometheus against the real programs: they hold what was delivered, and promtool has no complaint."""

from pathlib import Path

import pytest

from importer.config import ObjectReader
from importer.errors import Rejected, SinkUnavailable
from importer.points import Point
from importer.sinks.prometheus import PrometheusSink
from tests.servers.prometheus import Key, Prometheus, PrometheusPushgateway, check_metrics, get

MAY_2016 = 1462147200
"""2016-05-02T00:00:00Z: far older than what Prometheus would take with its time."""

ODD_VALUE = 'a "quoted"\\ {brace}, # sign\nand\r\x00\u2028 é'
POINTS = [
    Point(("shop", "daily", "users"), 48213, MAY_2016),
    Point(("shop", "daily", "crashes"), 0.1 + 0.2, MAY_2016, (("os", "ios"), ("version", "6.6.1"))),
    Point(("shop", "daily", "crashes"), -1e300, MAY_2016, (("os", ODD_VALUE),)),
]
HELD: dict[Key, float] = {
    (("__name__", "shop_daily_users"),): 48213,
    (("__name__", "shop_daily_crashes"), ("os", "ios"), ("version", "6.6.1")): 0.1 + 0.2,
    (("__name__", "shop_daily_crashes"), ("os", ODD_VALUE)): -1e300,
}


def sink_of(state: Path, **values: object) -> PrometheusSink:
    """Return a sink; at a Pushgateway its group is that of the job alone, unless told otherwise."""
    return described({"instance": "", **values} if "pushgateway" in values else values, state)


def described(values: dict[str, object], state: Path) -> PrometheusSink:
    keys = ObjectReader(Path("graphite.json"), values)
    sink = PrometheusSink.from_keys(keys, state=state)
    keys.finish()
    return sink


def deliver(sink: PrometheusSink, points: list[Point]) -> None:
    for payload in sink.encode(points):
        sink.deliver(payload)


TARGET_LABELS = Point(("labels",), 1, MAY_2016, (("instance", "web-1"), ("job", "shop"), ("os", "")))


def test_prometheus_scrapes_the_newest_values_from_the_port(prometheus: Prometheus, tmp_path: Path) -> None:
    sink = sink_of(tmp_path, port=prometheus.scraped_port)
    deliver(sink, [*POINTS, TARGET_LABELS])
    prometheus.wait_for('{job="importer", __name__=~"shop_.*"}', HELD)
    prometheus.wait_for(
        "labels", {(("__name__", "labels"), ("exported_instance", "web-1"), ("exported_job", "shop")): 1}
    )
    prometheus.wait_for("metrics_importer_newest_sample_timestamp_seconds + 0", {(): MAY_2016})
    deliver(sink, [Point(POINTS[0].path, 5, MAY_2016 + 60), Point(POINTS[0].path, 6, MAY_2016)])
    prometheus.wait_for("shop_daily_users", {(("__name__", "shop_daily_users"),): 5})
    sink.close()
    prometheus.wait_for("up", {(("__name__", "up"),): 0})


def test_the_gateway_holds_what_was_delivered(pushgateway: PrometheusPushgateway, tmp_path: Path) -> None:
    sink = sink_of(tmp_path, pushgateway=pushgateway.url)
    assert sink.check() == f"{sink.lane} is ready"
    assert pushgateway.read("metrics-importer") == {}
    for point in POINTS:  # a push replaces all series of a name: the others have to be in it too
        deliver(sink, [point])
    assert pushgateway.read("metrics-importer") == HELD
    sink.close()


@pytest.mark.parametrize(
    ("job", "instance"), [("shop", "web-1"), ("a/b c", "http://web-1:80/?é"), ("..", "%2F"), ("x", "+")]
)
def test_the_gateway_reads_the_group_from_the_path(
    job: str, instance: str, pushgateway: PrometheusPushgateway, tmp_path: Path
) -> None:
    sink = sink_of(tmp_path, pushgateway=pushgateway.url, job=job, instance=instance)
    deliver(sink, POINTS[:1])
    assert pushgateway.read(job) == {(("__name__", "shop_daily_users"), ("instance", instance)): 48213}
    sink.close()


def test_what_others_pushed_stays(pushgateway: PrometheusPushgateway, tmp_path: Path) -> None:
    for directory in ("other", "same"):
        (tmp_path / directory).mkdir()
    other = sink_of(tmp_path / "other", pushgateway=pushgateway.url, job="other")
    same_group = sink_of(tmp_path / "same", pushgateway=pushgateway.url)
    sink = sink_of(tmp_path, pushgateway=pushgateway.url)
    deliver(other, POINTS[:1])
    deliver(same_group, POINTS[:1])
    deliver(sink, POINTS[1:])
    assert pushgateway.read("metrics-importer") == HELD
    assert len(pushgateway.read("other")) == 1
    for each in (other, same_group, sink):
        each.close()


def test_commands_with_a_state_directory_each_do_not_replace_each_others_series_of_one_name(
    pushgateway: PrometheusPushgateway, tmp_path: Path
) -> None:
    """As two machines do, or two commands of one, that read the same description."""
    sinks = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        sinks.append(described({"pushgateway": pushgateway.url}, tmp_path / name))
    for value in (1, 2):
        for number, sink in enumerate(sinks):
            deliver(sink, [Point(("up",), value, MAY_2016 + value, (("service", f"s{number}"),))])
            held = pushgateway.read("metrics-importer")
            assert {labels[-1]: value for labels, value in held.items()}[("service", f"s{number}")] == value
    services = sorted(dict(labels)["service"] for labels in pushgateway.read("metrics-importer"))
    assert services == ["s0", "s1"]
    assert len({dict(labels)["instance"] for labels in held}) == 2
    for sink in sinks:
        sink.close()


def test_commands_with_one_state_directory_share_a_group_and_keep_each_others_series_of_one_name(
    pushgateway: PrometheusPushgateway, tmp_path: Path
) -> None:
    sinks = [described({"pushgateway": pushgateway.url}, tmp_path) for _ in range(2)]
    for number, sink in enumerate(sinks):
        deliver(sink, [Point(("up",), 1, MAY_2016, (("service", f"s{number}"),))])
        sink.close()
    held = pushgateway.read("metrics-importer")
    assert sorted(dict(labels)["service"] for labels in held) == ["s0", "s1"]
    assert len({dict(labels)["instance"] for labels in held}) == 1


def test_a_gateway_that_lost_its_memory_has_all_again_with_the_next_push(
    pushgateway: PrometheusPushgateway, tmp_path: Path
) -> None:
    sink = sink_of(tmp_path, pushgateway=pushgateway.url)
    deliver(sink, POINTS[:2])
    pushgateway.kill()
    with pytest.raises(SinkUnavailable, match="connection refused"):
        deliver(sink, POINTS[2:])
    pushgateway.start()
    deliver(sink, POINTS[2:])
    assert pushgateway.read("metrics-importer") == HELD
    sink.close()


def test_what_contradicts_the_gateways_own_metrics_is_rejected_and_costs_nothing_else(
    pushgateway: PrometheusPushgateway, tmp_path: Path
) -> None:
    sink = sink_of(tmp_path, pushgateway=pushgateway.url)
    with pytest.raises(Rejected, match="HTTP 400: pushed metrics are invalid or inconsistent"):
        deliver(sink, [Point(("go", "memstats_alloc_bytes_total"), 1, MAY_2016)])
    deliver(sink, POINTS)
    assert pushgateway.read("metrics-importer") == HELD
    sink.close()


def test_an_expired_series_leaves_the_gateway_while_its_name_has_others(
    pushgateway: PrometheusPushgateway, tmp_path: Path
) -> None:
    deliver(sink_of(tmp_path, pushgateway=pushgateway.url), POINTS)
    sink = sink_of(tmp_path, pushgateway=pushgateway.url, expire_seconds=86_400)
    recent = Point(("shop", "daily", "crashes"), 1, 2**32 - 1)
    deliver(sink, [recent])
    assert pushgateway.read("metrics-importer") == {
        (("__name__", "shop_daily_users"),): 48213,
        (("__name__", "shop_daily_crashes"),): 1,
    }
    sink.close()


@pytest.mark.server("prometheus")
def test_promtool_finds_no_fault_with_a_textfile(tmp_path: Path) -> None:
    deliver(sink_of(tmp_path, textfile="importer.prom"), POINTS)
    assert check_metrics((tmp_path / "importer.prom").read_bytes()) == (0, "")


def test_promtool_finds_no_fault_with_what_the_port_serves(prometheus: Prometheus, tmp_path: Path) -> None:
    sink = sink_of(tmp_path, port=prometheus.scraped_port)
    deliver(sink, POINTS)
    assert check_metrics(get(f"http://127.0.0.1:{prometheus.scraped_port}/metrics")) == (0, "")
    sink.close()


@pytest.mark.server("prometheus")
def test_promtool_has_nothing_but_the_style_of_a_vendors_names_to_complain_of(tmp_path: Path) -> None:
    points = [Point(("apteligent", "Fahrräder 自転車", "appLoads"), 1, MAY_2016, (("appVersion", "\ud800"),))]
    deliver(sink_of(tmp_path, textfile="importer.prom"), points)
    status, complaints = check_metrics((tmp_path / "importer.prom").read_bytes())
    assert status == 3
    assert "camelCase" in complaints
