"""What commands tell of themselves goes to their own destinations, if self-metrics.json says so."""

from pathlib import Path

import pytest

from importer.outbox_view import OutboxView
from importer.simulators.base import Answer
from importer.simulators.hosted_graphite import SINK_PATH
from tests import apteligent
from tests.exporter import site as exporter
from tests.leexport import site as leexport
from tests.self_metrics.collector import Collector
from tests.self_metrics.told import ask_for, lines_of, points_in

ALWAYS = {"runs", "failed_runs", "points", "duration_seconds", "rejects"} | {
    f"backlog_{what}" for what in ("payloads", "points", "bytes", "age_seconds")
}


def test_without_the_file_and_by_default_nothing_is_told(site: apteligent.Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    ask_for(site.commands)
    assert site.run("livestats", "--once").code == 0
    assert len(site.carbon.points) == 23 + 270
    assert not [point.name for point in site.carbon.points if ".importer." in point.name]


def test_a_run_tells_of_itself_and_of_all_before_it(site: apteligent.Site) -> None:
    ask_for(site.commands, points=True)
    for _ in range(2):
        assert site.run("livestats", "--once").code == 0
    told = points_in(site.carbon, "livestats")
    assert told.keys() == ALWAYS | {"requests.200", "rate_limit_remaining", "lag_seconds"}
    assert (told["runs"], told["failed_runs"], told["backlog_payloads"]) == (2, 0, 0)
    assert told["points"] >= 270
    assert told["requests.200"] == len(site.vendor.requests)


@pytest.mark.parametrize("command", ["dailyjobs", "groupedby", "servicestats"])
def test_every_command_of_a_project_has_a_name_of_its_own(command: str, site: apteligent.Site) -> None:
    ask_for(site.commands, points=True, metric_root="ops")
    assert site.run(command, "--once").code == 0
    told = [point.name for point in site.carbon.points if point.name.startswith("ops.")]
    assert f"ops.importer.{command}.runs" in told
    assert all(name.startswith(f"ops.importer.{command}.") for name in told)


def test_a_run_that_fails_tells_so(site: apteligent.Site) -> None:
    ask_for(site.commands, points=True)
    site.vendor.fail(Answer(401), times=None)
    assert site.run("livestats", "--once").code == 1
    told = points_in(site.carbon, "livestats")
    assert (told["runs"], told["failed_runs"], told["points"]) == (1, 1, 0)
    assert told["requests.401"] >= 1
    assert "lag_seconds" not in told


def test_what_a_store_that_is_away_does_not_get_waits_with_the_rest(site: apteligent.Site) -> None:
    ask_for(site.commands, points=True)
    site.carbon.stop()
    assert site.run("livestats", "--once").code == 0
    with OutboxView.open(site.commands.state_dir / "livestats.outbox") as view:
        (lane,) = view.lanes()
    assert lane.points > 270
    site.carbon.start()
    assert site.run("livestats", "--once").code == 0
    told = [point for point in site.carbon.points if point.name == "apteligent.importer.livestats.backlog_points"]
    assert [point.value for point in sorted(told, key=lambda point: point.timestamp)] == [270, 0]


def test_a_run_does_not_fail_because_there_is_no_room_to_tell_of_it(site: apteligent.Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    ask_for(site.commands, points=True)
    site.write("graphite.json", {"host": "127.0.0.1", "port": site.carbon.port, "outbox_max_bytes": 100})
    result = site.run("dailyjobs", "--once")  # there is nothing new to import
    assert (result.code, result.stderr) == (0, "")
    (warning,) = [line for line in site.warnings("dailyjobs") if "self-metrics" in line]
    assert "not published" in warning
    assert "is full" in warning


def test_leexportpy_tells_the_destinations_of_points(searches: leexport.Site) -> None:
    ask_for(searches.commands, points=True)
    searches.line("errors")
    searches.series("web.hits")
    assert searches.once().code == 0
    bodies = b"".join(request.body for request in searches.graphite.requests_to(SINK_PATH))
    assert b"metrics.importer.leexportpy.runs 2 " in bodies
    assert b"metrics.importer.leexportpy.requests.200 " in bodies
    assert not searches.geckoboard.requests_to("importer")


def test_cton_tells_its_destinations(exporter_site: exporter.Site) -> None:
    pushed = exporter_site.commands.home / "pushed.jsonl"
    exporter_site.top["destinations"] = [{"protocol": "file", "path": str(pushed)}]
    exporter_site.plain()
    ask_for(exporter_site.commands, points=True)
    result = exporter_site.once("--all")
    assert result.code == 0, result.stderr
    told = own_points(pushed, "metrics.importer.cton.")
    assert told.keys() == ALWAYS | {"requests.200"}
    assert (told["runs"], told["requests.200"]) == (1, 1)
    assert told["points"] == len(lines_of(pushed)) - len(told)


def test_pp_collector_tells_its_stores_and_not_the_data_set(collector: Collector) -> None:
    ask_for(collector.commands, points=True)
    result = collector.run()
    assert (result.code, result.stderr) == (0, "")
    told = own_points(collector.store, "metrics.importer.pp-collector.")
    assert told.keys() == ALWAYS | {"requests.200", "rate_limit_remaining"}
    assert (told["runs"], told["points"], told["rate_limit_remaining"]) == (1, 24, 394)
    assert len(collector.backdrop.requests) == 1


def own_points(path: Path, prefix: str) -> dict[str, object]:
    """Return the points about a command in a file of JSON lines, by what stands behind the prefix."""
    points = {str(line["name"]): line["value"] for line in lines_of(path) if "name" in line}
    return {name.removeprefix(prefix): value for name, value in points.items() if name.startswith(prefix)}
