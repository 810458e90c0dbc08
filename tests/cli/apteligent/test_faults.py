"""Faults of the old importer: for each of them a test that the old one fails.

The numbers are those of the list that was made when it was examined.
"""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.apteligent.plans import DailyPlan
from importer.group_map import load_group_map
from importer.simulators.apteligent import PASSWORD, ApteligentSimulator, rate_limited, service_value
from importer.simulators.base import Answer
from importer.simulators.graphite import GraphiteReceiver
from importer.sources.apteligent.config import load_app_zones
from importer.sources.apteligent.daily import DailySource
from importer.sources.apteligent.services import ServiceRetry, ServiceSource
from importer.stores import Whitelist
from tests.apteligent import (
    BIKE,
    COMMANDS,
    DUTCH,
    INDIA,
    Clock,
    Site,
    asked_for,
    collect,
    epoch,
    golden,
    opened_account,
    params,
    unused_port,
)
from tests.commands import ROOT

# 1


def test_carbon_gets_the_last_point_of_every_batch(site: Site) -> None:
    site.write("graphite.json", {"host": "127.0.0.1", "port": site.carbon.port, "max_buffer": 4})
    assert site.run("groupedby", "--once").code == 0
    received = [connection for connection in site.carbon.connections if connection.raw]
    assert len(received) > 3
    assert all(connection.raw.endswith(b"\n") for connection in received)
    assert {connection.unparsed for connection in received} == {b""}


# 2


def test_values_keep_all_their_digits(site: Site) -> None:
    site.vendor.answers["liveStats/periodic", None, None] = {
        "success": 1,
        "periodic_data": [
            {"time": 1462231500000, "app_loads": 12345678, "app_errors": 0.1234567, "app_exceptions": 9007199254740993}
        ],
    }
    assert site.run("livestats", "--once").code == 0
    assert site.lines[:3] == [
        "apteligent.Bike_Shop.live.appLoads 12345678 1462231500.000",
        "apteligent.Bike_Shop.live.crashes 0.1234567 1462231500.000",
        "apteligent.Bike_Shop.live.exceptions 9007199254740993 1462231500.000",
    ]


# 3


def test_pickles_hold_text_and_name_no_global(site: Site) -> None:
    with GraphiteReceiver("pickle") as carbon:
        site.write("graphite.json", {"host": "127.0.0.1", "port": str(carbon.port), "protocol": "pickle"})
        assert site.run("livestats", "--once").code == 0
        assert len(carbon.points) == 3 * 3 * 30
        assert [problem for connection in carbon.connections for problem in connection.problems] == []
        assert carbon.points[0].name == "apteligent.Bike_Shop.live.appLoads"


# 4


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_the_day_is_yesterday_in_the_apps_zone_whatever_the_servers(
    zone: str, tmp_path: Path, set_time_zone: Callable[[str], None]
) -> None:
    set_time_zone(zone)
    clock = Clock(epoch("2016-06-10T14:05"))
    with (
        ApteligentSimulator([BIKE], clock=clock) as vendor,
        opened_account(vendor, tmp_path, clock=clock) as account,
    ):
        vendor.answers["errorMonitoring/graph", None, None] = {
            "data": {
                "start": "2016-06-10T00:00:00",
                "end": "2016-06-12T00:00:00",
                "interval": 86400,
                "series": [{"name": "dau", "points": [10, 11]}],
            }
        }
        (tmp_path / "zones.json").write_text(json.dumps({BIKE.app_id: ["Bike Shop", 10]}))
        found = collect(DailySource(account, load_app_zones(tmp_path / "zones.json")))
    midnight = {"UTC": "06-10T00:00", "Europe/Berlin": "06-09T22:00", "America/New_York": "06-10T04:00"}[zone]
    assert {line.split(" ", 1)[1] for line in found.lines} == {f"10 {epoch(f'2016-{midnight}'):.3f}"}


def test_daily_jobs_are_due_by_utc_not_by_the_servers_clock(
    tmp_path: Path, set_time_zone: Callable[[str], None]
) -> None:
    set_time_zone("Europe/Berlin")
    assert daily_times(tmp_path, -8) == "2016-05-03T08:05"


# 5


def test_a_fractional_offset_runs_at_its_own_minute(tmp_path: Path) -> None:
    assert daily_times(tmp_path, 5.5) == "2016-05-03T18:35"


def daily_times(folder: Path, offset: float) -> str:
    """Return when, from midnight of 3 May 2016 UTC on, an app of that offset is due."""
    (folder / "zones.json").write_text(json.dumps({BIKE.app_id: ["Bike Shop", offset]}))
    zones = load_app_zones(folder / "zones.json")
    clock = Clock(epoch("2016-05-03T00:00"))
    with ApteligentSimulator() as vendor, opened_account(vendor, folder, clock=clock) as account:
        plan = DailyPlan(account, zones, cursors=dict)
        at = plan.schedule.next_after(clock.now)
    hours, seconds = divmod(at - clock.now, 3600)
    return f"2016-05-03T{hours:02.0f}:{seconds / 60:02.0f}"


def test_an_app_without_a_country_has_daily_figures_and_no_carriers(site: Site) -> None:
    site.write("app_timezones.json", {INDIA.app_id: ["Bazaar India", 5.5]})
    assert site.run("dailyjobs", "--once").code == 0
    assert len(site.points_of("Bazaar_India")) == 8
    assert site.run("groupedby", "--once").code == 0
    assert [point.name for point in site.points_of("Bazaar_India") if ".carrier." in point.name] == []
    assert "app without a country" in site.log("groupedby")


# 6


def test_a_null_value_costs_nothing_but_itself(site: Site) -> None:
    result = site.run("dailyjobs", "--once")
    assert (result.code, result.stderr) == (0, "")
    names = {point.name.split(".")[-1] for point in site.points_of("Tweedehands_NL")}
    assert names == {
        "crashPercent",
        "mau",
        "dau",
        "appLoads",
        "crashes",
        "affectedUsers",
        "affectedUserPercent",
    }
    assert len(site.points_of("Bike_Shop")) == len(site.points_of("Bazaar_India")) == 8


# 7


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_the_end_of_service_figures_is_utc_in_any_zone_of_the_server(zone: str, site: Site) -> None:
    site.vendor.answers["performanceManagement/pie", None, None] = golden("performanceManagement-pie-latency-service")
    assert site.run("servicestats", "--once", env={"TZ": zone}).code == 0
    assert {point.timestamp for point in site.carbon.points} == {1462233600.0}


# 8


def test_a_service_request_that_fails_twice_is_left_out_and_nobody_gets_another_apps_answer(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "whitelist").write_text("\n".join((*BIKE.hosts, *DUTCH.hosts)))
    with (
        ApteligentSimulator([BIKE, DUTCH], clock=clock) as vendor,
        opened_account(vendor, tmp_path, clock=clock) as account,
    ):
        vendor.fail(Answer.json({"message": "broken"}, status=500), when=asked_for(DUTCH.app_id), times=None)
        source = ServiceSource(account, Whitelist(tmp_path / "whitelist"))
        retry = ServiceRetry(source, account, pause_seconds=0.0)
        first, second = collect(source), collect(retry)
    assert len(first.lines) == 5 * len(BIKE.hosts)
    assert all(name.startswith("apteligent.Bike_Shop.") for name in first.names)
    assert (first.missing, second.lines) == ([], [])
    assert [text.split(" by ")[0] for text in second.missing] == ["dataIn", "dataOut", "latency", "volume", "errors"]


def test_a_service_request_that_is_answered_the_second_time_counts_for_its_own_app(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "whitelist").write_text("\n".join((*BIKE.hosts, *DUTCH.hosts)))
    with (
        ApteligentSimulator([BIKE, DUTCH], clock=clock) as vendor,
        opened_account(vendor, tmp_path, clock=clock) as account,
    ):
        vendor.fail(Answer.json({"message": "broken"}, status=500), when=asked_for(DUTCH.app_id), times=10)
        source = ServiceSource(account, Whitelist(tmp_path / "whitelist"))
        collect(source)
        found = collect(ServiceRetry(source, account, pause_seconds=0.0))
    assert found.missing == []
    assert len(found.lines) == 5 * len(DUTCH.hosts)
    host = DUTCH.hosts[0]
    latency = service_value(DUTCH, host, "latency", epoch("2016-05-03T08:05"))
    assert (
        f"apteligent.Tweedehands_NL.services.{host.replace('.', '-')}.latency {latency} 1462262700.000" in found.lines
    )


# 9


def test_a_live_request_that_fails_ends_neither_the_command_nor_other_apps(site: Site) -> None:
    site.vendor.fail(Answer.json({}, status=500), when=f"/v1.0/liveStats/periodic/{BIKE.app_id}", times=None)
    result = site.run("livestats", "--once")
    assert result.code == 1
    assert result.stderr.count("\n") == 1
    assert "Bike Shop" in result.stderr
    assert "HTTP 500" in result.stderr
    assert len(site.points_of("Tweedehands_NL")) == len(site.points_of("Bazaar_India")) == 90


def test_an_empty_list_of_buckets_is_a_warning(site: Site) -> None:
    site.vendor.answers["liveStats/periodic", BIKE.app_id, None] = golden("liveStats-periodic-empty")
    result = site.run("livestats", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert any("app=Bike Shop" in line for line in site.warnings("livestats"))
    assert len(site.carbon.points) == 180


# 10


def test_a_short_rate_limit_is_waited_for(site: Site) -> None:
    site.vendor.fail(rate_limited(reset_seconds=0.05), when="/v1.0/liveStats/*", times=2)
    result = site.run("livestats", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert len(site.carbon.points) == 270


def test_a_long_rate_limit_ends_a_single_cycle_with_a_line(site: Site) -> None:
    site.vendor.fail(rate_limited(reset_seconds=3600), when="/v1.0/liveStats/*", times=None)
    result = site.run("livestats", "--once")
    assert result.code == 1
    assert "HTTP 429: API rate limit exceeded; it resets in 3600 s" in result.stderr
    assert result.stderr.count("\n") == 1


# 11


@pytest.mark.parametrize("why", ["expired", "refused", "forbidden"])
def test_a_token_that_is_no_good_any_more_is_renewed_at_once(why: str, site: Site) -> None:
    token = {"access_token": "old-token-0123456789", "expiration": 1462147200.25 if why == "expired" else 4e9}
    cache = Path(site.commands.environment["CACHE_DIR"]) / "token.json"
    cache.write_text(json.dumps(token, indent=4))
    if why == "forbidden":
        site.vendor.fail(Answer.json({"error": "no"}, status=403))
    result = site.run("livestats", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert len(site.vendor.requests_to("/v1.0/token")) == 1
    assert json.loads(cache.read_text())["access_token"] != "old-token-0123456789"


# 12


@pytest.mark.parametrize("name", ["token.json", "apps.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"expiration": 1e999}', b"\xff\xfe"])
def test_a_damaged_cache_counts_as_absent(name: str, content: bytes, site: Site) -> None:
    cache = Path(site.commands.environment["CACHE_DIR"])
    (cache / name).write_bytes(content)
    result = site.run("livestats", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert len(site.carbon.points) == 270
    assert isinstance(json.loads((cache / name).read_text()), dict)


def test_a_left_over_lock_file_is_passed_over_and_one_login_serves_all_requests(site: Site) -> None:
    cache = Path(site.commands.environment["CACHE_DIR"])
    for name in ("token.json.lock", "apps.json.lock"):
        (cache / name).touch()
    assert site.run("dailyjobs", "--once").code == 0
    assert site.run("livestats", "--once").code == 0
    assert len(site.vendor.requests_to("/v1.0/token")) == 1
    assert len(site.vendor.requests_to("/v1.0/apps")) == 1


def test_caches_are_replaced_whole_and_the_token_is_the_users_alone(site: Site) -> None:
    cache = Path(site.commands.environment["CACHE_DIR"])
    token = cache / "token.json"
    token.write_text('{"access_token": "past", "expiration": 1}')
    old = os.open(token, os.O_RDONLY)
    try:
        assert site.run("livestats", "--once").code == 0
        assert os.pread(old, 100, 0) == b'{"access_token": "past", "expiration": 1}'
    finally:
        os.close(old)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert sorted(path.name for path in cache.iterdir()) == ["apps.json", "token.json"]


# 13


def test_crash_percentages_of_a_group_are_not_added(site: Site) -> None:
    for metric in ("crashes", "appLoads", "crashPercent"):
        answer = golden(f"errorMonitoring-pie-{metric}-carrier")
        site.vendor.answers["errorMonitoring/pie", DUTCH.app_id, f"{metric}/carrier"] = answer
    assert site.run("groupedby", "--once").code == 0
    values = {point.name.split(".carrier.")[-1]: point.value for point in site.points_of("Tweedehands_NL")}
    assert values["KPN.crashPercent"] == pytest.approx(100 * 8 / 1300)
    assert values["Other.crashPercent"] == pytest.approx(100 * 5 / 850)


# 14


def test_a_carrier_that_no_rule_fits_counts_as_other_and_is_warned_of(site: Site) -> None:
    site.write("carrier.map", "[NL]\n(?i)KPN KPN\n[US]\n(?i)verizon Verizon\n")
    assert site.run("groupedby", "--once").code == 0
    groups = {p.name.split(".")[4] for p in site.points_of("Tweedehands_NL") if ".carrier." in p.name}
    assert groups == {"KPN", "Other"}
    assert any("text=Sunrise" in line for line in site.warnings("groupedby"))


def test_comments_adjoining_sections_and_thousands_of_rules_are_read(tmp_path: Path) -> None:
    rules = "".join(f"carrier{number}$ Group{number}\n" for number in range(3000))
    path = tmp_path / "carrier.map"
    path.write_text(f"# top\n[NL] \n# two words\n(?i)KPN KPN\n[UK]\n{rules}\n\n.*   Other\n")
    groups = load_group_map(path)
    assert set(groups) == {"NL", "UK"}
    assert groups["NL"].find("words") is None
    assert groups["UK"].find("carrier2999") == "Group2999"


# 15


def test_a_version_of_question_marks_leaves_no_empty_element(site: Site) -> None:
    assert site.run("groupedby", "--once").code == 0
    names = {point.name for point in site.carbon.points}
    assert "apteligent.Bazaar_India.groupedby.appversion._.dau" in names
    assert [name for name in names if ".." in name] == []


# 16


def test_every_request_names_the_app_that_it_is_about(site: Site) -> None:
    ids = {BIKE.app_id, DUTCH.app_id, INDIA.app_id}
    assert site.run("servicestats", "--once").code == 0
    asked = [params(request) for request in site.vendor.requests_to("/v1.0/performanceManagement/pie")]
    assert {tuple(found["appIds"]) for found in asked} == {(app_id,) for app_id in ids}
    assert {(found["duration"], found["groupBy"]) for found in asked} == {(15, "service")}
    assert site.run("groupedby", "--once").code == 0
    asked = [params(request) for request in site.vendor.requests_to("/v1.0/errorMonitoring/pie")]
    assert {found["appId"] for found in asked} == ids
    assert {found["duration"] for found in asked} == {1440}


# 17


@pytest.mark.parametrize("command", COMMANDS)
def test_the_log_shows_no_secret_at_its_finest_level(command: str, site: Site) -> None:
    site.vendor.password = "pass/word & säcret"
    keys = json.loads((site.commands.config_dir / "apteligent.json").read_text())
    site.write("apteligent.json", {**keys, "password": site.vendor.password})
    assert site.run(command, "--once").code == 0
    token = json.loads((Path(site.commands.environment["CACHE_DIR"]) / "token.json").read_text())["access_token"]
    log = site.log(command)
    assert " - DEBUG -" in log
    for secret in (site.vendor.password, "pass%2Fword", PASSWORD, keys["clientID"], token, "Authorization", "Bearer"):
        assert secret not in log


# 18


def test_points_for_a_carbon_that_is_away_are_kept_and_delivered_first_by_the_next_run(site: Site) -> None:
    site.carbon.stop()
    result = site.run("dailyjobs", "--once")
    assert (result.code, result.stderr) == (0, "")
    site.carbon.start()
    site.vendor.stop()
    assert site.run("dailyjobs", "--once").code == 0
    assert len(site.carbon.wait_for_points(23)) == 23


def test_carbon_may_be_an_ipv6_address(site: Site) -> None:
    with GraphiteReceiver(host="::1") as carbon:
        site.write("graphite.json", {"host": "::1", "port": carbon.port})
        assert site.run("livestats", "--once").code == 0
        assert len(carbon.points) == 270


def test_a_refused_connection_is_a_warning_and_the_points_are_kept(site: Site) -> None:
    site.write("graphite.json", {"host": "127.0.0.1", "port": unused_port()})
    assert site.run("livestats", "--once").code == 0
    assert any("connection refused" in line for line in site.warnings("livestats"))


# 19


def test_apps_without_links_and_zones_without_apps_are_no_trouble(site: Site) -> None:
    site.vendor.answers["apps", None, None] = {BIKE.app_id: {"appName": "Bike Shop"}}
    result = site.run("dailyjobs", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert len(site.carbon.points) == 8
    assert any(f"id={DUTCH.app_id}" in line for line in site.warnings("dailyjobs"))


# 20


@pytest.mark.parametrize("interval", ["0", "6", "-1", "2.5", "two", "", "٣", "9" * 5000])
def test_an_interval_out_of_range_is_a_wrong_command_line(interval: str, site: Site) -> None:
    result = site.run("livestats", f"-i{interval}", env={"PYTHONOPTIMIZE": "1"})
    assert result.code == 2
    assert result.stderr.count("\n") == 1
    assert "-i/--interval" in result.stderr
    assert site.vendor.requests == ()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_configuration_directory_is_told_with_the_places_tried(command: str, site: Site) -> None:
    site.commands.config_dir.rename(site.commands.home / "elsewhere")  # ./config counts
    result = site.run(command, "--once", "-p", "nobody-has-this", env={"CONFIG_DIR": None})
    assert result.code == 78
    assert result.stderr.count("\n") == 1
    assert "CONFIG_DIR" in result.stderr
    assert "/etc/nobody-has-this" in result.stderr


# 22


def test_the_shipped_carrier_map_finds_vodacom() -> None:
    groups = load_group_map(ROOT / "etc" / "apteligent-importer" / "carrier.map")
    assert groups["ZA"].find("VodaCom-SA") == "Vodacom"
