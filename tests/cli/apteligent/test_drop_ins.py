"""Destinations in graphite.d, as a command meets them."""

import json
import signal
from pathlib import Path

import pytest

from importer.outbox_view import OutboxView
from importer.simulators.graphite import GraphiteReceiver
from tests.apteligent import Site
from tests.servers.process import wait_until

WAIT_SECONDS = 30.0


def write(site: Site, name: str, content: object) -> Path:
    folder = site.commands.config_dir / "graphite.d"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def moved(site: Site) -> dict[str, object]:
    """Return what graphite.json holds, and remove it."""
    path = site.commands.config_dir / "graphite.json"
    content: dict[str, object] = json.loads(path.read_text())
    path.unlink()
    return content


@pytest.mark.parametrize("is_dry", [False, True])
def test_points_reach_a_destination_that_only_a_drop_in_names(site: Site, is_dry: bool) -> None:
    write(site, "carbon.json", moved(site))
    result = site.run("livestats", "--once", *["--dry-run"] * is_dry)
    assert (result.code, result.stderr) == (0, "")
    assert len(site.carbon.points) == (0 if is_dry else 270)


def test_each_destination_gets_every_point(site: Site) -> None:
    with GraphiteReceiver() as other:
        write(site, "other.json", {"host": "127.0.0.1", "port": other.port})
        assert site.run("livestats", "--once").code == 0
        assert len(other.points) == len(site.carbon.points) == 270


@pytest.mark.parametrize("command", ["livestats", "pingdom"])
def test_a_wrong_drop_in_is_a_configuration_error_that_names_it(site: Site, command: str) -> None:
    site.write("pingdom.json", {"token": "made-up-token"})
    path = write(site, "other.json", {"host": "carbon", "port": "none"})
    result = site.run(command, "--once")
    assert result.code == 78
    assert result.stderr == f'{command}: {path}: port: "none" is not a whole number from 1 to 65535\n'


def test_a_reload_sees_drop_ins_that_are_added_and_removed(site: Site) -> None:
    log = site.commands.log_dir / "livestats.log"

    def wait_for_lanes(*ports: int) -> None:
        wanted = {f"plain://127.0.0.1:{port}" for port in ports}
        wait_until(lambda: lanes() == wanted, lambda: f"{wanted}: {lanes()}", deadline_seconds=WAIT_SECONDS)

    def lanes() -> set[str]:
        with OutboxView.open(site.commands.state_dir / "livestats.outbox") as outbox:
            return {state.lane for state in outbox.lanes()}

    with site.commands.start("livestats") as process:
        started = "schedule started"
        wait_until(lambda: log.exists() and started in log.read_text(), log.read_text, deadline_seconds=WAIT_SECONDS)
        wait_for_lanes(site.carbon.port)
        path = write(site, "other.json", {"host": "127.0.0.1", "port": 9})
        process.send_signal(signal.SIGHUP)
        wait_for_lanes(site.carbon.port, 9)
        path.unlink()
        process.send_signal(signal.SIGHUP)
        wait_for_lanes(site.carbon.port)
