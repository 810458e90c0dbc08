"""Logs, and what a dry run prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from importer.simulators.apteligent import PASSWORD
from importer.simulators.base import Answer
from tests.apteligent import BIKE, COMMANDS, Site, asked_for
from tests.cli.apteligent.days import set_back, yesterday
from tests.commands import ROOT


def test_the_log_has_its_old_format_and_quiet_leaves_debug_out(site: Site) -> None:
    assert site.run("livestats", "--once", "-q").code == 0
    quiet = site.log("livestats").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [A-Z]+ -[\w.]+:\w+:\d+- ", line) for line in quiet)
    assert {line.split()[3] for line in quiet} == {"INFO"}
    assert "apps tracked: 3" in site.log("livestats")
    assert "rate limit left: " in site.log("livestats")
    assert "metrics sent: 270" in site.log("livestats")
    assert site.run("livestats", "--once").code == 0
    assert " - DEBUG -" in site.log("livestats")


def test_a_cycle_with_failures_ends_with_one_line_and_the_log_has_them_all(site: Site) -> None:
    site.vendor.fail(Answer.json({"message": "try later"}, status=503), when=asked_for(BIKE.app_id), times=None)
    result = site.run("dailyjobs", "--once")
    assert result.code == 1
    assert re.fullmatch(
        r"dailyjobs: not obtained: daily crashPercent of Bike Shop \(52d0\w+\), [\d-]+: apteligent: "
        r"/v1.0/errorMonitoring/graph: HTTP 503: try later \(and 7 more, see the log\)\n",
        result.stderr,
    )
    assert len([line for line in site.warnings("dailyjobs") if "not obtained" in line]) == 8
    assert len(site.carbon.points) == 15


# Dry runs


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_prints_what_would_be_sent_and_keeps_nothing(command: str, site: Site) -> None:
    result = site.run(command, "--dry-run")
    assert (result.code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines
    assert all(re.fullmatch(r"apteligent\.[\w.-]+ [\d.]+ \d+\.000", line) for line in lines)
    assert site.carbon.connections == ()
    assert list(site.commands.state_dir.iterdir()) == []
    assert PASSWORD not in result.stdout


def test_a_dry_run_asks_from_the_cursors_on_and_does_not_move_them(site: Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    assert site.run("dailyjobs", "--dry-run").stdout == ""
    set_back(site.commands, 1)
    first = site.run("dailyjobs", "--dry-run").stdout
    assert len(first.splitlines()) == 23
    assert site.run("dailyjobs", "--dry-run").stdout == first
    assert len(site.run("dailyjobs", "--dry-run", "--date", str(yesterday(-8))).stdout.splitlines()) == 23


def test_a_dry_run_that_misses_something_ends_with_1(site: Site) -> None:
    site.vendor.fail(Answer(status=500), when=asked_for(BIKE.app_id), times=None)
    result = site.run("livestats", "--dry-run")
    assert result.code == 1
    assert len(result.stdout.splitlines()) == 180
    assert "live figures of Bike Shop" in result.stderr


@pytest.mark.parametrize("command", ["dailyjobs", "livestats"])
def test_a_reader_of_the_output_may_leave_early(command: str, site: Site) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = start_with_output(site, command, writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_that_cannot_be_written_is_one_line(site: Site) -> None:
    with Path("/dev/full").open("wb") as full:
        done = start_with_output(site, "dailyjobs", full.fileno())
    assert (done.returncode, done.stderr) == (1, "dailyjobs: [Errno 28] No space left on device\n")


def start_with_output(site: Site, command: str, output: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "bin" / command, "--dry-run"],
        stdout=output,
        stderr=subprocess.PIPE,
        env=site.commands.environment,
        cwd=site.commands.home,
        text=True,
        check=False,
    )
