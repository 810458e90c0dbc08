"""metrics-importer metrics: printed, and served to Prometheus."""

import os
import signal
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from importer.outbox_salvage import BUSY_SECONDS
from importer.simulators.base import Answer
from tests import apteligent
from tests.commands import Commands
from tests.running import Running
from tests.self_metrics.told import Samples, address_in, ask_for, names_of, samples_of
from tests.servers import Prometheus
from tests.servers.prometheus import check_metrics, get

DAILY = ("command", "dailyjobs")
LIVE = ("command", "livestats")


@contextmanager
def served(commands: Commands, *arguments: str) -> Iterator[tuple[Running, str]]:
    """Run the endpoint until the block is left; gives its address, too."""
    with commands.start("metrics-importer", "metrics", *arguments) as process:
        running = Running(process)
        (line,) = running.wait_for_line("http://", timeout_seconds=60)
        yield running, address_in(line)
        running.kill()


def printed(commands: Commands, *arguments: str, code: int = 0) -> Samples:
    result = commands.run("metrics-importer", "metrics", *arguments)
    assert result.code == code, result.stderr
    return samples_of(result.stdout)


def test_where_nothing_has_run_there_is_the_version_alone(commands: Commands) -> None:
    assert names_of(printed(commands)) == {"metrics_importer_build_info"}


def test_commands_that_have_run_are_told_apart(site: apteligent.Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    before = len(site.vendor.requests)
    assert site.run("livestats", "--once").code == 0
    samples = printed(site.commands)
    lane = ("destination", f"plain://127.0.0.1:{site.carbon.port}")
    assert samples["metrics_importer_up", (DAILY,)] == 1
    assert samples["metrics_importer_points_total", (DAILY,)] == 23
    assert samples["metrics_importer_points_total", (LIVE,)] == 270
    assert samples["metrics_importer_requests_total", (DAILY, ("status", "200"))] == before
    assert samples["metrics_importer_requests_total", (LIVE, ("status", "200"))] == len(site.vendor.requests) - before
    assert samples["metrics_importer_last_run_exit_code", (LIVE,)] == 0
    assert samples["metrics_importer_rejects", (LIVE, lane)] == 0
    assert samples["metrics_importer_backlog_limit_bytes", (LIVE, lane)] == 2**30
    assert samples["metrics_importer_lag_seconds", (DAILY, ("source", "daily"))] > 0
    assert samples["metrics_importer_rate_limit_remaining", (LIVE,)] > 0
    run_at = samples["metrics_importer_last_run_timestamp_seconds", (LIVE,)]
    assert samples["metrics_importer_last_success_timestamp_seconds", (LIVE,)] == run_at


def test_failures_and_what_waits_are_told(site: apteligent.Site) -> None:
    site.carbon.stop()
    site.vendor.fail(Answer(500), times=None, when=apteligent.asked_for(apteligent.BIKE.app_id))
    assert site.run("dailyjobs", "--once").code == 1
    samples = printed(site.commands)
    lane = ("destination", f"plain://127.0.0.1:{site.carbon.port}")
    assert samples["metrics_importer_failed_runs_total", (DAILY,)] == 1
    assert samples["metrics_importer_last_run_exit_code", (DAILY,)] == 1
    assert samples["metrics_importer_requests_total", (DAILY, ("status", "500"))] >= 1
    assert samples["metrics_importer_backlog_points", (DAILY, lane)] > 0
    assert samples["metrics_importer_backlog_oldest_seconds", (DAILY, lane)] >= 0
    assert ("metrics_importer_last_success_timestamp_seconds", (DAILY,)) not in samples


def test_an_outbox_that_cannot_be_read_is_down_and_hides_no_other(site: apteligent.Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    (site.commands.state_dir / "livestats.outbox").write_bytes(b"SQLite format 3\0 of somebody else" * 200)
    samples = printed(site.commands, code=1)
    assert samples["metrics_importer_up", (LIVE,)] == 0
    assert samples["metrics_importer_up", (DAILY,)] == 1
    assert {name for name, labels in samples if LIVE in labels} == {"metrics_importer_up"}


def test_an_outbox_that_somebody_has_locked_for_himself_makes_no_scrape_late(site: apteligent.Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    assert site.run("livestats", "--once").code == 0
    outbox = site.commands.state_dir / "livestats.outbox"
    with served(site.commands, "--port", "0") as (_running, address), closing(sqlite3.connect(outbox)) as locked:
        locked.execute("PRAGMA locking_mode = EXCLUSIVE")
        locked.execute("BEGIN EXCLUSIVE")
        with urllib.request.urlopen(address, timeout=BUSY_SECONDS) as response:
            samples = samples_of(response.read().decode())
    assert (samples["metrics_importer_up", (LIVE,)], samples["metrics_importer_up", (DAILY,)]) == (0, 1)


@pytest.mark.server("prometheus")
def test_promtool_has_nothing_against_what_is_printed(site: apteligent.Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    text = site.commands.run("metrics-importer", "metrics").stdout
    assert check_metrics(text.encode()) == (0, "")


def test_a_scrape_sees_what_has_run_since_the_start(site: apteligent.Site) -> None:
    with served(site.commands, "--port", "0") as (running, address):
        assert names_of(samples_of(get(address).decode())) == {"metrics_importer_build_info"}
        assert site.run("livestats", "--once").code == 0
        assert samples_of(get(address).decode())["metrics_importer_runs_total", (LIVE,)] == 1
        ended = running.stop()
    assert (ended.code, ended.stderr) == (0, [])
    assert len(ended.stdout) == 1


def test_the_endpoint_stays_up_where_the_state_goes_away(site: apteligent.Site) -> None:
    assert site.run("livestats", "--once").code == 0
    with served(site.commands, "--port", "0") as (running, address):
        outbox = site.commands.state_dir / "livestats.outbox"
        outbox.rename(outbox.with_name("elsewhere"))
        outbox.write_bytes(b"no outbox at all, but as long as one" * 400)
        assert samples_of(get(address).decode())["metrics_importer_up", (LIVE,)] == 0
        running.process.send_signal(signal.SIGHUP)
        site.commands.state_dir.rename(site.commands.home / "gone")
        samples = samples_of(get(address).decode())
        assert names_of(samples) == {"metrics_importer_build_info", "metrics_importer_up"}
        assert samples["metrics_importer_up", (LIVE,)] == 0
        running.wait_for_error("livestats.outbox: ")
        (site.commands.home / "gone").rename(site.commands.state_dir)
        outbox.with_name("elsewhere").rename(outbox)
        assert samples_of(get(address).decode())["metrics_importer_up", (LIVE,)] == 1


def test_a_directory_that_is_passed_over_is_told(commands: Commands) -> None:
    commands.state_dir.rmdir()
    result = commands.run("metrics-importer", "metrics")
    assert result.code == 0
    assert f"warning: passed over STATE_DIR={commands.state_dir}: no such directory\n" in result.stderr


def test_the_endpoint_stays_up_where_it_may_look_no_more(commands: Commands) -> None:
    for variable in ("STATE_DIR", "CACHE_DIR"):
        del commands.environment[variable]
    with served(commands, "--port", "0") as (running, address):
        (commands.home / "tmp" / f"leexportpy-{os.geteuid()}").write_text("in the way")
        assert names_of(samples_of(get(address).decode())) == {"metrics_importer_build_info"}
        running.wait_for_error("is not a directory (or a link to one): remove it")
        assert running.stop().code == 0
    assert commands.run("metrics-importer", "metrics").code == 78


def test_the_endpoint_listens_where_it_is_told_to_and_nowhere_else(commands: Commands) -> None:
    with served(commands, "--port", "0", "--bind", "127.0.0.2") as (_running, address):
        assert address.startswith("http://127.0.0.2:")
        assert get(address)
        with pytest.raises(urllib.error.URLError):
            get(address.replace("127.0.0.2", "127.0.0.1"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--port", "70000"), "'70000' is not a port"),
        (("--port", "0", "--bind", "everywhere"), "'everywhere' is not an address to listen on"),
    ],
)
def test_a_wrong_place_is_a_mistake_of_the_command_line(
    arguments: tuple[str, ...], complaint: str, commands: Commands
) -> None:
    result = commands.run("metrics-importer", "metrics", *arguments)
    assert result.code == 2
    assert complaint in result.stderr


def test_a_port_that_is_taken_is_one_line(commands: Commands) -> None:
    with served(commands, "--port", "0") as (_running, address):
        port = address.rpartition(":")[2].partition("/")[0]
        result = commands.run("metrics-importer", "metrics", "--port", port)
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert f"port {port} of 127.0.0.1: address already in use" in result.stderr


def test_prometheus_scrapes_the_endpoint(site: apteligent.Site, prometheus: Prometheus) -> None:
    assert site.run("livestats", "--once").code == 0
    with served(site.commands, "--port", str(prometheus.scraped_port)):
        prometheus.wait_for("sum(metrics_importer_points_total)", {(): 270.0}, deadline_seconds=60)


def test_check_finds_the_mistakes_in_the_file_of_a_project(site: apteligent.Site) -> None:
    ask_for(site.commands, points="perhaps")
    result = site.commands.run("metrics-importer", "check", site.commands.config_dir / "self-metrics.json")
    assert result.code == 78
    assert 'self-metrics.json: points: "perhaps" is not true or false' in result.stderr
    ask_for(site.commands, textfile=str(site.commands.home / "missing"))
    result = site.commands.run("metrics-importer", "check", site.commands.config_dir / "self-metrics.json")
    assert result.code == 0
    assert "missing is not a directory yet" in result.stderr


@pytest.mark.parametrize("command", ["dailyjobs", "pingdom"])
def test_a_command_does_not_start_with_mistakes_in_the_file(command: str, site: apteligent.Site) -> None:
    site.write("pingdom.json", {"token": "t0ken-of-pingdom"})
    ask_for(site.commands, points="perhaps")
    result = site.run(command, "--once")
    assert result.code == 78
    assert result.stderr == (
        f'{command}: {site.commands.config_dir}/self-metrics.json: points: "perhaps" is not true or false\n'
    )
