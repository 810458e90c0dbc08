"""The four Apteligent commands, run as their users run them: what carbon gets, what they say, how they end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from subprocess import Popen

import pytest

from importer.outbox import Outbox
from importer.outbox_view import OutboxView
from importer.simulators.apteligent import PASSWORD, carrier_slices, daily_value, demo_apps, live_bucket
from importer.simulators.base import Answer, Hold
from importer.simulators.graphite import GraphiteReceiver
from importer.sources.apteligent.daily import METRICS as DAILY
from importer.sources.apteligent.daily import cursor_name
from importer.sources.apteligent.grouped import VERSION_METRICS
from importer.sources.apteligent.services import METRICS as SERVICES
from tests.apteligent import (
    BIKE,
    COMMANDS,
    DUTCH,
    GOLDEN,
    INDIA,
    Site,
    account_keys,
    asked_for,
    expected_lines,
    golden,
    params,
    unused_port,
    vendors_requests,
)
from tests.commands import ROOT, Commands

DAY = timedelta(days=1)


def yesterday(offset_hours: float) -> date:
    return (datetime.now(UTC) + timedelta(hours=offset_hours)).date() - DAY


def midnight_utc(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def figures(site: Site) -> int:
    """Return how many requests for figures the vendor got."""
    return sum(1 for path in vendors_requests(site) if path not in ("/v1.0/token", "/v1.0/apps"))


def set_back(commands: Commands, days: int) -> None:
    """Let the cursors of dailyjobs stand that many days earlier."""
    with Outbox(commands.state_dir / "dailyjobs.outbox") as outbox, outbox.transaction() as transaction:
        for name, position in outbox.cursors().items():
            transaction.move_cursor(name, position - days)


# Command lines


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_and_needs_no_configuration(command: str, site: Site) -> None:
    result = site.run(command, "--help", env={"CONFIG_DIR": "/nonexistent"})
    assert (result.code, result.stderr) == (0, "")
    assert f"example:\n  {command} " in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--date", "2016-05-01"),
        ("--once", "--date", "2016-05-32"),
        ("--once", "--date", "2016-W18-1"),
        ("--once", "--date", "20160501"),
        ("--once", "--date", "yesterday"),
        ("--once", "--date", "1969-12-31"),
        ("--once", "--date", ""),
        ("--once", "--to", "2016-05-01"),
        ("--once", "--date", "2016-05-01", "--to", "2016-05-02"),
        ("--once", "--date", "2016-05-01", "--from", "2016-05-01"),
        ("--from", "2016-05-02", "--to", "2016-05-01"),
        ("--once", "--threads", "0"),
        ("--once", "--interval", "2"),
        ("--once", "more"),
        ("--onc",),
        ("-p", ".."),
        ("-p",),
    ],
)
def test_a_wrong_command_line_is_one_line_and_nothing_is_asked(arguments: tuple[str, ...], site: Site) -> None:
    result = site.call("dailyjobs", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith("dailyjobs: ")
    assert result.stderr.count("\n") == 1
    assert site.vendor.requests == ()
    assert list(site.commands.state_dir.iterdir()) == []


def test_each_command_goes_by_its_old_script_name(site: Site) -> None:
    for command in COMMANDS:
        assert site.run(f"{command}.py", "--once", "-q").code == 0
        assert (site.commands.log_dir / f"{command}.log").exists()
    assert len(list(site.commands.log_dir.iterdir())) == 4


# What is delivered


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


# What is asked again, and what is not


def test_dailyjobs_asks_nothing_again_on_the_same_day(site: Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    asked = figures(site)
    result = site.run("dailyjobs", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert figures(site) == asked
    assert len(site.carbon.points) == 23


def test_dailyjobs_catches_up_the_days_that_it_missed(site: Site) -> None:
    site.write("app_timezones.json", {BIKE.app_id: ["Bike Shop", -8]})
    assert site.run("dailyjobs", "--once").code == 0
    set_back(site.commands, 3)
    assert site.run("dailyjobs", "--once").code == 0
    asked = [params(request)["duration"] for request in site.vendor.requests_to("*/graph")]
    assert asked == [2880] * 8 + [43200] * 8
    last = yesterday(-8)
    dau = [point for point in site.carbon.points[8:] if point.name.endswith(".dau")]
    assert dau == [
        (f"apteligent.Bike_Shop.daily.{metric}", midnight_utc(day), daily_value(BIKE, metric, day))
        for metric in ["dau"]
        for day in (last - 2 * DAY, last - DAY, last)
    ]


@pytest.mark.parametrize("arguments", [("--once", "--date", "{}"), ("--once", "--from", "{}"), ("--from", "{}")])
def test_named_days_are_asked_and_sent_again(arguments: tuple[str, ...], site: Site) -> None:
    site.write("app_timezones.json", {INDIA.app_id: ["Bazaar India", 5.5]})
    day = yesterday(5.5)
    assert site.run("dailyjobs", "--once").code == 0
    result = site.run("dailyjobs", *(argument.format(day) for argument in arguments))
    assert (result.code, result.stderr) == (0, "")
    assert len(site.carbon.points) == 16
    assert set(site.carbon.points[8:]) == set(site.carbon.points[:8])


def test_a_range_of_days_is_imported_without_once_and_the_cursor_does_not_go_back(site: Site) -> None:
    site.write("app_timezones.json", {BIKE.app_id: ["Bike Shop", -8]})
    last = yesterday(-8)
    assert site.run("dailyjobs", "--once").code == 0
    result = site.run("dailyjobs", "--from", str(last - 9 * DAY), "--to", str(last - 5 * DAY))
    assert (result.code, result.stderr) == (0, "")
    assert len(site.carbon.points) == 8 + 5 * 8
    asked = figures(site)
    assert site.run("dailyjobs", "--once").code == 0
    assert figures(site) == asked


def test_a_metric_that_failed_is_asked_again_and_the_others_are_not(site: Site) -> None:
    fault = site.vendor.fail(
        Answer.json({"message": "broken"}, status=500),
        when=lambda request: b'"dau"' in request.body and BIKE.app_id.encode() in request.body,
        times=None,
    )
    result = site.run("dailyjobs", "--once")
    assert result.code == 1
    assert "daily dau of Bike Shop" in result.stderr
    assert fault.hits == 2
    assert len(site.carbon.points) == 22
    site.vendor.heal()
    asked = figures(site)
    assert site.run("dailyjobs", "--once").code == 0
    assert figures(site) == asked + 1
    assert site.carbon.points[22].name == "apteligent.Bike_Shop.daily.dau"


def test_a_metric_that_failed_at_the_very_first_time_is_caught_up_days_later(site: Site) -> None:
    site.write("app_timezones.json", {BIKE.app_id: ["Bike Shop", -8]})
    site.vendor.fail(Answer(status=500), when=lambda request: b'"dau"' in request.body, times=None)
    assert site.run("dailyjobs", "--once").code == 1
    site.vendor.heal()
    set_back(site.commands, 1)
    assert site.run("dailyjobs", "--once").code == 0
    last = yesterday(-8)
    stamps = [point.timestamp for point in site.carbon.points if point.name.endswith(".dau")]
    assert stamps == [midnight_utc(last - DAY), midnight_utc(last)]


def test_a_damaged_value_is_not_obtained_and_asked_again(site: Site) -> None:
    site.write("app_timezones.json", {BIKE.app_id: ["Bike Shop", -8]})
    last = yesterday(-8)
    site.vendor.answers["errorMonitoring/graph", None, "dau"] = {
        "data": {
            "start": f"{last - DAY}T00:00:00",
            "interval": 86400,
            "series": [{"name": "dau", "points": ["many", 2, 3]}],
        }
    }
    result = site.run("dailyjobs", "--from", str(last - DAY))
    assert result.code == 1
    assert "points[0] is text, expected a number" in result.stderr
    assert ("apteligent.Bike_Shop.daily.dau", midnight_utc(last), 2.0) in site.carbon.points
    del site.vendor.answers["errorMonitoring/graph", None, "dau"]
    asked = figures(site)
    assert site.run("dailyjobs", "--once").code == 0
    assert figures(site) == asked + 1
    assert site.carbon.points[-2] == (
        "apteligent.Bike_Shop.daily.dau",
        midnight_utc(last - DAY),
        daily_value(BIKE, "dau", last - DAY),
    )


@pytest.mark.parametrize("arguments", [("--date", "2016-04-30"), ("--date", "2016-05-03")])
def test_a_day_that_the_vendor_does_not_give_is_not_obtained(arguments: tuple[str, ...], site: Site) -> None:
    site.vendor.answers["errorMonitoring/graph", None, None] = golden("errorMonitoring-graph-dau-2880")
    result = site.run("dailyjobs", "--once", *arguments)
    assert result.code == 1
    assert f"the vendor gives 2016-05-01 to 2016-05-02, not {arguments[1]} (and 23 more, see the log)" in result.stderr
    assert result.stderr.count("\n") == 1
    assert len([line for line in site.warnings("dailyjobs") if "not obtained" in line]) == 24
    assert site.carbon.points == ()


@pytest.mark.parametrize("option", ["--date", "--from"])
def test_a_day_that_is_not_over_is_not_obtained_and_nothing_is_asked(option: str, site: Site) -> None:
    result = site.run("dailyjobs", "--once", option, "2099-01-01")
    assert result.code == 1
    assert "2099-01-01 is not over in the app's time zone" in result.stderr
    assert figures(site) == 0


def test_an_empty_series_is_a_warning(site: Site) -> None:
    site.vendor.answers["errorMonitoring/graph", DUTCH.app_id, None] = golden("errorMonitoring-graph-empty")
    result = site.run("dailyjobs", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert len(site.carbon.points) == 16
    assert len([line for line in site.warnings("dailyjobs") if "empty series" in line]) == 8


def test_a_new_livestats_process_sends_only_newer_buckets(site: Site) -> None:
    assert site.run("livestats", "--once").code == 0
    assert site.run("livestats", "--once").code == 0
    assert len(site.carbon.points) == len(set(site.carbon.points))
    older, newer = site.carbon.points[:270], site.carbon.points[270:]
    newest = max(point.timestamp for point in older)
    assert all(point.timestamp > newest for point in newer)


@pytest.mark.parametrize("command", ["dailyjobs", "livestats"])
def test_two_processes_at_once_send_each_point_once(
    command: str, site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    site.vendor.answers["liveStats/periodic", None, None] = golden("liveStats-periodic-initialize")
    hold = Hold()
    site.vendor.fail(hold, when="/v1.0/[el]*/*", times=None)
    both = [start_command(command, "--once") for _ in range(2)]
    last = {"dailyjobs": "/v1.0/errorMonitoring/graph", "livestats": f"/v1.0/liveStats/periodic/{INDIA.app_id}"}[
        command
    ]
    wanted = {"dailyjobs": 32, "livestats": 2}[command]  # both have asked before either is answered
    site.vendor.wait_for(lambda request: len(site_requests(site, last)) >= wanted, timeout_seconds=20)
    hold.release()
    assert [process.wait(20) for process in both] == [0, 0]
    assert len(site.carbon.points) == {"dailyjobs": 23, "livestats": 270}[command]
    assert len(set(site.carbon.points)) == len(site.carbon.points)


def site_requests(site: Site, path: str) -> list[str]:
    return [request for request in vendors_requests(site) if request == path]


# Apps, lists, directories


def test_nothing_is_asked_about_an_app_of_the_blacklist(site: Site) -> None:
    site.write("app.blacklist", f"# Bike Shop\n  {BIKE.app_id}  \n")
    for command in COMMANDS:
        assert site.run(command, "--once").code == 0
        assert f" ALLOWED: {DUTCH.app_id}\n" in site.log(command)
    blacklist = site.commands.config_dir / "app.blacklist"
    assert f" REJECT: {BIKE.app_id} in blacklist: {blacklist}\n" in site.log("dailyjobs")
    assert list(filter(asked_for(BIKE.app_id), site.vendor.requests)) == []
    assert site.points_of("Bike_Shop") == []
    cached = json.loads((Path(site.commands.environment["CACHE_DIR"]) / "apps.json").read_text())
    assert sorted(cached) == [DUTCH.app_id, INDIA.app_id]


def test_only_what_is_in_the_blacklist_file_counts_as_soon_as_it_changes(site: Site) -> None:
    site.write("app.blacklist", BIKE.app_id)
    assert site.run("livestats", "--once").code == 0
    later = time.time() + 2
    path = site.write("app.blacklist", DUTCH.app_id)
    os.utime(path, (later, later))
    assert site.run("livestats", "--once").code == 0
    assert len(site.vendor.requests_to("/v1.0/apps")) == 2
    assert len(site.points_of("Bike_Shop")) == 90


def test_the_seventh_field_of_a_reject_line_is_the_host(site: Site) -> None:
    site.write("services.whitelist", BIKE.hosts[0])
    assert site.run("servicestats", "--once").code == 0
    script = "/REJECT/ {print $7}"
    log = site.commands.log_dir / "servicestats.log"
    done = subprocess.run(["awk", script, log], capture_output=True, text=True, check=True)
    rejected = {*BIKE.hosts[1:], *DUTCH.hosts, *INDIA.hosts}
    assert set(done.stdout.split()) == rejected
    assert (
        f"REJECT: {BIKE.hosts[1]} not in whitelist: {site.commands.config_dir / 'services.whitelist'}"
        in log.read_text()
    )


def test_countries_without_groups_are_warned_of_and_skipped(site: Site) -> None:
    site.write("app_timezones.json", {BIKE.app_id: ["Bike Shop", -8, "XX"], "0000": ["Gone", 0, "NL"]})
    result = site.run("groupedby", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert [point.name for point in site.carbon.points if ".carrier." in point.name] == []
    text = "\n".join(site.warnings("groupedby"))
    assert "country=XX" in text
    assert f"id={DUTCH.app_id}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_only_the_files_that_it_reads(command: str, site: Site) -> None:
    reads = {
        "dailyjobs": {"app_timezones.json"},
        "groupedby": {"app_timezones.json", "carrier.map"},
        "livestats": set(),
        "servicestats": {"services.whitelist"},
    }[command]
    for name in {"app_timezones.json", "carrier.map", "services.whitelist"} - reads:
        (site.commands.config_dir / name).unlink()
    assert site.run(command, "--once").code == 0


def test_a_project_of_another_name_has_its_own_directories(site: Site) -> None:
    home = site.commands.home
    site.commands.config_dir.rename(home / ".acme")
    result = site.run("livestats", "--once", "-p", "acme", env={"CONFIG_DIR": None, "LOG_DIR": None, "STATE_DIR": None})
    assert result.code == 0
    assert (home / "log" / "livestats.log").exists()
    assert (home / "cache" / "livestats.outbox").exists()


def test_a_directory_that_does_not_exist_is_passed_over_with_a_warning(site: Site) -> None:
    result = site.run("livestats", "--once", env={"CACHE_DIR": "/nonexistent/cache"})
    assert result.code == 0
    assert result.stderr.splitlines() == [
        "livestats: warning: passed over CACHE_DIR=/nonexistent/cache: no such directory"
    ]
    assert len(site.carbon.points) == 270


def test_secrets_may_lie_in_files_of_their_own(site: Site) -> None:
    keys = account_keys(site.vendor.url)
    site.write(
        "apteligent.json", {**keys, "password": "", "password_file": "secret", "clientID": None, "clientID_file": "id"}
    )
    site.write("secret", f"{PASSWORD}\n")
    site.write("id", str(keys["clientID"]))
    assert site.run("livestats", "--once").code == 0
    assert PASSWORD not in site.log("livestats")


def test_old_caches_are_used_as_they_are(site: Site) -> None:
    cache = Path(site.commands.environment["CACHE_DIR"])
    (cache / "apps.json").write_bytes((GOLDEN / "apps-cache.json").read_bytes())
    token = {**json.loads((GOLDEN / "token-cache.json").read_text()), "expiration": time.time() + 3600.25}
    token["access_token"] = site.vendor.issue_token()
    (cache / "token.json").write_text(json.dumps(token, indent=4))
    assert site.run("livestats", "--once").code == 0
    assert vendors_requests(site) == [f"/v1.0/liveStats/periodic/{BIKE.app_id}"]


# Logs


def test_the_log_has_its_old_format_and_quiet_leaves_debug_out(site: Site) -> None:
    assert site.run("livestats", "--once", "-q").code == 0
    quiet = site.log("livestats").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [A-Z]+ -[\w.]+:\w+:\d+- ", line) for line in quiet)
    assert {line.split()[3] for line in quiet} == {"INFO"}
    assert "apps tracked: 3" in site.log("livestats")
    assert "rate limit left: " in site.log("livestats")
    assert "metrics sent: 270" in site.log("livestats")
    assert site.run("livestats", "--once").code == 0
    assert " - DEBUG -" in site.log("livestats")


def test_a_cycle_with_failures_ends_with_one_line_and_the_log_has_them_all(site: Site) -> None:
    site.vendor.fail(Answer.json({"message": "try later"}, status=503), when=asked_for(BIKE.app_id), times=None)
    result = site.run("dailyjobs", "--once")
    assert result.code == 1
    assert re.fullmatch(
        r"dailyjobs: not obtained: daily crashPercent of Bike Shop \(52d0\w+\), [\d-]+: apteligent: "
        r"/v1.0/errorMonitoring/graph: HTTP 503: try later \(and 7 more, see the log\)\n",
        result.stderr,
    )
    assert len([line for line in site.warnings("dailyjobs") if "not obtained" in line]) == 8
    assert len(site.carbon.points) == 15


# Dry runs


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_prints_what_would_be_sent_and_keeps_nothing(command: str, site: Site) -> None:
    result = site.run(command, "--dry-run")
    assert (result.code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines
    assert all(re.fullmatch(r"apteligent\.[\w.-]+ [\d.]+ \d+\.000", line) for line in lines)
    assert site.carbon.connections == ()
    assert list(site.commands.state_dir.iterdir()) == []
    assert PASSWORD not in result.stdout


def test_a_dry_run_asks_from_the_cursors_on_and_does_not_move_them(site: Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    assert site.run("dailyjobs", "--dry-run").stdout == ""
    set_back(site.commands, 1)
    first = site.run("dailyjobs", "--dry-run").stdout
    assert len(first.splitlines()) == 23
    assert site.run("dailyjobs", "--dry-run").stdout == first
    assert len(site.run("dailyjobs", "--dry-run", "--date", str(yesterday(-8))).stdout.splitlines()) == 23


def test_a_dry_run_that_misses_something_ends_with_1(site: Site) -> None:
    site.vendor.fail(Answer(status=500), when=asked_for(BIKE.app_id), times=None)
    result = site.run("livestats", "--dry-run")
    assert result.code == 1
    assert len(result.stdout.splitlines()) == 180
    assert "live figures of Bike Shop" in result.stderr


@pytest.mark.parametrize("command", ["dailyjobs", "livestats"])
def test_a_reader_of_the_output_may_leave_early(command: str, site: Site) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = start_with_output(site, command, writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_that_cannot_be_written_is_one_line(site: Site) -> None:
    with Path("/dev/full").open("wb") as full:
        done = start_with_output(site, "dailyjobs", full.fileno())
    assert (done.returncode, done.stderr) == (1, "dailyjobs: [Errno 28] No space left on device\n")


def start_with_output(site: Site, command: str, output: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "bin" / command, "--dry-run"],
        stdout=output,
        stderr=subprocess.PIPE,
        env=site.commands.environment,
        cwd=site.commands.home,
        text=True,
        check=False,
    )


# Outbox


@pytest.mark.parametrize(("old", "new"), [("plain", "plain"), ("plain", "pickle"), ("pickle", "plain")])
def test_what_was_kept_goes_to_the_new_address_of_a_destination(old: str, new: str, site: Site) -> None:
    site.write("graphite.json", {"host": "127.0.0.1", "port": unused_port(), "protocol": old})
    assert site.run("dailyjobs", "--once").code == 0
    with GraphiteReceiver("pickle" if new == "pickle" else "plain") as carbon:
        site.write("graphite.json", {"host": "127.0.0.1", "port": carbon.port, "protocol": new})
        assert site.run("dailyjobs", "--once").code == 0
        assert len(carbon.points) == 23
        assert [problem for connection in carbon.connections for problem in connection.problems] == []
    with OutboxView.open(site.commands.state_dir / "dailyjobs.outbox") as outbox:
        assert [lane.payloads for lane in outbox.lanes()] == [0]


def test_a_full_outbox_fails_loudly_and_the_next_run_asks_again(site: Site) -> None:
    site.carbon.stop()
    site.write("graphite.json", {"host": "127.0.0.1", "port": site.carbon.port, "outbox_max_bytes": 1000})
    result = site.run("dailyjobs", "--once")
    assert result.code == 1
    assert "outbox_max_bytes" in result.stderr
    assert result.stderr.count("\n") == 1
    site.carbon.start()
    site.write("graphite.json", {"host": "127.0.0.1", "port": site.carbon.port})
    assert site.run("dailyjobs", "--once").code == 0
    assert len(set(site.carbon.points)) == 23


def test_the_outbox_is_the_users_alone_and_remembers_how_runs_ended(site: Site) -> None:
    assert site.run("livestats", "--once").code == 0
    path = site.commands.state_dir / "livestats.outbox"
    assert path.stat().st_mode & 0o777 == 0o600
    with OutboxView.open(path) as outbox:
        (run,) = outbox.runs()
    assert (run.exit_code, run.points, run.message) == (0, 270, "")


def test_the_cursor_of_an_app_and_metric_stands_at_its_yesterday(site: Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    with OutboxView.open(site.commands.state_dir / "dailyjobs.outbox") as outbox:
        assert outbox.cursors() == {
            cursor_name(app.app_id, metric): yesterday(app.offset_hours).toordinal()
            for app in demo_apps()
            for metric in DAILY
        }


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_a_slow_answer_ends_within_five_seconds_and_keeps_what_was_obtained(
    number: signal.Signals, site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    site.carbon.stop()
    hold = Hold()
    site.vendor.fail(hold, when=f"/v1.0/liveStats/periodic/{INDIA.app_id}", times=None)
    process = start_command("livestats", "--once", "--threads", "1")
    site.vendor.wait_for(asked_for(INDIA.app_id))
    process.send_signal(number)
    assert process.wait(5) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    hold.release()
    with OutboxView.open(site.commands.state_dir / "livestats.outbox") as outbox:
        assert [lane.points for lane in outbox.lanes()] == [180]


def test_a_service_tells_systemd_of_its_life_and_keeps_its_configuration_when_a_new_one_is_wrong(
    site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    path = site.commands.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(20)
        process = start_command("dailyjobs", env={"NOTIFY_SOCKET": str(path)})
        assert next_message(systemd) == "READY=1"
        site.write("apteligent.json", "{")
        process.send_signal(signal.SIGHUP)
        assert next_message(systemd).startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert next_message(systemd) == "READY=1"
        site.write("apteligent.json", account_keys(site.vendor.url))
        process.send_signal(signal.SIGHUP)
        assert next_message(systemd).startswith("RELOADING=1")
        assert next_message(systemd) == "READY=1"
        process.terminate()
        assert next_message(systemd) == "STOPPING=1"
    assert process.wait(10) == 0
    assert process.stderr is not None
    (line,) = process.stderr.read().splitlines()
    assert line.startswith("configuration not read again, the old one is kept: ")
    assert "apteligent.json:1: is not JSON" in line
    assert "configuration read again: command=dailyjobs" in site.log("dailyjobs")
    assert "schedule started: command=dailyjobs entries=3" in site.log("dailyjobs")
    assert site.vendor.requests == ()


def next_message(systemd: socket.socket) -> str:
    """Return the next thing that systemd is told."""
    return systemd.recv(4096).decode()


def test_a_service_delivers_what_was_kept_as_soon_as_it_starts(
    site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    site.carbon.stop()
    assert site.run("livestats", "--once").code == 0
    site.carbon.start()
    process = start_command("livestats", "-i", "5")
    site.carbon.wait_for_points(270, timeout_seconds=20)
    process.terminate()
    assert process.wait(10) == 0


def test_a_signal_during_a_rate_limits_pause_ends_the_command(
    site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    site.vendor.fail(Answer.json({"reset": 50}, status=429), when="/v1.0/live*", times=None)
    process = start_command("livestats", "--once")
    site.vendor.wait_for(lambda request: request.path.startswith("/v1.0/live"))  # the others wait for the pause's end
    process.terminate()
    assert process.wait(5) == 0


def test_never_more_requests_at_a_time_than_threads(site: Site) -> None:
    site.vendor.latency_seconds = 0.02
    assert site.run("dailyjobs", "--once", "--threads", "3").code == 0
    assert 1 < site.vendor.peak_requests <= 3


def test_a_command_works_with_output_and_errors_closed(site: Site) -> None:
    script = f"exec {sys.executable} {ROOT / 'bin' / 'livestats'} --once >&- 2>&-"
    done = subprocess.run(["sh", "-c", script], env=site.commands.environment, cwd=site.commands.home, check=False)
    assert done.returncode == 0
    assert len(site.carbon.points) == 270
