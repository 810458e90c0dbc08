"""The first steps that docs/operators.md prints bring the first points into a store, as they are printed."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME
from tests.commands import ROOT
from tests.debian.container import PACKAGE, WAIT_SECONDS, Container
from tests.debian.marks import MARKS
from tests.debian.site import HOST
from tests.end_to_end.world import World, assert_same
from tests.servers import CarbonCache

pytestmark = MARKS

USER = "ali"
EDITOR = """\
#!/usr/bin/python3
import json, pathlib, sys
answers = json.loads(pathlib.Path("/etc/answers.json").read_text())
for path in map(pathlib.Path, sys.argv[1:]):
    (keys,) = (keys for name, keys in answers.items() if path.name.startswith(name))
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
"""


def printed_commands() -> list[str]:
    """Return the commands below the heading of the page."""
    page = (ROOT / "docs/operators.md").read_text()
    (block,) = re.findall(
        r"^### From nothing to the first point\n.*?^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    return [line.removeprefix("$ ") for line in block.splitlines()]


def welcome(machine: Container, answers: Mapping[str, Mapping[str, object]]) -> None:
    """Make a user who may use sudo, and whose editor writes into the files that are edited what is missing."""
    machine.run("apt-get", "--quiet=2", "install", "--yes", "--no-install-recommends", "sudo")
    machine.run("useradd", "--create-home", USER)
    machine.write("/etc/sudoers.d/ali", f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    machine.write("/usr/local/bin/edit", EDITOR)
    machine.run("chmod", "755", "/usr/local/bin/edit")
    machine.write("/etc/answers.json", json.dumps(answers))


def type_in(machine: Container, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line as the user types it, who says yes to whatever is asked."""
    return machine.try_run(*("runuser", "--login", USER, "--command", f"yes | SUDO_EDITOR=/usr/local/bin/edit {line}"))


def test_three_commands_lead_from_nothing_to_the_first_point_in_carbon(bare: Container, tmp_path: Path) -> None:
    commands = printed_commands()
    assert len(commands) == 3
    (file,) = re.findall(r"\./(metrics-importer_\S+\.deb)", commands[0])
    with World(tmp_path / "world") as world, CarbonCache(tmp_path / "carbon") as carbon:
        account = {"hostname": world.vendor.url, "username": USERNAME, "password": PASSWORD, "clientID": CLIENT_ID}
        store = {"host": HOST, "port": carbon.plain_port, "protocol": "plain"}
        welcome(bare, {"apteligent": account, "graphite": store})
        shutil.copy(PACKAGE, bare.root / "home" / USER / file)
        for command in commands:
            done = type_in(bare, command)
            assert done.returncode == 0, f"{command}\n{done.stdout}"
        expected = world.expected("livestats")
        found = {
            (name, timestamp): value
            for name, _ in expected
            for timestamp, value in carbon.wait_for(name, 5, deadline_seconds=WAIT_SECONDS).items()
        }
    assert_same(found, expected)


@pytest.mark.parametrize("name", ["apteligent.json", "graphite.json"])
def test_what_is_edited_stays_as_private_as_it_was(bare: Container, name: str) -> None:
    expected = {"apteligent.json": "root:metrics-importer:640\n", "graphite.json": "root:root:644\n"}[name]
    assert bare.run("stat", "--format=%U:%G:%a", f"/etc/apteligent-importer/{name}") == expected
