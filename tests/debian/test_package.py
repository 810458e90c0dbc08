"""The package on a Debian machine: installed, run by systemd, upgraded, removed, purged. In this order."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

import importer
from importer.simulators.apteligent import ApteligentSimulator, demo_apps
from tests.apteligent import ZONES, account_keys, unused_port
from tests.commands import ROOT
from tests.debian.container import PACKAGE, WAIT_SECONDS, Container, booted
from tests.debian.marks import MARKS

UNITS = sorted(path.name for path in (ROOT / "systemd").iterdir())
COMMANDS = sorted(path.name for path in (ROOT / "bin").iterdir() if path.is_file())
OF_OTHERS = re.compile(r"/__pycache__|^/(dev|proc|run|sys|tmp)/|^/var/(backups|cache|lib|log|tmp)/|^/etc/.*-$|^/root/")
"""What Debian's own tools write whenever a package comes or goes."""
OURS = re.compile(r"importer|collector|collectington|stats-service|leexport|cton|livestats|dailyjobs|groupedby|pingdom")
TOKEN_FILE = "/etc/stats-service/access.json"

COMPILED = (
    "bcrypt, charset_normalizer.md, confluent_kafka, cryptography.hazmat.bindings._rust, httptools, orjson, plotext, "
    "uvloop, _cffi_backend"
)
OLD_PACKAGE = {
    "DEBIAN/control": "Package: apteligentimporter\nVersion: 1.0.7\nArchitecture: all\nMaintainer: Somebody\n"
    "Description: what was installed before\n",
    "DEBIAN/conffiles": "/etc/apteligent-importer/apteligent.json\n",
    "etc/apteligent-importer/apteligent.json": "{}\n",
    "opt/apteligentimporter/bin/livestats.py": "#!/bin/sh\necho old\n",
}

pytestmark = MARKS


@pytest.fixture(scope="module")
def files_before(bare: Container) -> set[str]:
    """The files of the machine without the package."""
    return files(bare)


@pytest.fixture(scope="module")
def machine(bare: Container, files_before: set[str]) -> Container:
    """The machine with the package installed."""
    assert files_before
    bare.install(Path(PACKAGE).resolve())
    return bare


@pytest.fixture(scope="module")
def service(machine: Container) -> str:
    """The stats service as its example configures it, enabled and started; gives its address."""
    port = unused_port()
    shipped = machine.shell("cat /usr/share/doc/metrics-importer/examples/stats-service/stats-service.ini")
    assert "port = 20080" in shipped
    machine.write("/etc/stats-service/stats-service.ini", shipped.replace("port = 20080", f"port = {port}"))
    machine.run("stats-token", "create", "ali", "--access-json", TOKEN_FILE)
    machine.run("systemctl", "enable", "--now", "stats-service.service")
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def outbox(machine: Container) -> list[object]:
    """What waits in the outbox of `livestats` after a run whose carbon was down, as `status` tells it."""
    carbon = {"host": "127.0.0.1", "port": unused_port(), "protocol": "plain"}
    with ApteligentSimulator(demo_apps()) as vendor:
        configuration = {"apteligent": account_keys(vendor.url), "graphite": carbon, "app_timezones": ZONES}
        for name, content in configuration.items():
            machine.write(f"/etc/apteligent-importer/{name}.json", json.dumps(content))
        machine.run("runuser", "--user=metrics-importer", "--", "livestats", "--once", "--quiet")
    waiting = queues(machine)
    assert waiting
    return waiting


def queues(machine: Container) -> list[object]:
    status = json.loads(machine.shell("metrics-importer status --json 2>/dev/null || test $? -eq 1"))
    found = [command["waiting"] for command in status["commands"] if command["command"] == "livestats"]
    return [(waiting["payloads"], waiting["points"], waiting["bytes"]) for waiting in found]


def files(container: Container) -> set[str]:
    """Return all that there is, but for what others write; what has one of our names counts anywhere."""
    found = container.run("find", "/", "-xdev").splitlines()
    return {path for path in found if OURS.search(path) or not OF_OTHERS.search(path)}


def answer(url: str) -> int:
    with urllib.request.urlopen(f"{url}/health", timeout=10) as response:
        status: int = response.status
    return status


def test_every_command_starts_and_has_a_manual(machine: Container) -> None:
    for command in COMMANDS:
        assert machine.run(command, "--version").split()[-1] == importer.__version__
        assert machine.run(command, "--help").startswith("usage:")
    manuals = set(machine.shell("cd /usr/share/man/man1 && ls *.1.gz").split())
    assert {f"{command}.1.gz" for command in COMMANDS} <= manuals


@pytest.mark.parametrize("name", ["dailyjobs", "groupedby", "livestats", "servicestats"])
def test_scripts_of_the_old_package_are_where_they_were(machine: Container, name: str) -> None:
    assert machine.run(f"/opt/apteligentimporter/bin/{name}.py", "--version") == f"{name} {importer.__version__}\n"


def test_what_the_requirements_have_compiled_can_be_loaded(machine: Container) -> None:
    assert machine.run("/opt/venvs/metrics-importer/bin/python", "-W", "error", "-c", f"import {COMPILED}") == ""


def test_it_can_be_installed_beside_the_python_that_it_was_built_for_alone(machine: Container) -> None:
    minor = int(machine.run("python3", "-c", "import sys; print(sys.version_info.minor)"))
    needed = machine.run("dpkg-query", "--show", "--showformat=${Depends}", "metrics-importer").split(", ")
    assert {f"python3 (>= 3.{minor})", f"python3 (<< 3.{minor + 1})"} <= set(needed)


def test_nothing_is_compiled_when_a_command_starts(machine: Container) -> None:
    said = machine.run("/opt/venvs/metrics-importer/bin/python", "-v", "/usr/bin/metrics-importer", "--version")
    loaded = set(re.findall(r"code object from '?/opt/\S+\.(pyc?)\b", said))
    assert loaded == {"pyc"}


def test_what_is_installed_into_etc_is_free_of_mistakes(machine: Container) -> None:
    assert "ok /etc/apteligent-importer/apteligent.json" in machine.run("metrics-importer", "check")


@pytest.mark.parametrize("name", ["apteligent-importer/apteligent.json", "leexportpy/config.ini"])
def test_a_file_of_secrets_is_for_root_and_the_commands_alone(machine: Container, name: str) -> None:
    assert machine.run("stat", "--format=%U:%G:%a", f"/etc/{name}") == "root:metrics-importer:640\n"


def test_nothing_is_enabled_or_runs_before_it_is_configured(machine: Container) -> None:
    states = {unit: machine.try_run("systemctl", "is-enabled", unit).stdout.strip() for unit in UNITS}
    assert set(states.values()) <= {"disabled", "static"}
    plain = [unit for unit in UNITS if "@" not in unit]
    assert {machine.property_of(unit, "ActiveState") for unit in plain} == {"inactive"}


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_has_nothing_against_an_installed_unit(machine: Container, unit: str) -> None:
    assert machine.run("systemd-analyze", "verify", "--man=no", unit.replace("@.", "@x.")) == ""


def test_a_service_starts_from_the_example_and_answers(service: str) -> None:
    assert answer(service) == 200


def test_a_killed_service_is_started_again(machine: Container, service: str) -> None:
    killed = machine.property_of("stats-service.service", "MainPID")
    with machine.journal("stats-service.service") as messages:
        machine.run("kill", "-KILL", killed)
        messages.wait_for("Started stats-service.service", 1, WAIT_SECONDS)
    assert machine.property_of("stats-service.service", "MainPID") != killed
    assert answer(service) == 200


def test_enabled_timers_are_listed(machine: Container) -> None:
    timers = [unit for unit in UNITS if unit.endswith(".timer") and "@" not in unit]
    machine.run("systemctl", "enable", "--now", *timers)
    listed = machine.run("systemctl", "list-timers", "--no-legend")
    assert [timer for timer in timers if timer not in listed] == []
    machine.run("systemctl", "stop", *timers)


def test_an_upgrade_keeps_outbox_and_configuration_and_restarts_what_runs(
    machine: Container, service: str, outbox: list[object]
) -> None:
    before = machine.property_of("stats-service.service", "MainPID")
    configured = machine.run("sha256sum", "/etc/apteligent-importer/apteligent.json")
    machine.install(Path(PACKAGE).resolve())
    assert queues(machine) == outbox
    assert machine.run("sha256sum", "/etc/apteligent-importer/apteligent.json") == configured
    assert machine.property_of("stats-service.service", "ActiveState") == "active"
    assert machine.property_of("stats-service.service", "MainPID") != before
    assert answer(service) == 200
    assert machine.property_of("livestats.service", "ActiveState") == "inactive"


@pytest.mark.usefixtures("service", "outbox")
def test_removing_stops_services_and_keeps_what_is_not_the_packages(machine: Container) -> None:
    machine.run("apt-get", "remove", "--yes", "metrics-importer")
    assert machine.try_run("pgrep", "-u", "metrics-importer").stdout == ""
    kept = ["/var/lib/apteligent-importer", "/etc/apteligent-importer/apteligent.json", TOKEN_FILE]
    machine.run("ls", *kept)
    assert not (machine.root / "usr/bin/livestats").is_symlink()


@pytest.mark.usefixtures("service", "outbox")
def test_purging_leaves_nothing(machine: Container, files_before: set[str]) -> None:
    machine.run("apt-get", "purge", "--yes", "metrics-importer")
    machine.run("rm", f"/root/{Path(PACKAGE).name}")
    assert sorted(files(machine) - files_before) == []
    assert machine.try_run("getent", "passwd", "metrics-importer").stdout == ""
    assert machine.try_run("getent", "group", "metrics-importer").stdout == ""


def build_old_package(folder: Path) -> Path:
    for name, text in OLD_PACKAGE.items():
        file = folder / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "tree/opt/apteligentimporter/bin/livestats.py").chmod(0o755)
    package = folder / "apteligentimporter_1.0.7_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", folder / "tree", package], check=True)
    return package


def test_it_takes_the_place_of_the_old_package_whose_configuration_stays(tmp_path: Path) -> None:
    script, file = "/opt/apteligentimporter/bin/livestats.py", "/etc/apteligent-importer/apteligent.json"
    with booted(tmp_path) as container:
        container.install(build_old_package(tmp_path))
        assert container.run(script) == "old\n"
        container.write(file, '{"edited": true}\n')
        container.prepare()
        container.install(Path(PACKAGE).resolve())
        assert container.run(script, "--version") == f"livestats {importer.__version__}\n"
        container.run("dpkg", "--purge", "apteligentimporter")
        assert container.run("cat", file) == '{"edited": true}\n'
        assert container.run("stat", "--format=%U:%G:%a", file) == "root:root:644\n"
