"""Signals, systemd, and processes under odd conditions."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from subprocess import Popen

import pytest

from importer.outbox_view import OutboxView
from importer.simulators.base import Answer, Hold
from tests.apteligent import INDIA, Site, account_keys, asked_for
from tests.commands import ROOT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_a_slow_answer_ends_within_five_seconds_and_keeps_what_was_obtained(
    number: signal.Signals, site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    site.carbon.stop()
    hold = Hold()
    site.vendor.fail(hold, when=f"/v1.0/liveStats/periodic/{INDIA.app_id}", times=None)
    process = start_command("livestats", "--once", "--threads", "1")
    site.vendor.wait_for(asked_for(INDIA.app_id))
    process.send_signal(number)
    assert process.wait(5) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    hold.release()
    with OutboxView.open(site.commands.state_dir / "livestats.outbox") as outbox:
        assert [lane.points for lane in outbox.lanes()] == [180]


def test_a_service_tells_systemd_of_its_life_and_keeps_its_configuration_when_a_new_one_is_wrong(
    site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    path = site.commands.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(20)
        process = start_command("dailyjobs", env={"NOTIFY_SOCKET": str(path)})
        assert next_message(systemd) == "READY=1"
        site.write("apteligent.json", "{")
        process.send_signal(signal.SIGHUP)
        assert next_message(systemd).startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert next_message(systemd) == "READY=1"
        site.write("apteligent.json", account_keys(site.vendor.url))
        process.send_signal(signal.SIGHUP)
        assert next_message(systemd).startswith("RELOADING=1")
        assert next_message(systemd) == "READY=1"
        process.terminate()
        assert next_message(systemd) == "STOPPING=1"
    assert process.wait(10) == 0
    assert process.stderr is not None
    (line,) = process.stderr.read().splitlines()
    assert line.startswith("configuration not read again, the old one is kept: ")
    assert "apteligent.json:1: is not JSON" in line
    assert "configuration read again: command=dailyjobs" in site.log("dailyjobs")
    assert "schedule started: command=dailyjobs entries=3" in site.log("dailyjobs")
    assert site.vendor.requests == ()


def next_message(systemd: socket.socket) -> str:
    """Return the next thing that systemd is told."""
    return systemd.recv(4096).decode()


def test_a_service_delivers_what_was_kept_as_soon_as_it_starts(
    site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    site.carbon.stop()
    assert site.run("livestats", "--once").code == 0
    site.carbon.start()
    process = start_command("livestats", "-i", "5")
    site.carbon.wait_for_points(270, timeout_seconds=20)
    process.terminate()
    assert process.wait(10) == 0


def test_a_signal_during_a_rate_limits_pause_ends_the_command(
    site: Site, start_command: Callable[..., Popen[str]]
) -> None:
    site.vendor.fail(Answer.json({"reset": 50}, status=429), when="/v1.0/live*", times=None)
    process = start_command("livestats", "--once")
    site.vendor.wait_for(lambda request: request.path.startswith("/v1.0/live"))  # the others wait for the pause's end
    process.terminate()
    assert process.wait(5) == 0


def test_never_more_requests_at_a_time_than_threads(site: Site) -> None:
    site.vendor.latency_seconds = 0.02
    assert site.run("dailyjobs", "--once", "--threads", "3").code == 0
    assert 1 < site.vendor.peak_requests <= 3


def test_a_command_works_with_output_and_errors_closed(site: Site) -> None:
    script = f"exec {sys.executable} {ROOT / 'bin' / 'livestats'} --once >&- 2>&-"
    done = subprocess.run(["sh", "-c", script], env=site.commands.environment, cwd=site.commands.home, check=False)
    assert done.returncode == 0
    assert len(site.carbon.points) == 270
