"""The dashboard in its sandbox: it sees what the commands keep, and changes nothing of it."""

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.debian.container import WAIT_SECONDS, Container
from tests.debian.marks import MARKS
from tests.debian.site import HOST, crash_analytics, drop_in, import_once
from tests.servers.process import free_port

pytestmark = MARKS

UNIT = "metrics-importer-dashboard.service"
STATE = "/var/lib/apteligent-importer"


def asked(port: int, path: str) -> Any:
    with urlopen(f"http://{HOST}:{port}{path}", timeout=WAIT_SECONDS) as answer:
        return json.load(answer)


def test_the_page_shows_what_the_commands_keep_and_follows_them(machine: Container, tmp_path: Path) -> None:
    port = free_port(HOST)
    options = f"[Service]\nExecStart=\nExecStart=/usr/bin/metrics-importer dashboard --port {port}\n"
    with crash_analytics(machine, tmp_path / "world", port=free_port(HOST)), drop_in(machine, UNIT, options):
        machine.write("/etc/apteligent-importer/graphite.json", '{"protocol": "sqlite"}')
        import_once(machine, "dailyjobs")
        machine.start(UNIT)
        before = asked(port, "/api/status")
        assert [(command["command"], command["state"]) for command in before["commands"]] == [("dailyjobs", "ok")]
        assert [store["store"] for store in before["stores"]] == [f"{STATE}/metrics.db"]
        assert asked(port, "/api/series")["total"] > 0
        import_once(machine, "livestats")
        after = asked(port, f"/api/status?after={before['version']}")
        assert {command["command"] for command in after["commands"]} == {"dailyjobs", "livestats"}
        assert machine.run("stat", "--format=%U", f"{STATE}/metrics.db", f"{STATE}/dailyjobs.outbox").split() == [
            "metrics-importer",
            "metrics-importer",
        ]
        machine.run("systemctl", "stop", UNIT)
        assert machine.property_of(UNIT, "Result") == "success"
