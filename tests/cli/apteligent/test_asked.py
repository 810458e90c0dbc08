"""What is asked again, and what is not."""

from collections.abc import Callable
from subprocess import Popen

import pytest

from importer.simulators.apteligent import daily_value
from importer.simulators.base import Answer, Hold
from tests.apteligent import BIKE, DUTCH, INDIA, Site, golden, params
from tests.cli.apteligent.days import DAY, figures, midnight_utc, set_back, site_requests, yesterday


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
