"""metrics-importer demo runs everything, on its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.demo import _Stage
from importer.errors import ImporterError
from importer.metric_store import MetricStore
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import Commands, Result

MAX_SECONDS = 30
"""Ten times what it takes on an idle machine."""


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
    assert all(len(line) <= 100 for line in result.stdout.splitlines() if str(commands.home) not in line)
    assert list((commands.home / "tmp").iterdir()) == []
    assert list(commands.state_dir.iterdir()) == []


def test_what_is_kept_can_be_looked_at_afterwards(commands: Commands, run_command: Callable[..., Result]) -> None:
    kept = commands.home / "kept here"
    result = run_command("metrics-importer", "demo", "--keep", kept)
    assert result.code == 0
    with MetricStore(kept / "state" / "metrics.db") as store:
        (dau,) = store.series("apteligent.Bazaar_India.daily.dau")
        assert dau.points >= 14
    assert (kept / "config" / "apteligent.json").stat().st_mode & 0o777 == 0o600
    assert f"metrics-importer show --path '{kept}/state/metrics.db'" in result.stdout
    assert run_command("metrics-importer", "demo", "--keep", kept).code == 2


def test_a_directory_that_cannot_be_made_is_told(metrics_importer: MetricsImporter, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = metrics_importer.run("demo", "--keep", tmp_path / "file" / "x", code=1)
    assert outcome.err.startswith("metrics-importer: demo: no directory to work in: ")


def test_a_command_that_fails_ends_the_demo_with_its_line(tmp_path: Path) -> None:
    stage = _Stage(tmp_path)
    with pytest.raises(ImporterError, match=r"demo: dailyjobs ended with 78: dailyjobs: configuration directory"):
        stage.do_import("a lost cause", "dailyjobs", "--once")
