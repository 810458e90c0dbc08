"""Each family of commands reads the file of its own project, writes its textfile, and says what is wrong with it."""

import signal
from pathlib import Path

import pytest

from importer.outbox_view import OutboxView
from importer.simulators.base import Answer
from importer.simulators.influxdb import InfluxdbSimulator
from tests import apteligent
from tests.commands import Commands
from tests.events.service.service_site import Site as EventSite
from tests.exporter import site as exporter
from tests.leexport import site as leexport
from tests.self_metrics.collector import Collector
from tests.self_metrics.told import Samples, ask_for, samples_of
from tests.servers.process import wait_until

MISTAKE = 'self-metrics.json: points: "perhaps" is not true or false'


def textfile(folder: Path, project: str, command: str) -> Samples:
    return samples_of((folder / f"metrics-importer-{project}-{command}.prom").read_text())


def test_leexportpy_counts_each_search_and_says_which_have_failed(searches: leexport.Site) -> None:
    ask_for(searches.commands, textfile=str(searches.commands.home))
    searches.series("web.hits")
    searches.series("web.errors")
    searches.graphite.fail(Answer(503), times=None)
    assert searches.once().code == 1
    samples = textfile(searches.commands.home, "leexportpy", "leexportpy")
    of = ("command", "leexportpy")
    assert samples["metrics_importer_runs_total", (of,)] == 2
    assert samples["metrics_importer_requests_total", (of, ("status", "503"))] >= 2
    assert samples["metrics_importer_run_seconds_total", (of,)] > 0


def test_leexportpy_tells_when_it_ends(searches: leexport.Site) -> None:
    ask_for(searches.commands, textfile=str(searches.commands.home))
    searches.series("web.hits")
    searches.write()
    with searches.commands.start("leexportpy", "start", "-c", searches.config) as process:
        searches.graphite.wait_for(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    samples = textfile(searches.commands.home, "leexportpy", "leexportpy")
    assert samples["metrics_importer_runs_total", (("command", "leexportpy"),)] == 1


def test_leexportpy_does_not_start_with_mistakes_in_the_file(searches: leexport.Site) -> None:
    ask_for(searches.commands, points="perhaps")
    searches.series("web.hits")
    result = searches.once()
    assert result.code == 78
    assert MISTAKE in result.stderr
    result = searches.run("start", "-c", str(searches.config))
    assert result.code == 78
    assert MISTAKE in result.stderr


def test_cton_tells_when_it_ends_and_keeps_nothing_without_destinations(exporter_site: exporter.Site) -> None:
    commands = exporter_site.commands
    ask_for(commands, textfile=str(commands.home))
    exporter_site.plain()
    with exporter_site.running("--all") as running:
        running.wait_for_error("Setting up HTTP Server")
        running.stop()
    assert not list(commands.home.glob("*.prom"))
    exporter_site.top["destinations"] = [{"protocol": "file", "path": str(commands.home / "pushed.jsonl")}]
    pushed = commands.home / "pushed.jsonl"
    assert exporter_site.once("--all").code == 0
    assert pushed.exists()
    samples = textfile(commands.home, "collectington", "cton")
    assert samples["metrics_importer_runs_total", (("command", "cton"),)] == 1
    assert samples["metrics_importer_run_duration_seconds", (("command", "cton"),)] > 0


def test_cton_does_not_start_with_mistakes_in_the_file(exporter_site: exporter.Site) -> None:
    commands = exporter_site.commands
    ask_for(commands, points="perhaps")
    exporter_site.top["destinations"] = [{"protocol": "file", "path": str(commands.home / "pushed.jsonl")}]
    exporter_site.plain()
    result = exporter_site.once("--all")
    assert result.code == 78
    assert MISTAKE in result.stderr


def test_pp_collector_ends_with_1_as_for_every_mistake(collector: Collector) -> None:
    ask_for(collector.commands, points="perhaps")
    result = collector.run()
    assert result.code == 1
    assert MISTAKE in result.stderr + (collector.commands.log_dir / "production.log").read_text()
    assert not collector.backdrop.requests


def test_pp_collector_writes_its_textfile_when_a_collection_fails_too(collector: Collector) -> None:
    ask_for(collector.commands, textfile=str(collector.commands.home))
    collector.pingdom.fail(Answer(403), times=None)
    assert collector.run().code == 1
    samples = textfile(collector.commands.home, "pp-collector", "pp-collector")
    assert samples["metrics_importer_failed_runs_total", (("command", "pp-collector"),)] == 1
    assert samples["metrics_importer_requests_total", (("command", "pp-collector"), ("status", "403"))] == 1


def test_stats_service_counts_events_and_what_its_store_answers(tmp_path: Path) -> None:
    site = EventSite.at(tmp_path)
    ask_for(Commands(tmp_path, site.environment), textfile=str(tmp_path))
    with InfluxdbSimulator(databases=("stats",)) as influxdb:
        site.keys |= {"influxdb.url": influxdb.url, "influxdb.db": "stats"}
        site.write()
        with site.running() as service:
            for _ in range(3):
                service.posted()
            wait_until(
                lambda: b'stats_service_backlog_events{destination="influxdb"} 0.0' in service.get("/metrics").body,
                lambda: service.log.text,
                deadline_seconds=60,
            )
            service.stop()
    samples = textfile(tmp_path, "stats-service", "stats-service")
    assert samples["metrics_importer_points_total", (("command", "stats-service"),)] == 3
    assert samples["metrics_importer_requests_total", (("command", "stats-service"), ("status", "204"))] >= 1
    (limit,) = [value for (name, _), value in samples.items() if name == "metrics_importer_backlog_limit_bytes"]
    assert limit == 2**30


def test_a_service_remembers_what_its_cycles_came_to(site: apteligent.Site) -> None:
    ask_for(site.commands, points=True)
    site.vendor.fail(Answer(500), times=None, when=apteligent.asked_for(apteligent.BIKE.app_id))
    assert site.run("livestats", "--once").code == 1
    with OutboxView.open(site.commands.state_dir / "livestats.outbox") as view:
        (run,) = view.runs()
    assert run.details.failures
    assert all("Bike Shop" in failure or apteligent.BIKE.app_id in failure for failure in run.details.failures)
    assert run.message.startswith(run.details.failures[0])
    assert run.details.requests["500"] >= 1
    assert run.details.newest.keys() == {"liveStats"}


@pytest.mark.parametrize("command", ["livestats", "servicestats"])
def test_what_an_unreadable_file_says_is_one_line(command: str, site: apteligent.Site) -> None:
    site.write("self-metrics.json", "{")
    result = site.run(command, "--once")
    assert result.code == 78
    assert result.stderr.count("\n") == 1
    assert "self-metrics.json:1: is not JSON" in result.stderr
