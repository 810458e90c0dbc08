"""metrics-importer demo runs everything, on its own."""

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from urllib.request import urlopen

import pytest

from importer.cli.metrics_importer.demo.stage import Stage, workplace
from importer.errors import ImporterError
from importer.metric_store import MetricStore
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import ROOT, Commands, Result
from tests.running import Running
from tests.servers.process import die_with_parent

MAX_SECONDS = 30
"""Ten times what it takes on an idle machine."""
TITLE_OF_STATUS = "$ metrics-importer status"
"""From here on lines are as wide as the names of projects and commands make them."""


def test_the_demo_imports_shows_and_cleans_up(commands: Commands, run_command: Callable[..., Result]) -> None:
    proxy = {"http_proxy": "http://127.0.0.1:9", "CONFIG_DIR": "/nonexistent", "COLUMNS": "100"}
    result = run_command("metrics-importer", "demo", env=proxy)
    assert (result.code, result.stderr) == (0, "")
    assert result.seconds < MAX_SECONDS
    for command in ("dailyjobs --once", "dailyjobs --from", "livestats", "groupedby", "servicestats"):
        (line,) = [line for line in result.stdout.splitlines() if line.startswith(f"$ {command}")]
        points = int(line.split(" points")[0].split()[-1])
        assert points > 0, line
    assert "apteligent.Bike_Shop.daily.dau" in result.stdout
    assert "apteligent.Bike_Shop.live.appLoads" in result.stdout
    lines = result.stdout.partition(TITLE_OF_STATUS)[0].splitlines()
    assert all(len(line) <= 100 for line in lines if str(commands.home) not in line)
    assert list((commands.home / "tmp").iterdir()) == []
    assert list(commands.state_dir.iterdir()) == []


def test_the_demo_shows_what_arrived_at_the_services_that_searches_are_pushed_to(
    run_command: Callable[..., Result],
) -> None:
    result = run_command("metrics-importer", "demo", env={"COLUMNS": "100"})
    (line,) = re.findall(r"^\$ leexportpy start -c config/config\.ini --once .*", result.stdout, re.M)
    assert " 3 pushed " in line
    for shown in (
        r"Geckoboard +requests +10 points from \d+ to \d+, the last \d+",
        r"Geckoboard +status_codes +200: \d+, 301: \d+, 404: \d+, 500: \d+",
        r"Hosted Graphite +shop\.web\.errors +10 points from \d+ to \d+, the last \d+",
        r" +Requests, as the dashboard shows them",
    ):
        assert re.search(rf"^{shown}$", result.stdout, re.M), shown
    status = result.stdout.partition(TITLE_OF_STATUS)[2]
    assert re.search(r"^leexportpy +leexportpy .* ok +12 ", status, re.M)


def test_the_demo_shows_what_the_data_set_has_of_a_check(run_command: Callable[..., Result]) -> None:
    result = run_command("metrics-importer", "demo", env={"COLUMNS": "100"})
    assert re.search(r"^\$ pp-collector -q config/query\.json .* 24 records ", result.stdout, re.M)
    hours = re.findall(r"^\d{4}-\d\d-\d\d (\d\d:00)  govuk +\d+ +\d+ +\d+$", result.stdout, re.M)
    assert hours == ["21:00", "22:00", "23:00"]
    status = result.stdout.partition(TITLE_OF_STATUS)[2]
    assert re.search(r"^pp-collector +pp-collector .* ok +24 ", status, re.M)


def test_the_demo_sends_events_and_shows_what_the_service_has_of_them(run_command: Callable[..., Result]) -> None:
    result = run_command("metrics-importer", "demo", env={"COLUMNS": "100"})
    assert re.search(r"^\$ stats-service -c config/stats-service\.ini .* serving ", result.stdout, re.M)
    (sent,) = re.findall(r"^(\d+) events were sent by the client, each answered ", result.stdout, re.M)
    counted = [int(events) for events in re.findall(r"^shop\.\w+ +(\d+)$", result.stdout, re.M)]
    assert int(sent) == sum(counted) == 300
    assert len(re.findall(r"^\d\d:\d\d:\d\d\.\d{3}  shop\.\w+ +visitor-\d+", result.stdout, re.M)) == 4


def test_what_is_kept_can_be_looked_at_afterwards(commands: Commands, run_command: Callable[..., Result]) -> None:
    kept = commands.home / "kept here"
    result = run_command("metrics-importer", "demo", "--keep", kept)
    assert result.code == 0
    with MetricStore(kept / "state" / "metrics.db") as store:
        (dau,) = store.series("apteligent.Bazaar_India.daily.dau")
        assert dau.points >= 14
    for name in ("apteligent.json", "config.ini", "token.json", "pingdom-credentials.json"):
        assert (kept / "config" / name).stat().st_mode & 0o777 == 0o600
    assert f"metrics-importer show --path '{kept}/state/metrics.db'" in result.stdout
    assert run_command("metrics-importer", "demo", "--keep", kept).code == 2


def test_away_from_a_terminal_the_web_page_is_asked_once_and_how_to_open_it_is_told(
    commands: Commands, run_command: Callable[..., Result]
) -> None:
    kept = commands.home / "kept here"
    result = run_command("metrics-importer", "demo", "--keep", kept)
    assert result.code == 0
    (port, said) = re.findall(r"^http://127\.0\.0\.1:(\d+)/ says: (.*)$", result.stdout, re.M)[0]
    assert re.fullmatch(r"All well\. 8 commands; [1-9]\d+ names to draw\.", said)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))
    assert f"in a browser: metrics-importer dashboard --state '{kept}/state'" in result.stdout
    assert "metrics-importer demo --serve" in run_command("metrics-importer", "demo").stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_web_page_that_stays_goes_on_until_a_signal_and_leaves_nothing(
    commands: Commands, start_command: Callable[..., Popen[str]], number: signal.Signals
) -> None:
    running = Running(start_command("metrics-importer", "demo", "--serve"))
    (line,) = running.wait_for_line("in a browser on this machine", timeout_seconds=60)
    with urlopen(f"{line.split()[1]}api/status", timeout=30) as answer:
        assert json.load(answer)["headline"] == "All well"
    running.process.send_signal(number)
    running.process.wait(60)
    ended = running.kill()
    assert (ended.code, ended.stderr) == (0, [])
    assert ended.stdout[-1] == "All of it was removed again; to keep it: metrics-importer demo --keep DIR"
    assert list((commands.home / "tmp").iterdir()) == []


def test_on_a_terminal_the_web_page_stays(commands: Commands) -> None:
    master, slave = os.openpty()
    command_line = die_with_parent([sys.executable, str(ROOT / "bin" / "metrics-importer"), "demo"])
    with Popen(command_line, stdin=slave, stdout=slave, stderr=slave, env=commands.environment) as process:
        os.close(slave)
        with open(master, encoding="utf-8", errors="replace") as terminal:  # noqa: PTH123 - it has no path
            said = iter(terminal.readline, "")
            assert any("Ctrl-C ends it." in line for line in said)
            process.send_signal(signal.SIGINT)
            assert any("All of it was removed again" in line for line in said)
            assert process.wait(60) == 0


def test_a_directory_that_cannot_be_made_is_told(metrics_importer: MetricsImporter, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = metrics_importer.run("demo", "--keep", tmp_path / "file" / "x", code=1)
    assert outcome.err.startswith("metrics-importer: demo: no directory to work in: ")


@pytest.mark.parametrize(
    ("command_line", "line"),
    [
        (["dailyjobs", "--once"], r"demo: dailyjobs ended with 78: dailyjobs: .*apteligent.json: does not exist"),
        (["leexportpy", "start", "-c", "none.ini", "--once"], r"demo: leexportpy ended with 78: .*none.ini: does not"),
    ],
)
def test_a_command_that_fails_ends_the_demo_with_its_line(command_line: list[str], line: str, tmp_path: Path) -> None:
    with workplace(tmp_path / "work") as directory, pytest.raises(ImporterError, match=line):
        Stage(directory).do_import("a lost cause", *command_line)
