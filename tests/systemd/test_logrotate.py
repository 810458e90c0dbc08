"""The packaged rule of logrotate, as logrotate itself carries it out while commands go on writing."""

import grp
import os
import pwd
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.cli.metrics_importer.projects import PROJECTS
from tests.apteligent import Site, opened_site
from tests.commands import ROOT, Commands
from tests.servers.debian import find_program
from tests.servers.process import wait_until

WAIT_SECONDS = 30.0
RULE = (ROOT / "debian" / "metrics-importer.logrotate").read_text()

needs_logrotate = pytest.mark.server("logrotate")


@pytest.fixture
def site(commands: Commands) -> Iterator[Site]:
    """A configured installation with a vendor of three apps and a carbon."""
    with opened_site(commands) as opened:
        yield opened


@pytest.fixture
def rotate(tmp_path: Path, commands: Commands) -> Callable[[], None]:
    """`rotate()` has logrotate rotate the logs in the directory of the test, whether it is time or not."""
    commands.log_dir.chmod(0o750)
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    rule = tmp_path / "rule"
    text = RULE.replace("/var/log/apteligent-importer/", f"{commands.log_dir}/")
    rule.write_text(text.replace("su metrics-importer metrics-importer", f"su {user} {group}"))
    rule.chmod(0o644)

    def run() -> None:
        command = [str(find_program("logrotate")), "--force", "--state", str(tmp_path / "logrotate.state"), str(rule)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    return run


def test_the_rule_knows_the_logs_of_every_project() -> None:
    assert set(re.findall(r"^/var/log/([\w-]+)/\*\.log$", RULE, re.MULTILINE)) == set(PROJECTS)


@needs_logrotate
def test_a_service_goes_on_in_a_new_file_and_no_line_is_lost(site: Site, rotate: Callable[[], None]) -> None:
    log = site.commands.log_dir / "livestats.log"

    def wait_for(text: str) -> None:
        wait_until(
            lambda: log.exists() and text in log.read_text(),
            lambda: f"{text!r} is not in {log}",
            deadline_seconds=WAIT_SECONDS,
        )

    with site.commands.start("livestats") as process:
        wait_for("schedule started")
        before = log.read_text()
        rotate()
        process.send_signal(signal.SIGHUP)
        wait_for("schedule started")
        assert log.with_name("livestats.log.1").read_text() == before
        assert "configuration read again" in log.read_text().splitlines()[0]
        assert log.stat().st_mode & 0o777 == 0o640
        rotate()
        assert {"livestats.log.1", "livestats.log.2.gz"} <= {path.name for path in log.parent.iterdir()}


@needs_logrotate
def test_without_any_log_there_is_nothing_to_complain_of(rotate: Callable[[], None], commands: Commands) -> None:
    rotate()
    assert list(commands.log_dir.iterdir()) == []
