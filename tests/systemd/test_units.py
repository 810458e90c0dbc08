"""Units: what systemd itself says of them, and what they have in common."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.metrics_importer.projects import PROJECTS
from importer.errors import ExitCode
from importer.events.settings.directory import PROJECT as STATS_SERVICE
from tests.commands import ROOT, Result
from tests.systemd.unit_files import FOLDER, PATHS, SERVICES, TIMERS, copy_with_launchers, load_unit

EXPOSURE_TENTHS = 15
"""What `systemd-analyze security` may come to at the most, in tenths."""

LONG_RUNNING = {
    "livestats.service": "apteligent-importer",
    "leexportpy.service": "leexportpy",
    "cton.service": "collectington",
    "cton@.service": "collectington",
    "stats-service.service": STATS_SERVICE,
    "stats-service-consume.service": STATS_SERVICE,
}
"""Each service and its project."""
TIMED = {
    "dailyjobs.service": "apteligent-importer",
    "groupedby.service": "apteligent-importer",
    "servicestats.service": "apteligent-importer",
    "pingdom.service": "apteligent-importer",
    "pp-collector@.service": "pp-collector",
}
"""Each service that a timer starts, and its project."""
FAILURE = "metrics-importer-failure@.service"
DASHBOARD = "metrics-importer-dashboard.service"
METRICS = "metrics-importer-metrics.service"
LOOKING = (DASHBOARD, METRICS)
"""Keep nothing, and look at what all others keep."""

needs_systemd = pytest.mark.server("systemd-analyze")


def run(*command: str | Path, unit_path: Path | None = None) -> tuple[int, str]:
    """Run a tool of systemd; return its exit code and all that it said."""
    environment = dict(os.environ, LC_ALL="C.UTF-8", SYSTEMD_COLORS="0", SYSTEMD_EMOJI="0")
    if unit_path is not None:
        environment["SYSTEMD_UNIT_PATH"] = f"{unit_path}:"  # and where the system has its own
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False, timeout=60
    )
    return done.returncode, done.stdout


def verify(folder: Path, *names: str) -> tuple[int, str]:
    """Return what systemd has against units of a folder."""
    paths = [folder / name for name in names] or sorted(path for path in folder.iterdir() if path.is_file())
    return run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *paths, unit_path=folder)


@needs_systemd
def test_systemd_has_nothing_against_any_unit(tmp_path: Path) -> None:
    copy_with_launchers(tmp_path)
    assert verify(tmp_path) == (0, "")


@needs_systemd
def test_systemd_would_tell_of_a_setting_that_it_does_not_know(tmp_path: Path) -> None:
    copy_with_launchers(tmp_path)
    path = tmp_path / "livestats.service"
    path.write_text(path.read_text().replace("ProtectClock=", "ProtectClocks="))
    assert "ProtectClocks" in verify(tmp_path, "livestats.service")[1]


@needs_systemd
def test_systemd_has_nothing_against_the_secrets_that_units_show_how_to_pass(tmp_path: Path) -> None:
    copy_with_launchers(tmp_path)
    for name in (*LONG_RUNNING, *TIMED, DASHBOARD):
        path = tmp_path / name
        text = path.read_text()
        assert "\n#LoadCredential=" in text
        path.write_text(text.replace("\n#LoadCredential=", "\nLoadCredential="))
    assert verify(tmp_path) == (0, "")


@needs_systemd
def test_systemd_has_nothing_against_what_is_written_for_the_shipped_jobs(
    tmp_path: Path, run_command: Callable[..., Result]
) -> None:
    copy_with_launchers(tmp_path)
    result = run_command("pp-collector-timers", ROOT / "etc/pp-collector/cronjobs", "--output", tmp_path)
    assert result.code == 0, result.stderr
    for drop_in in tmp_path.glob("pp-collector@*.service.d/*.conf"):
        drop_in.write_text(drop_in.read_text().replace("/usr/bin/", f"{ROOT}/bin/"))
    written = [path.name for path in tmp_path.glob("pp-collector@?*.timer")]
    assert len(written) > 1
    assert verify(tmp_path, *written, *(name.replace(".timer", ".service") for name in written)) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_exposed_to_little(name: str) -> None:
    code, said = run(
        "systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", "--no-pager", FOLDER / name
    )
    assert code == 0, said
    assert "Overall exposure level" in said


@needs_systemd
@pytest.mark.parametrize("name", [*LONG_RUNNING, *TIMED])
def test_a_service_with_all_its_secrets_is_exposed_to_no_more(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text((FOLDER / name).read_text().replace("\n#LoadCredential=", "\nLoadCredential="))
    code, said = run(
        "systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", "--no-pager", path
    )
    assert code == 0, said


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_the_same_sandbox(name: str) -> None:
    sandbox = load_unit(name).sandbox()
    assert ("ProtectSystem", "strict") in sandbox
    assert sandbox == load_unit("livestats.service").sandbox()


def test_every_command_that_runs_by_itself_has_a_unit() -> None:
    assert sorted({*LONG_RUNNING, *TIMED, FAILURE, *LOOKING}) == SERVICES
    assert sorted(name.replace(".service", ".timer") for name in TIMED) == TIMERS
    launched = {load_unit(name).command("ExecStart", "i")[0] for name in (*LONG_RUNNING, *TIMED)}
    commands = {command for project in PROJECTS.values() for command in project.commands}
    assert launched == {f"/usr/bin/{command}" for command in commands - {"stats-service-consume"}}
    assert all((ROOT / "bin" / Path(path).name).is_file() for path in launched)


@pytest.mark.parametrize("name", [*LONG_RUNNING, *LOOKING])
def test_a_service_starts_again_unless_a_person_has_to_mend_something_first(name: str) -> None:
    unit = load_unit(name)
    kept = {"Restart": "on-failure", "Type": "notify", "TimeoutStopSec": "10"}
    assert {key: unit.value("Service", key) for key in kept} == kept
    assert unit.value("Service", "RestartPreventExitStatus").split() == [
        str(int(ExitCode.USAGE)),
        str(int(ExitCode.CONFIG)),
    ]
    assert unit.value("Service", "WatchdogSec")
    assert unit.value("Install", "WantedBy") == "multi-user.target metrics-importer.target"


@pytest.mark.parametrize("name", TIMED)
def test_a_timed_run_is_made_up_for_and_cannot_hang_for_ever(name: str) -> None:
    service, timer = load_unit(name), load_unit(name.replace(".service", ".timer"))
    assert service.value("Service", "Type") == "oneshot"
    assert service.value("Service", "TimeoutStartSec") in {"1h", "2h", "6h"}
    assert timer.value("Timer", "Persistent") == "true"
    assert all(timer.value("Timer", key) for key in ("OnCalendar", "RandomizedDelaySec", "AccuracySec"))
    assert timer.value("Install", "WantedBy") == "timers.target metrics-importer.target"


@pytest.mark.parametrize(("name", "project"), [*LONG_RUNNING.items(), *TIMED.items()])
def test_a_service_runs_as_the_suites_user_in_directories_of_its_project(name: str, project: str) -> None:
    unit = load_unit(name)
    kinds = ("Configuration", "State", "Cache", "Logs")
    assert [unit.value("Service", f"{kind}Directory") for kind in kinds] == [project] * len(kinds)
    assert unit.value("Service", "User") == "metrics-importer"


@pytest.mark.parametrize("name", LOOKING)
def test_who_looks_at_what_every_project_keeps_has_no_directory_of_its_own(name: str) -> None:
    unit = load_unit(name)
    paths = " ".join(unit.values("Service", "ReadWritePaths")).split()
    assert sorted(paths) == sorted(f"-/var/lib/{project}" for project in PROJECTS)
    assert [unit.value("Service", f"{kind}Directory") for kind in ("Configuration", "State", "Cache", "Logs")] == [
        ""
    ] * 4
    assert unit.value("Service", "User") == "metrics-importer"


@pytest.mark.parametrize("name", [*LONG_RUNNING, *TIMED, *LOOKING])
def test_a_failure_is_told_by_the_hook(name: str) -> None:
    assert load_unit(name).value("Unit", "OnFailure") == FAILURE.replace("@", "@%n")


@pytest.mark.parametrize("name", [path.name for path in PATHS if path.name != FAILURE and path.suffix != ".target"])
def test_every_unit_is_part_of_the_suite(name: str) -> None:
    assert load_unit(name).value("Unit", "PartOf") == "metrics-importer.target"


@needs_systemd
@pytest.mark.parametrize(
    "name", ["livestats.service", "cton@shop.service", "dailyjobs.timer", "pp-collector@a-b.timer"]
)
def test_an_enabled_unit_starts_with_the_machine_and_with_the_suite(tmp_path: Path, name: str) -> None:
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    copy_with_launchers(units)
    code, said = run("systemctl", f"--root={tmp_path}", "enable", name)
    assert code == 0, said
    links = (tmp_path / "etc/systemd/system").glob("*.wants/*")
    wanted = {link.parent.name for link in links if link.name == name}
    boot = "timers.target" if name.endswith(".timer") else "multi-user.target"
    assert wanted == {f"{boot}.wants", "metrics-importer.target.wants"}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (
            {"MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_CODE": "exited", "MONITOR_EXIT_STATUS": "78"},
            "exit-code exited 78",
        ),
        ({}, "unknown"),
    ],
)
def test_the_hook_tells_which_unit_failed_and_how(how: dict[str, str], told: str) -> None:
    command = load_unit(FAILURE).command("ExecStart", "pp-collector@a-b.service")
    done = subprocess.run(command, env=how, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"<2>pp-collector@a-b.service has failed: {told}")
    assert "journalctl -u pp-collector@a-b.service" in done.stdout
    assert (done.stderr, done.stdout.count("\n")) == ("", 1)
