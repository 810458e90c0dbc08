"""dailyjobs: which days are asked for, and what becomes of the answers."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from importer.cli.apteligent.plans import DailyPlan
from importer.simulators.apteligent import ApteligentSimulator, daily_value
from importer.simulators.base import Answer
from importer.sources.apteligent.asking import Account
from importer.sources.apteligent.config import AppZone, load_app_zones
from importer.sources.apteligent.daily import (
    LATEST,
    METRICS,
    DailySource,
    Days,
    behind,
    cursor_name,
    local_midnight,
    yesterday,
)
from tests.apteligent import BIKE, GOLDEN, Clock, collect, epoch, expected_lines, golden, opened_account, params

LAST = date(2016, 5, 2)
"""Yesterday at Bike Shop by the tests' clock, 3 May 2016 08:05 UTC."""
ZONES = {BIKE.app_id: AppZone("", timedelta(hours=-8), "US")}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendor(clock: Clock) -> Iterator[ApteligentSimulator]:
    with ApteligentSimulator([BIKE], clock=clock) as simulator:
        yield simulator


@pytest.fixture
def account(vendor: ApteligentSimulator, tmp_path: Path, clock: Clock) -> Iterator[Account]:
    with opened_account(vendor, tmp_path, clock=clock) as opened:
        yield opened


def cursors(day: date) -> dict[str, int]:
    return {cursor_name(BIKE.app_id, metric): day.toordinal() for metric in METRICS}


@pytest.mark.parametrize(
    ("metric", "answer", "days"),
    [
        ("dau", "errorMonitoring-graph-dau-2880", Days(date(2016, 5, 1), date(2016, 5, 1))),
        ("crashes", "errorMonitoring-graph-crashes-43200", Days(date(2016, 4, 3), date(2016, 5, 2))),
        ("rating", "errorMonitoring-graph-rating-null", Days(date(2016, 5, 1), date(2016, 5, 2))),
        ("rating", "errorMonitoring-graph-empty", Days(date(2016, 5, 1), date(2016, 5, 2))),
    ],
)
def test_recorded_answers_become_the_recorded_points(
    metric: str, answer: str, days: Days, vendor: ApteligentSimulator, account: Account
) -> None:
    vendor.answers["errorMonitoring/graph", None, None] = golden("errorMonitoring-graph-empty")
    vendor.answers["errorMonitoring/graph", None, metric] = golden(answer)
    found = collect(DailySource(account, ZONES, days=days))
    assert (found.lines, found.missing) == (expected_lines(answer), [])


@pytest.mark.parametrize(
    ("now", "offset", "day"),
    [
        ("2016-05-03T08:05", -8, "2016-05-02"),
        ("2016-05-03T07:59", -8, "2016-05-01"),
        ("2016-06-10T14:05", 10, "2016-06-10"),
        ("2016-06-10T13:59", 10, "2016-06-09"),
        ("2016-05-03T18:29", 5.5, "2016-05-02"),
        ("2016-05-03T18:30", 5.5, "2016-05-03"),
        ("2016-03-01T00:00", 0, "2016-02-29"),
    ],
)
@pytest.mark.parametrize("server_zone", ["UTC", "America/New_York"])
def test_yesterday_is_the_apps(
    now: str, offset: float, day: str, server_zone: str, set_time_zone: Callable[[str], None]
) -> None:
    set_time_zone(server_zone)
    assert str(yesterday(epoch(now), AppZone("", timedelta(hours=offset), None))) == day


@pytest.mark.parametrize(
    ("zone", "stamp"),
    [
        ("UTC", "2016-05-02T00:00"),
        ("America/New_York", "2016-05-02T04:00"),
        ("Asia/Kolkata", "2016-05-01T18:30"),
        ("Europe/Amsterdam", "2016-05-01T22:00"),
    ],
)
def test_the_stamp_is_midnight_of_the_machine(zone: str, stamp: str, set_time_zone: Callable[[str], None]) -> None:
    set_time_zone(zone)
    assert local_midnight(date(2016, 5, 2)) == epoch(stamp)


def test_at_first_yesterday_alone_is_imported(vendor: ApteligentSimulator, account: Account) -> None:
    found = collect(DailySource(account, ZONES))
    assert found.lines == [
        f"apteligent.Bike_Shop.daily.{metric} {daily_value(BIKE, metric, LAST)} 1462147200.000" for metric in METRICS
    ]
    assert {batch.cursor: batch.position for batch in found.batches} == cursors(LAST)
    assert {params(request)["duration"] for request in vendor.requests_to("*/graph")} == {2880}


@pytest.mark.parametrize(("missed", "minutes"), [(1, 2880), (2, 43200), (29, 43200)])
def test_missed_days_are_caught_up(missed: int, minutes: int, vendor: ApteligentSimulator, account: Account) -> None:
    found = collect(DailySource(account, ZONES), cursors(LAST - timedelta(days=missed)))
    assert len(found.lines) == 8 * missed
    assert {params(request)["duration"] for request in vendor.requests_to("*/graph")} == {minutes}
    assert found.missing == []


def test_days_that_the_vendor_has_no_more_are_left_out_with_a_warning(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    found = collect(DailySource(account, ZONES), cursors(LAST - timedelta(days=40)))
    assert len(found.lines) == 8 * 29
    assert "days that the vendor has no more, left out: 2016-03-24 to 2016-04-03" in caplog.text
    assert found.missing == []


def test_nothing_is_asked_of_what_was_imported(vendor: ApteligentSimulator, account: Account) -> None:
    assert collect(DailySource(account, ZONES), cursors(LAST)).lines == []
    assert vendor.requests_to("*/graph") == ()


def test_a_cursor_far_in_the_future_hides_nothing(account: Account) -> None:
    found = collect(DailySource(account, ZONES), cursors(LAST + timedelta(days=100)))
    assert len(found.lines) == 8
    assert all(batch.again for batch in found.batches)


def test_named_days_that_do_not_join_leave_the_cursor_where_it_is(account: Account) -> None:
    days = Days(LAST - timedelta(days=20), LAST - timedelta(days=15))
    found = collect(DailySource(account, ZONES, days=days), cursors(LAST - timedelta(days=30)))
    assert len(found.lines) == 8 * 6
    assert {batch.cursor for batch in found.batches} == {""}
    assert all(batch.again for batch in found.batches)


@pytest.mark.parametrize("days", [Days(LAST + timedelta(days=1), LATEST), Days(LAST, LAST + timedelta(days=1))])
def test_days_that_are_not_over_are_not_obtained(days: Days, account: Account) -> None:
    found = collect(DailySource(account, ZONES, days=days))
    assert len(found.missing) == 1
    assert "is not over in the app's time zone; the last day that is: 2016-05-02" in found.missing[0]


def test_a_failed_metric_is_remembered_from_the_first_time_on(vendor: ApteligentSimulator, account: Account) -> None:
    vendor.fail(Answer(500), when=lambda request: b'"mau"' in request.body, times=None)
    found = collect(DailySource(account, ZONES))
    assert len(found.lines) == 7
    assert [text.split(":")[0] for text in found.missing] == [f"daily mau of Bike Shop ({BIKE.app_id}), 2016-05-02"]
    positions = {batch.cursor: batch.position for batch in found.batches}
    assert positions == cursors(LAST) | {cursor_name(BIKE.app_id, "mau"): LAST.toordinal() - 1}
    assert behind(positions, ZONES, epoch("2016-05-03T08:05")) == {BIKE.app_id}


def test_damage_within_the_missed_days_keeps_the_cursor_before_it(
    vendor: ApteligentSimulator, account: Account
) -> None:
    points = [1, "damaged", 3, 4]
    answer = {"data": {"start": "2016-04-30T00:00:00", "interval": 86400, "series": [{"points": points}]}}
    vendor.answers["errorMonitoring/graph", None, "dau"] = answer
    found = collect(DailySource(account, ZONES), cursors(date(2016, 4, 29)))
    dau = cursor_name(BIKE.app_id, "dau")
    assert max(batch.position for batch in found.batches if batch.cursor == dau) == date(2016, 4, 30).toordinal()
    assert [line.split()[1] for line in found.lines if ".dau " in line] == ["1", "3"]
    assert len(found.missing) == 1


def test_a_blacklisted_app_is_not_warned_of_as_unknown(
    vendor: ApteligentSimulator, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    zones = ZONES | {"dead": AppZone("", timedelta(), None), "gone": AppZone("", timedelta(), None)}
    with opened_account(vendor, tmp_path, clock=clock, blacklist=["dead", BIKE.app_id]) as account:
        assert collect(DailySource(account, zones)).lines == []
    assert "id=gone" in caplog.text
    assert "id=dead" not in caplog.text
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("server_zone", ["UTC", "Europe/Berlin"])
def test_each_app_is_due_five_minutes_past_its_midnight(
    server_zone: str, account: Account, set_time_zone: Callable[[str], None]
) -> None:
    set_time_zone(server_zone)
    zones = load_app_zones(GOLDEN / "app_timezones.json")
    plan = DailyPlan(account, zones, cursors=dict)
    at = epoch("2016-05-03T00:00") - 1
    times = []
    for _ in range(4):
        at = plan.schedule.next_after(at)
        times.append(at)
    assert times == [epoch(f"2016-05-03T{time}") for time in ("00:05", "08:05", "18:35", "23:05")]


def test_when_one_app_is_due_those_that_are_behind_come_along(vendor: ApteligentSimulator, account: Account) -> None:
    state = cursors(LAST - timedelta(days=1))
    plan = DailyPlan(account, ZONES, cursors=lambda: state)
    (source,) = plan.due(["daily 18:35"])
    assert len(collect(source, state).lines) == 8
    (source,) = plan.due(["daily 18:35"])
    assert collect(source, cursors(LAST)).lines == []
