"""The alert rules: promtool's opinion, a test of each, and figures that are really there."""

import re
import subprocess
from pathlib import Path

import pytest

from importer.self_metrics.families import families_of
from importer.self_metrics.figures import Command, Figures
from tests.commands import ROOT
from tests.self_metrics.full import FULL
from tests.servers.process import MINIMAL_ENVIRONMENT

FOLDER = ROOT / "docs" / "alerts"
RULES = FOLDER / "metrics-importer.yml"
TESTS = FOLDER / "metrics-importer-test.yml"
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Return promtool's exit status, and what it said."""
    done = subprocess.run(
        ["promtool", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
        text=True,
        env=MINIMAL_ENVIRONMENT,
        cwd=FOLDER,
    )
    return done.returncode, done.stdout


@pytest.mark.server("prometheus")
def test_promtool_has_nothing_against_the_rules() -> None:
    code, said = promtool("check", "rules", RULES)
    assert code == 0, said
    assert f"{len(ALERTS)} rules found" in said


@pytest.mark.server("prometheus")
def test_alerts_are_raised_when_they_should_be_and_only_then() -> None:
    code, said = promtool("test", "rules", TESTS)
    assert code == 0, said


@pytest.mark.server("prometheus")
@pytest.mark.parametrize("alert", ALERTS)
def test_the_tests_notice_when_an_alert_is_gone(alert: str, tmp_path: Path) -> None:
    (tmp_path / TESTS.name).write_text(TESTS.read_text())
    (tmp_path / RULES.name).write_text(RULES.read_text().replace(f"alert: {alert}\n", f"alert: {alert}Gone\n"))
    code, said = promtool("test", "rules", tmp_path / TESTS.name)
    assert code != 0
    assert alert in said


@pytest.mark.parametrize("alert", ALERTS)
def test_operators_are_told_what_an_alert_means(alert: str) -> None:
    assert re.search(rf"^\| .*`{alert}`.* \| .+ \| .+ \|$", (ROOT / "docs/operators.md").read_text(), re.MULTILINE)


def test_alerts_look_at_series_that_there_are() -> None:
    families = families_of([FULL, Figures(Command("p", "c"), is_up=False)], now=0.0)
    shown = {sample.series.name for family in families for sample in family.samples}
    asked = set(re.findall(r"\bmetrics_importer_\w+", RULES.read_text()))
    assert asked <= shown
    tested = set(re.findall(r"series: '(metrics_importer_\w+)", TESTS.read_text()))
    assert tested == asked
