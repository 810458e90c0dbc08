"""What carbon gets of an answer."""

import re
import time

import pytest

from importer.simulators.apteligent import carrier_slices, daily_value, demo_apps, live_bucket
from importer.simulators.graphite import GraphiteReceiver
from importer.sources.apteligent.daily import METRICS as DAILY
from importer.sources.apteligent.grouped import VERSION_METRICS
from importer.sources.apteligent.services import METRICS as SERVICES
from tests.apteligent import BIKE, DUTCH, GOLDEN, INDIA, Site, expected_lines, golden, params
from tests.cli.apteligent.days import midnight_utc, yesterday
from tests.commands import ROOT


def test_dailyjobs_sends_yesterday_of_each_app_by_its_own_zone(site: Site) -> None:
    result = site.run("dailyjobs", "--once")
    assert (result.code, result.stdout, result.stderr) == (0, "", "")
    expected = {
        (f"apteligent.{name}.daily.{metric}", midnight_utc(day), value)
        for app, name in ((BIKE, "Bike_Shop"), (DUTCH, "Tweedehands_NL"), (INDIA, "Bazaar_India"))
        for day in [yesterday(app.offset_hours)]
        for metric in DAILY
        if (value := daily_value(app, metric, day)) is not None
    }
    assert set(site.carbon.points) == expected
    assert len(site.carbon.points) == len(expected)


def test_dailyjobs_asks_two_days_of_eight_metrics_app_by_app(site: Site) -> None:
    assert site.run("dailyjobs", "--once", "--threads", "1").code == 0
    asked = [params(request) for request in site.vendor.requests_to("/v1.0/errorMonitoring/graph", method="POST")]
    assert asked == [
        {"graph": metric, "duration": 2880, "appId": app.app_id} for app in (BIKE, DUTCH, INDIA) for metric in DAILY
    ]


def test_livestats_sends_thirty_buckets_of_three_figures(site: Site) -> None:
    assert site.run("livestats", "--once").code == 0
    points = site.points_of("Bike_Shop")
    assert len(points) == 90
    newest = max(point.timestamp for point in points)
    bucket = live_bucket(BIKE, newest)
    values = {point.name.rsplit(".", 1)[1]: point.value for point in points if point.timestamp == newest}
    assert values == {
        "appLoads": bucket.app_loads,
        "crashes": bucket.app_errors,
        "exceptions": bucket.app_exceptions,
    }
    (request, *_) = site.vendor.requests_to("/v1.0/liveStats/periodic/*", method="POST")
    assert (request.query, request.body) == ({"app_version": "total", "initialize": "1"}, b"")


def test_groupedby_sends_versions_of_all_apps_then_carriers_of_those_with_a_country(site: Site) -> None:
    before = time.time()
    assert site.run("groupedby", "--once", "--threads", "1").code == 0
    names = [point.name for point in site.carbon.points]
    versions = [name for name in names if ".groupedby.appversion." in name]
    carriers = [name for name in names if ".groupedby.carrier." in name]
    assert len(versions) == sum(len(app.versions) for app in demo_apps()) * len(VERSION_METRICS)
    assert {name.split(".")[1] for name in carriers} == {"Bike_Shop", "Tweedehands_NL"}
    assert {name.split(".")[4] for name in carriers} == {"Verizon", "T-Mobile", "KPN", "Other"}
    assert names == [*versions, *carriers]
    assert all(int(before) <= point.timestamp <= time.time() for point in site.carbon.points)
    groups = [params(request)["groupBy"] for request in site.vendor.requests_to("*/pie", method="POST")]
    assert groups == ["appVersion"] * 18 + ["carrier"] * 6


def test_groupedby_adds_up_the_carriers_of_a_group(site: Site) -> None:
    site.write("carrier.map", "[US]\n.* Everybody\n")
    assert site.run("groupedby", "--once").code == 0
    (loads,) = [point for point in site.carbon.points if point.name.endswith("carrier.Everybody.appLoads")]
    assert loads.value == pytest.approx(
        sum(piece.value for piece in carrier_slices(BIKE, "appLoads", loads.timestamp)), rel=0.01
    )


def test_servicestats_sends_five_metrics_of_the_hosts_in_the_whitelist(site: Site) -> None:
    site.write("services.whitelist", f"# hosts\n  {BIKE.hosts[0]} \n\n{DUTCH.hosts[1]}\nnobody.example\n")
    assert site.run("servicestats", "--once").code == 0
    assert {point.name for point in site.carbon.points} == {
        f"apteligent.{app}.services.{host.replace('.', '-')}.{metric}"
        for app, host in (("Bike_Shop", BIKE.hosts[0]), ("Tweedehands_NL", DUTCH.hosts[1]))
        for metric in SERVICES
    }
    assert len({point.timestamp for point in site.carbon.points}) == 1


def test_recorded_daily_answers_become_the_recorded_points(site: Site) -> None:
    answers = site.vendor.answers
    answers["apps", None, None] = golden("apps")
    answers["errorMonitoring/graph", None, None] = golden("errorMonitoring-graph-empty")
    answers["errorMonitoring/graph", None, "crashes"] = golden("errorMonitoring-graph-crashes-43200")
    site.write("app_timezones.json", (GOLDEN / "app_timezones.json").read_bytes())
    site.write("app.blacklist", (GOLDEN / "app.blacklist").read_bytes())
    result = site.run("dailyjobs", "--once", "--from", "2016-04-03", "--to", "2016-05-02")
    assert (result.code, result.stderr) == (0, "")
    bike = expected_lines("errorMonitoring-graph-crashes-43200")
    assert site.lines == [*bike, *(line.replace("Bike_Shop", "Tweedehands_NL") for line in bike)]


def test_recorded_live_and_service_answers_become_the_recorded_points(site: Site) -> None:
    site.vendor.answers["liveStats/periodic", BIKE.app_id, None] = golden("liveStats-periodic-initialize")
    site.vendor.answers["performanceManagement/pie", None, None] = {"data": {"slices": []}}
    answer = golden("performanceManagement-pie-latency-service")
    site.vendor.answers["performanceManagement/pie", BIKE.app_id, "latency"] = answer
    site.write("services.whitelist", (GOLDEN / "services.whitelist").read_bytes())
    site.write("app.blacklist", f"{DUTCH.app_id}\n{INDIA.app_id}\n")
    assert site.run("livestats", "--once").code == 0
    assert site.lines == expected_lines("liveStats-periodic-initialize")
    assert site.run("servicestats", "--once").code == 0
    assert site.lines[90:] == expected_lines("performanceManagement-pie-latency-service")


@pytest.mark.parametrize(
    ("zone", "stamp"),
    [("UTC", 1462060800), ("America/New_York", 1462075200), ("Asia/Kolkata", 1462041000)],
)
def test_daily_stamps_are_midnight_of_the_machine(zone: str, stamp: int, site: Site) -> None:
    site.vendor.answers["errorMonitoring/graph", None, None] = golden("errorMonitoring-graph-dau-2880")
    site.write("app_timezones.json", {BIKE.app_id: ["Bike Shop", -8]})
    assert site.run("dailyjobs", "--once", "--date", "2016-05-01", env={"TZ": zone}).code == 0
    assert {(point.timestamp, point.value) for point in site.carbon.points} == {(float(stamp), 48213.0)}


def test_the_dummy_protocol_writes_one_record_to_the_log(site: Site) -> None:
    site.write("graphite.json", (ROOT / "etc/apteligent-importer/graphite.json").read_bytes())
    site.vendor.answers["liveStats/periodic", None, None] = golden("liveStats-periodic-last")
    site.write("app.blacklist", f"{DUTCH.app_id}\n{INDIA.app_id}\n")
    assert site.run("livestats", "--once", "-q").code == 0
    lines = "\n".join(expected_lines("liveStats-periodic-last"))
    record = re.escape(f"Dummy protocol:\nSTARTDATA\n{lines}\nENDDATA\n")
    assert re.search(rf"^2\d\d\d-.* - INFO -\S+- {record}", site.log("livestats"), re.M)


def test_every_destination_of_a_list_gets_every_point(site: Site) -> None:
    with GraphiteReceiver("pickle") as second:
        site.write(
            "graphite.json",
            [
                {"host": "127.0.0.1", "port": site.carbon.port},
                {"host": "127.0.0.1", "port": second.port, "protocol": "pickle"},
                {"protocol": "sqlite"},
            ],
        )
        assert site.run("livestats", "--once").code == 0
        assert sorted(second.points) == sorted(site.carbon.points)
    assert len(site.carbon.points) == 270
    assert (site.commands.state_dir / "metrics.db").exists()
