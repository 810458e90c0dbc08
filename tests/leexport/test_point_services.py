"""The services that all commands share, read back from their stores: graphite, sqlite, file, influxdb, prometheus."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.metric_store import MetricStore
from importer.points import Labels
from importer.simulators.base import Answer
from importer.simulators.graphite import GraphiteReceiver
from importer.simulators.influxdb import PASSWORD, USERNAME, InfluxdbSimulator
from tests.leexport.answers import answer, statistics_answer
from tests.leexport.faulty import said
from tests.leexport.site import COUNT, GROUPS, Site

VALUES = {1549383600 + 120 * number: value for number, value in enumerate((31.0, 28.0, 0.0, 40.5, 33.0))}
"""What the fixture `timeseries` holds, by time."""
END = 1549384200
"""When the window of the fixtures ends."""
STATUSES = {"200": 802.0, "301": 17.0, "404": 39.0, "München": 2.0}
"""What the fixture `groups` holds, by label."""

Read = Callable[[str], dict[tuple[Labels, float], float]]
"""Returns the values of a metric, by labels and time in seconds."""


@contextmanager
def sqlite(site: Site) -> Iterator[tuple[dict[str, object], Read]]:
    def read(name: str) -> dict[tuple[Labels, float], float]:
        with MetricStore(site.commands.state_dir / "metrics.db") as store:
            return {
                (point.labels, point.timestamp): point.value
                for series in store.series(name)
                for point in store.points(series)
            }

    yield {"service": "sqlite"}, read


@contextmanager
def file(site: Site) -> Iterator[tuple[dict[str, object], Read]]:
    def read(name: str) -> dict[tuple[Labels, float], float]:
        lines = (site.commands.state_dir / "shop.jsonl").read_text().splitlines()
        points = [point for point in map(json.loads, lines) if point["name"] == name]
        return {(tuple(point["labels"].items()), point["timestamp"]): point["value"] for point in points}

    yield {"service": "file", "path": "shop.jsonl"}, read


@contextmanager
def influxdb(_site: Site) -> Iterator[tuple[dict[str, object], Read]]:
    with InfluxdbSimulator(databases=("shop",)) as store:

        def read(name: str) -> dict[tuple[Labels, float], float]:
            points = [point for point in store.points if point.measurement == name]
            return {(point.tags, point.nanoseconds / 1e9): point.fields["value"] for point in points}  # type: ignore[misc]

        yield {"service": "influxdb", "url": store.url, "database": "shop"}, read


STORES = {"sqlite": sqlite, "file": file, "influxdb": influxdb}
"""Stores that know labels."""


def with_fixtures(site: Site) -> None:
    site.api.answers |= {COUNT: answer("timeseries"), GROUPS: answer("groups")}


@pytest.mark.parametrize("store", STORES)
def test_a_series_is_a_point_each_at_its_time(site: Site, store: str) -> None:
    with_fixtures(site)
    with STORES[store](site) as (destination, read):
        site.search("series", {**destination, "metric_name": "shop.web.errors"})
        assert (result := site.once()).code == 0, result.stderr
        assert read("shop.web.errors") == {((), float(time)): value for time, value in VALUES.items()}


@pytest.mark.parametrize(("keys", "label"), [({}, "group"), ({"group_label": "status"}, "status")])
@pytest.mark.parametrize("store", STORES)
def test_groups_are_points_at_the_windows_end_with_a_label(
    site: Site, store: str, keys: Mapping[str, str], label: str
) -> None:
    with_fixtures(site)
    with STORES[store](site) as (destination, read):
        site.search("groups", {**destination, "metric_name": "shop.web.status", **keys}, statement=GROUPS)
        assert (result := site.once()).code == 0, result.stderr
        expected = {(((label, status),), float(END)): value for status, value in STATUSES.items()}
        assert read("shop.web.status") == expected


@pytest.mark.parametrize("store", STORES)
def test_searches_share_a_store(site: Site, store: str) -> None:
    with_fixtures(site)
    with STORES[store](site) as (destination, read):
        for number in range(5):
            site.search(f"search {number}", {**destination, "metric_name": f"shop.n{number}"})
        site.search("groups", {**destination, "metric_name": "shop.status"}, statement=GROUPS)
        assert (result := site.once()).code == 0, result.stderr
        assert all(len(read(f"shop.n{number}")) == len(VALUES) for number in range(5))
        assert len(read("shop.status")) == len(STATUSES)


@pytest.mark.parametrize("store", ["sqlite", "influxdb"])
def test_a_second_run_over_the_same_window_leaves_each_point_once(site: Site, store: str) -> None:
    with_fixtures(site)
    with STORES[store](site) as (destination, read):
        site.search("series", {**destination, "metric_name": "shop.web.errors"})
        assert [site.once().code for _ in range(2)] == [0, 0]
        assert len(read("shop.web.errors")) == len(VALUES)


@pytest.mark.parametrize("protocol", ["plain", "pickle"])
def test_graphite_is_spoken_by_both_of_its_protocols(site: Site, protocol: str) -> None:
    with_fixtures(site)
    with GraphiteReceiver(protocol) as receiver:  # type: ignore[arg-type]
        carbon = {"service": "graphite", "host": "127.0.0.1", "port": receiver.port, "protocol": protocol}
        site.search("series", {**carbon, "metric_name": "shop.web.errors"})
        site.search("groups", {**carbon, "metric_name": "shop.web.status"}, statement=GROUPS)
        assert (result := site.once()).code == 0, result.stderr
        points = {(point.name, point.timestamp): point.value for point in receiver.points}
    errors = {("shop.web.errors", time): value for time, value in VALUES.items()}
    statuses = {(f"shop.web.status.{label}", END): value for label, value in STATUSES.items()}
    assert points == errors | statuses


def test_graphite_without_a_protocol_is_plain_and_has_the_naming_options(site: Site) -> None:
    with_fixtures(site)
    with GraphiteReceiver() as receiver:
        carbon = {"service": "graphite", "host": "127.0.0.1", "port": receiver.port, "metric_name": "Errors"}
        site.search("series", carbon | {"prefix": "acme", "system_name": "''", "suffix": "_raw"})
        assert (result := site.once()).code == 0, result.stderr
        assert {point.name for point in receiver.points} == {"acme.Errors_raw"}


def test_names_of_metrics_are_put_right_as_elsewhere_and_blanks_are_a_mistake(site: Site) -> None:
    with_fixtures(site)
    with sqlite(site) as (destination, read):
        site.search("odd", {**destination, "metric_name": "shop..größe/x."})
        site.search("blank", {**destination, "metric_name": "shop errors"})
        site.search("none", destination)
        result = site.once()
        assert result.code == 78
        told = [line.partition("[Searches] ")[2] for line in result.stderr.splitlines()]
        assert told[0].startswith("[[blank]] metric_name: must not hold white space")
        assert told[1].startswith("[[none]] metric_name: is missing")
        assert len(read("shop.*")) == len(VALUES)


def test_labels_of_groups_in_groups_are_one_element_of_a_path(site: Site) -> None:
    statement = "groupby(status, host) calculate(count)"
    with GraphiteReceiver() as receiver:
        carbon = {"service": "graphite", "host": "127.0.0.1", "port": receiver.port, "metric_name": "shop"}
        site.search("groups", carbon, statement=statement)
        assert site.once().code == 0
        names = [point.name for point in receiver.points]
    assert len(names) == 12
    assert all(name.count(".") == 1 and " " not in name for name in names)
    assert names[0].startswith("shop.200")


def test_a_textfile_of_prometheus_holds_the_newest_of_each_series_of_all_searches(site: Site, tmp_path: Path) -> None:
    with_fixtures(site)
    textfile = tmp_path / "shop.prom"
    destination = {"service": "prometheus", "textfile": textfile}
    site.search("series", {**destination, "metric_name": "shop.web.errors"})
    site.search("groups", {**destination, "metric_name": "shop.web.status", "group_label": "status"}, statement=GROUPS)
    assert (result := site.once()).code == 0, result.stderr
    samples = {line for line in textfile.read_text().splitlines() if line and not line.startswith("#")}
    statuses = {f'shop_web_status{{status="{label}"}} {value}' for label, value in STATUSES.items()}
    assert samples == {"shop_web_errors 33.0"} | statuses


def test_points_without_a_number_and_empty_answers_are_nothing_to_store(site: Site) -> None:
    times = {"from": 1700000040000, "to": 1700000310000, "granularity": 90000}
    site.api.answers[COUNT] = statistics_answer(
        type="count", timeseries={"s": [{"count": None}, {"count": "NaN"}, {"count": 3}]}, **times
    )
    site.api.answers[GROUPS] = statistics_answer(type="count", groups=[], **times)
    with sqlite(site) as (destination, read):
        site.search("series", {**destination, "metric_name": "shop.errors"})
        site.search("groups", {**destination, "metric_name": "shop.status"}, statement=GROUPS)
        assert (result := site.once()).code == 0, result.stderr
        assert read("shop.*") == {((), 1700000220.0): 3.0}


def test_an_answer_without_times_is_told_and_not_stored(site: Site) -> None:
    site.api.answers[COUNT] = statistics_answer(timeseries={"s": [{"count": 1}]})
    site.api.answers[GROUPS] = statistics_answer(groups=[{"a": {"count": 1}}])
    with sqlite(site) as (destination, _):
        site.search("series", {**destination, "metric_name": "shop.errors"})
        site.search("groups", {**destination, "metric_name": "shop.status"}, statement=GROUPS)
        site.search("events", {**destination, "metric_name": "shop.events"}, statement="where(status)")
        result = site.once()
    assert result.code == 1
    assert said(result)["series"].startswith("the answer does not say when its points are")
    assert said(result)["groups"] == "the answer does not say when its window ends"
    assert said(result)["events"] == "the answer holds events, not statistics"


def test_a_store_that_is_down_costs_its_own_searches_alone_and_gets_everything_later(site: Site) -> None:
    with_fixtures(site)
    receiver = GraphiteReceiver()
    receiver.start()
    receiver.stop()
    carbon = {"service": "graphite", "host": "127.0.0.1", "port": receiver.port}
    with sqlite(site) as (destination, read), influxdb(site) as (influx, read_influx):
        site.search("errors", {**carbon, "metric_name": "shop.errors"})
        site.search("statuses", {**carbon, "metric_name": "shop.status"}, statement=GROUPS)
        site.search("stored", {**destination, "metric_name": "shop.errors"})
        site.search("sent", {**influx, "metric_name": "shop.errors"})
        result = site.once()
        assert result.code == 1
        assert said(result).keys() == {"errors", "statuses"}
        assert all("refused" in reason for reason in said(result).values())
        assert len(read("shop.errors")) == len(read_influx("shop.errors")) == len(VALUES)
        listed = site.commands.run("metrics-importer", "outbox", "list").stdout
        assert f"127.0.0.1:{receiver.port}" in listed
        with receiver:
            site.api.fail(Answer(400), times=None)
            assert said(site.once()).keys() == {"errors", "statuses", "stored", "sent"}
            points = {(point.name, point.timestamp) for point in receiver.wait_for_points(9)}
        assert len(points) == len(VALUES) + len(STATUSES)


def test_a_wrong_log_in_to_a_store_is_told_and_mended_by_the_next_run(site: Site) -> None:
    with_fixtures(site)
    with InfluxdbSimulator(databases=("shop",), with_login=True) as store:
        influx = {"service": "influxdb", "url": store.url, "database": "shop", "metric_name": "shop.errors"}
        site.search("series", influx)
        result = site.once()
        assert result.code == 1
        assert "HTTP 401" in said(result)["series"]
        (site.commands.config_dir / "influx.password").write_text(f"{PASSWORD}\n")
        site.search("series", influx | {"username": USERNAME, "password_file": "influx.password"})
        assert (result := site.once()).code == 0, result.stderr
        assert len(store.points) == len(VALUES)
        assert PASSWORD.encode() not in (site.commands.state_dir / "leexportpy.outbox").read_bytes()
