"""What is shown of a command to Prometheus and to all other stores, and what the documents say of it."""

import json
import re
from dataclasses import replace

from importer.exporter.exposition.text import text
from importer.outbox_view import LaneState
from importer.self_metrics.families import PREFIX, families_of
from importer.self_metrics.figures import Command, Figures
from importer.self_metrics.points import points_of
from tests.commands import ROOT
from tests.self_metrics.full import FULL, LANE, NOW
from tests.self_metrics.told import samples_of

PAGE = (ROOT / "docs" / "monitoring.rst").read_text()
OF = ("command", "livestats")
TO = ("destination", LANE)


def test_all_that_is_known_is_shown() -> None:
    samples = samples_of(text(families_of([FULL], now=NOW)).decode())
    del samples[next(key for key in samples if key[0] == "metrics_importer_build_info")]
    assert {(name.removeprefix(PREFIX), labels): value for (name, labels), value in samples.items()} == {
        ("up", (OF,)): 1,
        ("runs_total", (OF,)): 12,
        ("failed_runs_total", (OF,)): 3,
        ("run_seconds_total", (OF,)): 36,
        ("points_total", (OF,)): 810,
        ("requests_total", (OF, ("status", "200"))): 40,
        ("requests_total", (OF, ("status", "none"))): 2,
        ("run_duration_seconds", (OF,)): 1.5,
        ("last_run_timestamp_seconds", (OF,)): NOW - 20,
        ("last_run_exit_code", (OF,)): 1,
        ("last_success_timestamp_seconds", (OF,)): NOW - 3600,
        ("lag_seconds", (OF, ("source", "liveStats"))): 90,
        ("rate_limit_remaining", (OF,)): 7,
        ("backlog_payloads", (OF, TO)): 2,
        ("backlog_points", (OF, TO)): 20,
        ("backlog_bytes", (OF, TO)): 900,
        ("backlog_limit_bytes", (OF, TO)): 1000,
        ("backlog_oldest_seconds", (OF, TO)): 60,
        ("rejects", (OF, TO)): 5,
    }


def test_of_an_outbox_that_cannot_be_read_that_alone_is_shown() -> None:
    down = Figures(Command("collectington", "cton"), is_up=False)
    samples = samples_of(text(families_of([FULL, down], now=NOW)).decode())
    assert [name for name, labels in samples if ("command", "cton") in labels] == ["metrics_importer_up"]
    assert samples["metrics_importer_up", (("command", "cton"),)] == 0


def test_of_a_command_that_has_not_run_nothing_is_made_up() -> None:
    samples = samples_of(text(families_of([Figures(Command("collectington", "cton"))], now=NOW)).decode())
    assert {name.removeprefix(PREFIX) for name, _ in samples} == {
        "build_info",
        "up",
        *(f"{name}_total" for name in ("runs", "failed_runs", "run_seconds", "points")),
    }


def test_a_command_that_has_not_run_has_no_points_of_runs() -> None:
    names = {point.path[3] for point in points_of(Figures(Command("collectington", "cton")), "ops", now=NOW)}
    assert names == {"runs", "failed_runs", "points", "rejects"} | {
        f"backlog_{what}" for what in ("payloads", "points", "bytes", "age_seconds")
    }


def test_a_command_without_sources_has_the_lag_of_all_of_it() -> None:
    totals = replace(FULL.totals, newest_by_source={})
    samples = samples_of(text(families_of([replace(FULL, totals=totals)], now=NOW)).decode())
    assert samples["metrics_importer_lag_seconds", (OF, ("source", "all"))] == 90


def test_a_clock_that_was_set_back_makes_no_age_below_0() -> None:
    for now in (NOW - 7200, 0.0):
        samples = samples_of(text(families_of([FULL], now=now)).decode())
        assert samples["metrics_importer_lag_seconds", (OF, ("source", "liveStats"))] == 0
        assert samples["metrics_importer_backlog_oldest_seconds", (OF, TO)] == 0
        assert all(point.value >= 0 for point in points_of(FULL, "ops", now=now))


def test_points_add_destinations_up() -> None:
    other = LaneState("influxdb://b", "influxdb", 1, 5, 100, NOW - 10, "")
    figures = replace(FULL, lanes=[*FULL.lanes, other], rejects={LANE: 5, "influxdb://b": 1})
    points = {".".join(point.path): point.value for point in points_of(figures, "ops", now=NOW)}
    assert points == {
        "ops.importer.livestats.runs": 12,
        "ops.importer.livestats.failed_runs": 3,
        "ops.importer.livestats.points": 810,
        "ops.importer.livestats.requests.200": 40,
        "ops.importer.livestats.requests.none": 2,
        "ops.importer.livestats.duration_seconds": 1.5,
        "ops.importer.livestats.rate_limit_remaining": 7,
        "ops.importer.livestats.backlog_payloads": 3,
        "ops.importer.livestats.backlog_points": 25,
        "ops.importer.livestats.backlog_bytes": 1000,
        "ops.importer.livestats.backlog_age_seconds": 60,
        "ops.importer.livestats.rejects": 6,
        "ops.importer.livestats.lag_seconds": 90,
    }
    assert {point.timestamp for point in points_of(figures, "ops", now=NOW)} == {NOW}


def test_the_page_names_each_series_and_no_other() -> None:
    table = PAGE.split("``metrics_importer_``")[1].split("\n- Commands")[0]
    shown = {sample.series.name for family in families_of([FULL], now=NOW) for sample in family.samples}
    named = set(re.findall(r"``(\w+)``", re.sub(r"(?m)^(.{51}) .*", r"\1", table)))
    assert named == {name.removeprefix(PREFIX) for name in shown}


def test_the_page_names_each_point_and_each_key() -> None:
    table = PAGE.split("The points are named")[1].split("``stats-service``")[0]
    for point in points_of(FULL, "ops", now=NOW):
        assert f"``{'requests.<status>' if point.path[3] == 'requests' else point.path[3]}``" in table
    keys = json.loads((ROOT / "etc/leexportpy/self-metrics.json").read_text())
    assert re.findall(r"(?m)^(\w+)\n    \S", PAGE) == list(keys)
