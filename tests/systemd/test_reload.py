"""`systemctl reload` of a service in whose outbox something waits."""

import json
import subprocess
from pathlib import Path

from importer.outbox_view import OutboxView
from importer.simulators.apteligent import ApteligentSimulator, demo_apps
from importer.simulators.graphite import GraphiteReceiver
from tests.apteligent import account_keys
from tests.systemd.machine import Machine
from tests.systemd.unit_files import Unit, load_unit

WAIT_SECONDS = 30.0


def kept(machine: Machine) -> int:
    """Return how many points wait."""
    with OutboxView.open(machine.root / "var/lib/apteligent-importer/livestats.outbox") as outbox:
        return sum(lane.points for lane in outbox.lanes())


def once(unit: Unit) -> Unit:
    """Return a unit that makes one cycle of the same command."""
    return Unit(unit.name, unit.text.replace("/livestats -q", "/livestats -q --once"))


def test_a_reload_loses_no_point_and_sends_what_waits_once(tmp_path: Path) -> None:
    machine, unit = Machine(tmp_path), load_unit("livestats.service")
    folder = machine.etc("apteligent-importer")
    (folder / "app.blacklist").touch()
    with ApteligentSimulator(demo_apps()) as vendor, GraphiteReceiver() as carbon:
        (folder / "apteligent.json").write_text(json.dumps(account_keys(vendor.url)))
        (folder / "graphite.json").write_text(json.dumps({"host": "127.0.0.1", "port": carbon.port}))
        carbon.stop()
        assert machine.run(once(unit)).returncode == 0
        count = kept(machine)
        assert count > 0
        with machine.running(unit) as (process, systemd):
            systemd.wait_for("READY=1")
            carbon.start()
            reload = unit.command("ExecReload", "")
            subprocess.run(reload, env={"MAINPID": str(process.pid), "PATH": "/nonexistent"}, check=True)
            systemd.wait_for("RELOADING=1")
            systemd.wait_for("READY=1")
            carbon.wait_for_points(count, timeout_seconds=WAIT_SECONDS)
            process.terminate()
            systemd.wait_for("STOPPING=1")
            assert process.wait(WAIT_SECONDS) == 0
        sent = [(point.name, point.timestamp) for point in carbon.points]
        assert len(sent) == len(set(sent))
