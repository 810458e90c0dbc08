"""The jobs of a jobs file become units of systemd, and units of jobs that are gone go."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.collector import jobs_file
from importer.collector.jobs_file import Job
from importer.collector.timers import Layout, build_units
from importer.errors import ConfigError
from tests.commands import ROOT, Result

SYSTEMD = shutil.which("systemd-analyze")
JOBS = """\
# nightly
0 1 * * *,tax-disc,credentials/ga.json,tokens/ga.json,pp.json
1-59/2 * * * *,realtime,credentials/ga.json,tokens/ga-realtime.json,pp.json
"""
TIMER = """\
[Unit]
Description=Collect tax-disc
PartOf=metrics-importer.target

[Timer]
OnCalendar=*-*-* 01:00:00
Persistent=true
AccuracySec=1s
RandomizedDelaySec=30s

[Install]
WantedBy=timers.target metrics-importer.target
"""
EXAMPLE = ROOT / "etc" / "pp-collector" / "cronjobs"
RunCommand = Callable[..., Result]


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A jobs file that has each job twice: a host whose name ends in a number runs every second one."""
    path = tmp_path / "cronjobs"
    path.write_text("".join(f"{line}\n{line}\n" for line in JOBS.splitlines()))
    return path


@pytest.fixture
def units(tmp_path: Path) -> Path:
    return tmp_path / "units"


@pytest.fixture
def write(run_command: RunCommand, jobs: Path, units: Path) -> Callable[..., Result]:
    """`write(*options)` runs the command for the jobs and the units of the test."""

    def run(*options: str | Path, **settings: object) -> Result:
        return run_command("pp-collector-timers", jobs, "--output", units, *options, **settings)

    return run


def names(units: Path) -> list[str]:
    return sorted(str(path.relative_to(units)) for path in units.rglob("*") if path.is_file())


def layout(jobs: Path, *, app: Path | None = None) -> Layout:
    return Layout(jobs, app=app)


def one_job(schedule: str = "@daily", slug: str = "a", *, line: int = 1, credentials: str = "c") -> Job:
    return Job(line, schedule, slug, credentials, "t", "b")


ALL_NAMES = [
    f"pp-collector@{slug}.{kind}" for slug in ("realtime", "tax-disc") for kind in ("service.d/job.conf", "timer")
]


def test_each_job_has_a_timer_and_a_service(write: Callable[..., Result], jobs: Path, units: Path) -> None:
    result = write()
    assert (result.code, result.stderr) == (0, "")
    assert names(units) == ALL_NAMES
    marker = f"# Written by pp-collector-timers from {jobs}: changes are overwritten.\n"
    assert (units / "pp-collector@tax-disc.timer").read_text() == marker + TIMER
    config = jobs.parent
    files = f"-c {config}/credentials/ga.json -t {config}/tokens/ga.json -b {config}/pp.json"
    drop_in = (units / "pp-collector@tax-disc.service.d" / "job.conf").read_text()
    assert drop_in == (f"{marker}[Service]\nExecStart=\nExecStart=/usr/bin/pp-collector -l tax-disc {files}\n")
    assert (units / "pp-collector@tax-disc.timer").stat().st_mode & 0o777 == 0o644


def test_an_application_a_user_and_disabled_collectors_are_in_the_service(
    write: Callable[..., Result], jobs: Path, units: Path
) -> None:
    assert write("--app", "/opt/app", "--user", "collector", env={"DISABLE_COLLECTORS": "true"}).code == 0
    text = (units / "pp-collector@tax-disc.service.d" / "job.conf").read_text()
    command = "/opt/app/venv/bin/pp-collector -l tax-disc -c /opt/app/config/credentials/ga.json"
    assert f"ExecStart={command} " in text
    assert text.endswith("\nUser=collector\nEnvironment=DISABLE_COLLECTORS=true\n")


def test_a_second_run_changes_nothing_and_units_of_jobs_that_are_gone_go(
    write: Callable[..., Result], jobs: Path, units: Path
) -> None:
    write()
    (units / "mine.timer").write_text("[Timer]\n")
    (units / "pp-collector@mine.timer").write_text("[Timer]\n")
    (units / "pp-collector@realtime.service.d" / "mine.conf").write_text("[Service]\n")
    assert write().stdout == ""
    jobs.write_text("".join(line + "\n" for line in jobs.read_text().splitlines() if "realtime" not in line))
    result = write()
    gone = units / "pp-collector@realtime.timer"
    assert f"{gone}: removed\n" in result.stdout
    assert f"  systemctl disable --now {gone.name}\n  systemctl daemon-reload\n" in result.stdout
    assert names(units) == [
        "mine.timer",
        "pp-collector@mine.timer",
        "pp-collector@realtime.service.d/mine.conf",
        *ALL_NAMES[2:],
    ]
    jobs.write_text("# none\n")
    write()
    assert not (units / "pp-collector@tax-disc.service.d").exists()


def test_units_of_another_jobs_file_stay(
    write: Callable[..., Result], run_command: RunCommand, jobs: Path, units: Path
) -> None:
    write()
    other = jobs.with_name("other")
    other.write_text("@daily,other,c,t,b\n" * 2)
    assert run_command("pp-collector-timers", other, "--output", units).code == 0
    assert {"pp-collector@other.timer", *ALL_NAMES} <= set(names(units))


def test_a_unit_that_somebody_else_has_written_is_not_touched(
    write: Callable[..., Result], jobs: Path, units: Path
) -> None:
    units.mkdir()
    (units / "pp-collector@realtime.timer").write_text("[Timer]\n")
    result = write()
    path = units / "pp-collector@realtime.timer"
    told = f"{path}: was not written for {jobs}; remove it, or rename the job"
    assert (result.code, result.stderr) == (1, f"pp-collector-timers: {told}\n")
    assert names(units) == [path.name]


def test_a_dry_run_prints_the_units_and_writes_nothing(write: Callable[..., Result], jobs: Path, units: Path) -> None:
    result = write("--dry-run")
    assert (result.code, result.stderr) == (0, "")
    assert f"==> {units / 'pp-collector@tax-disc.timer'} <==\n" in result.stdout
    assert TIMER in result.stdout
    assert not units.exists()
    write()
    jobs.write_text("# none\n")
    assert f"{units / 'pp-collector@tax-disc.timer'}: would be removed\n" in write("--dry-run").stdout
    assert names(units) == ALL_NAMES


def test_a_check_tells_what_is_out_of_date(write: Callable[..., Result], jobs: Path, units: Path) -> None:
    result = write("--check")
    assert result.code == 1
    assert f"{units / 'pp-collector@tax-disc.timer'}: out of date\n" in result.stdout
    assert not units.exists()
    write()
    checked = write("--check")
    assert (checked.code, checked.stdout) == (0, "")


def test_a_wrong_jobs_file_changes_nothing(write: Callable[..., Result], jobs: Path, units: Path) -> None:
    write()
    jobs.write_text("0 25 * * *,a,c,t,b\n" * 2)
    result = write()
    assert result.code == 78
    assert f'pp-collector-timers: {jobs}:1: hour "25" is not from 0 to 23\n' in result.stderr
    jobs.write_text("nothing\n")
    assert write().stderr.startswith(f'pp-collector-timers: {jobs}:1: "nothing" is not a job; ')
    jobs.unlink()
    assert write().stderr == f"pp-collector-timers: {jobs}: does not exist\n"
    assert names(units) == ALL_NAMES


def test_a_unit_that_cannot_be_written_is_told(write: Callable[..., Result], units: Path) -> None:
    path = units / "pp-collector@tax-disc.timer"
    path.mkdir(parents=True)
    result = write()
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == f"pp-collector-timers: {path}: cannot be written: Is a directory\n"
    assert list(units.glob(".*")) == []


def test_a_user_other_than_before_is_warned_of_once_for_each_service(write: Callable[..., Result]) -> None:
    first = write("--user", "alice")
    assert (first.code, first.stderr) == (0, "")
    lines = write("--user", "bob").stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "pp-collector-timers: warning: pp-collector@realtime.service runs as alice, the jobs of "
    )
    assert lines[0].endswith(" as bob: they share /var/lib/pp-collector, which belongs to one user")
    assert write("--user", "bob").stderr == ""
    assert "runs as bob, the jobs of" in write("--check").stderr


def test_a_service_of_another_jobs_file_that_runs_as_another_user_is_warned_of(
    write: Callable[..., Result], units: Path
) -> None:
    folder = units / "pp-collector@other.service.d"
    folder.mkdir(parents=True)
    (folder / "job.conf").write_text("[Service]\nUser=carol\n")
    result = write()
    assert result.code == 0
    assert result.stderr.startswith("pp-collector-timers: warning: pp-collector@other.service runs as carol, the jobs")
    assert "as the packaged user: they share" in result.stderr
    assert write("--user", "carol").stderr.count("runs as the packaged user, the jobs") == 2


def test_a_service_that_is_removed_is_not_warned_of(write: Callable[..., Result], jobs: Path) -> None:
    assert write("--user", "alice").code == 0
    jobs.write_text("")
    assert write("--user", "bob").stderr == ""


@pytest.mark.parametrize("options", [[], ["--user", "a b"], ["--app", ""], ["--app", "a\nb"], ["--check", "--dry-run"]])
def test_a_wrong_command_line_is_told(options: list[str], run_command: RunCommand, jobs: Path, units: Path) -> None:
    arguments = [str(jobs), *(["--output", str(units)] if options else []), *options]
    assert run_command("pp-collector-timers", *arguments).code == 2
    assert not units.exists()


def test_two_numbered_hosts_share_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "collector-1")
    shared = jobs_file.jobs_of_this_host([one_job(slug=slug) for slug in "abcd"])
    assert [job.slug for job in shared] == ["b", "d"]


def test_lines_of_one_slug_make_one_timer(tmp_path: Path) -> None:
    lines = [one_job("0 1 * * *"), one_job("30 4 * * mon", line=2), one_job("0 1 * * *", line=3)]
    text = build_units(lines, layout(tmp_path / "jobs"))["pp-collector@a.timer"]
    assert [line for line in text.splitlines() if line.startswith("On")] == [
        "OnCalendar=*-*-* 01:00:00",
        "OnCalendar=Mon *-*-* 04:30:00",
    ]


def test_every_line_that_cannot_be_a_unit_is_told(tmp_path: Path) -> None:
    lines = [
        one_job(),
        one_job(credentials="other", line=2),
        one_job(slug="a/b", line=3),
        one_job("@never", slug="c", line=4),
    ]
    with pytest.raises(ConfigError) as caught:
        build_units(lines, layout(tmp_path / "jobs"))
    told = [line.removeprefix(f"{tmp_path}/jobs:") for line in caught.value.lines]
    assert told[0] == '2: "a" has other files than in line 1; one slug is one service'
    assert told[1] == '3: slug "a/b" cannot name a unit; letters, digits and : _ . - are expected'
    assert told[2].startswith('4: "@never" is not understood')


def test_what_means_something_to_systemd_reaches_the_command_as_it_is(tmp_path: Path) -> None:
    app = tmp_path / 'a "b" $HOME 100%'
    text = build_units([one_job()], layout(tmp_path / "jobs", app=app))["pp-collector@a.service.d/job.conf"]
    quoted = f'"{tmp_path}/a \\"b\\" $$HOME 100%%/venv/bin/pp-collector" -l a -c "{tmp_path}/'
    assert f"\nExecStart={quoted}" in text


@pytest.mark.server("systemd-analyze")
def test_systemd_takes_the_units_of_the_example(tmp_path: Path) -> None:
    assert SYSTEMD is not None
    units = build_units(jobs_file.load_jobs(EXAMPLE), layout(EXAMPLE))
    units["pp-collector@boot.timer"] = build_units([one_job("@reboot")], layout(EXAMPLE))["pp-collector@a.timer"]
    units["pp-collector@.service"] = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
    for name, text in units.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("/usr/bin/pp-collector", "/bin/true"))
    paths = [tmp_path / name for name in units if name.endswith(".timer")]
    done = subprocess.run([SYSTEMD, "verify", *paths], capture_output=True, text=True, check=False)
    assert len(paths) > 2
    assert (done.returncode, done.stderr) == (0, "")
