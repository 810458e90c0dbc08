"""`leexportpy start -d` and `leexportpy stop`: what they say, return and leave behind."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from importer.cli.leexport.start import exit_code_of
from importer.errors import ExitCode
from importer.simulators.base import never
from tests.commands import ROOT, Result, isolated_environment
from tests.leexport.daemons import daemons_of, kill_and_wait, none_left
from tests.leexport.running import LOG_LINE, plug_in
from tests.leexport.site import Site

NOBODY = 65534


@pytest.fixture(autouse=True)
def _no_daemon_left(site: Site) -> Iterator[None]:
    """End what a test has started in the background, before the simulators stop."""
    with none_left(site.commands.home):
        yield


def pid_file(site: Site) -> Path:
    return Path(site.commands.environment["PID_DIR"]) / "leexportpy.pid"


def log_file(site: Site) -> Path:
    return site.commands.log_dir / "leexportpy.log"


def start(site: Site, **options: object) -> Result:
    """Run `start -d` to its end, with the configuration as it is on disk."""
    return site.run("start", "-d", "-c", site.config, **options)


def start_well(site: Site) -> int:
    """Start the searches in the background, and return the number of the process."""
    site.write()
    assert start(site).code == 0
    return int(pid_file(site).read_text())


def number_of_nobody() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


# start -d


def test_start_says_where_the_log_is_and_returns_while_the_searches_run(site: Site) -> None:
    site.line("requests", period=1)
    site.write()
    result = start(site)
    assert result.stdout.splitlines() == [
        "Trying to run the app...",
        f"Trying to run in daemonized mode. Check log file for further insight: {log_file(site)}",
    ]
    assert (result.code, result.stderr) == (0, "")
    site.geckoboard.wait_for_widget("requests", 2)


def test_the_pid_file_holds_digits_and_a_newline_and_the_log_is_not_for_everybody(site: Site) -> None:
    site.line("requests")
    pid = start_well(site)
    assert daemons_of(site.commands.home) == [pid]
    assert pid_file(site).read_bytes() == b"%d\n" % pid
    site.geckoboard.wait_for_widget("requests")
    assert site.run("stop").code == 0
    log = log_file(site).read_text()
    assert stat.S_IMODE(log_file(site).stat().st_mode) == 0o640
    assert [line for line in log.splitlines() if not LOG_LINE.fullmatch(line)] == []
    assert " - search started: search=requests service=geckoboard\n" in log
    assert [key for key in site.keys if key in log] == []


def test_a_relative_path_counts_from_where_start_was_called(site: Site) -> None:
    site.line("requests")
    site.write()
    result = site.run("start", "-d", "-c", site.config.relative_to(site.commands.home))
    assert (result.code, result.stderr) == (0, "")
    site.geckoboard.wait_for_widget("requests")


def test_relative_paths_in_the_environment_do_too(site: Site) -> None:
    plug_in(site, "mine", "requests.get(self.push_url)")
    environment = site.commands.environment
    for variable in ("LEEXPORTPY_SERVICES", "STATE_DIR", "PID_DIR", "LOG_DIR"):
        environment[variable] = str(Path(environment[variable]).relative_to(site.commands.home))
    site.write()
    result = start(site)
    assert (result.code, result.stderr) == (0, "")
    site.geckoboard.wait_for(1)
    assert site.run("stop").stdout.splitlines()[-1] == "Daemon terminated."
    assert (site.commands.home / "state" / "leexportpy.outbox").is_file()
    assert (site.commands.home / "log" / "leexportpy.log").is_file()


def test_a_second_start_is_refused_and_the_first_goes_on(site: Site) -> None:
    site.line("requests", period=1)
    pid = start_well(site)
    result = start(site)
    assert (result.code, result.stderr) == (1, "")
    refusal = f"Tried to run the app but an existing pid file found. {pid_file(site)}"
    assert result.stdout.splitlines()[-1] == refusal
    assert daemons_of(site.commands.home) == [pid]
    states = len(site.geckoboard.widgets.get("requests", ()))
    site.geckoboard.wait_for_widget("requests", states + 1)


def test_of_starts_at_the_same_time_one_wins_and_the_others_say_so(site: Site) -> None:
    site.line("requests")
    site.write()
    command = [sys.executable, str(ROOT / "bin" / "leexportpy"), "start", "-d", "-c", str(site.config)]
    with ExitStack() as stack:
        starts = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    cwd=site.commands.home,
                    env=site.commands.environment,
                )
            )
            for _ in range(4)
        ]
        outputs = [process.communicate(timeout=30) for process in starts]
        codes = [process.returncode for process in starts]
    assert sorted(codes) == [0, 1, 1, 1]
    refusal = f"Tried to run the app but an existing pid file found. {pid_file(site)}"
    assert [said.splitlines()[-1] == refusal for said, _ in outputs] == [code == 1 for code in codes]
    assert [errors for _, errors in outputs] == [""] * 4
    assert daemons_of(site.commands.home) == [int(pid_file(site).read_text())]
    site.geckoboard.wait_for_widget("requests")
    assert site.run("stop").code == 0
    assert len(site.api.requests) == 1


def test_a_start_whose_output_nobody_reads_starts_all_the_same(site: Site) -> None:
    site.line("requests")
    site.write()
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, str(ROOT / "bin" / "leexportpy"), "start", "-d", "-c", str(site.config)],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            cwd=site.commands.home,
            env=site.commands.environment,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    site.geckoboard.wait_for_widget("requests")
    assert site.run("stop").stdout.splitlines()[-1] == "Daemon terminated."


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "unknown"])
def test_the_pid_file_of_a_process_that_is_gone_does_not_keep_the_next_from_starting(
    site: Site, *, killed: bool
) -> None:
    site.line("requests")
    gone = start_well(site) if killed else number_of_nobody()
    if killed:
        kill_and_wait(gone)
    pid_file(site).write_text(f"{gone}\n")
    pid = start_well(site)
    assert pid != gone
    assert daemons_of(site.commands.home) == [pid]


@pytest.mark.parametrize("content", ["", "leexportpy\n", "-1\n"])
def test_a_pid_file_of_something_else_is_named_and_left_alone(site: Site, content: str) -> None:
    site.line("requests")
    site.write()
    pid_file(site).write_text(content)
    for result in (start(site), site.run("stop")):
        assert result.code == 1
        assert result.stderr.startswith(f"leexportpy: {pid_file(site)}: holds no process number")
        assert result.stderr.count("\n") == 1
    assert pid_file(site).read_text() == content
    assert daemons_of(site.commands.home) == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        "[LE\n",
        "[LE]\n[Searches]\n[[a]]\n",
        "[LE]\nrw_api_key = key\n[Searches]\n[[a]]\n[[[query]]]\n[[b]]\n[[[destination]]]\nservice = gone\n",
    ],
    ids=["missing", "unparsable", "no key", "wrong searches alone"],
)
def test_a_wrong_file_is_told_as_in_the_foreground_and_nothing_runs(site: Site, text: str | None) -> None:
    if text is not None:
        site.config.write_text(text)
    result = start(site)
    assert result.code == 78
    assert result.stderr.startswith(f"leexportpy: {site.config}:")
    assert result.stderr == site.run("start", "-c", site.config).stderr
    assert not pid_file(site).exists()
    assert daemons_of(site.commands.home) == []


def test_a_wrong_search_is_told_in_the_log_while_the_others_run(site: Site) -> None:
    site.line("requests")
    site.line("never", period=0)
    start_well(site)
    site.geckoboard.wait_for_widget("requests")
    told = f"{site.config}: [Searches] [[never]] query_period: "
    assert told in log_file(site).read_text()


# stop


def test_what_a_service_prints_is_in_the_log_file(site: Site) -> None:
    plug_in(site, "mine", "print('from my service', flush=True); requests.get(self.push_url)")
    start_well(site)
    site.geckoboard.wait_for(1)
    assert site.run("stop").code == 0
    assert " - printed by [[mine]] mine: from my service\n" in log_file(site).read_text()


def test_the_traceback_of_a_service_is_in_the_log_file_of_those_who_debug(site: Site) -> None:
    plug_in(site, "mine", "requests.get(self.push_url); 1 / 0", period=1)
    site.write()
    assert site.run("start", "-d", "--debug", "-c", site.config).code == 0
    site.geckoboard.wait_for(2)  # the first is told by then
    assert site.run("stop").code == 0
    assert "\n    ZeroDivisionError: division by zero\n" in log_file(site).read_text()


def test_stop_returns_once_the_process_has_ended_and_its_pid_file_is_gone(site: Site) -> None:
    site.line("requests")
    start_well(site)
    site.geckoboard.wait_for_widget("requests")
    result = site.run("stop")
    assert result.stdout.splitlines() == ["Trying to terminate the daemon...", "Daemon terminated."]
    assert (result.code, result.stderr) == (0, "")
    assert daemons_of(site.commands.home) == []
    assert not pid_file(site).exists()


def test_stop_waits_for_a_process_whose_query_push_and_service_hang(site: Site) -> None:
    plug_in(site, "mine", "requests.post(self.push_url)")
    site.series("web.errors")
    site.line("slow", statement="where(slow) calculate(count)")
    site.geckoboard.fail(never, times=None)
    site.graphite.fail(never, times=None)
    site.api.fail(never, times=None, when=lambda request: b"slow" in request.body)
    start_well(site)
    for simulator, count in ((site.api, 3), (site.geckoboard, 1), (site.graphite, 1)):
        simulator.wait_for(count)
    result = site.run("stop")
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "Daemon terminated."
    assert daemons_of(site.commands.home) == []


def test_stop_says_that_nothing_runs_however_often_it_is_called(site: Site) -> None:
    site.line("requests")
    start_well(site)
    assert site.run("stop").code == 0
    for _ in range(2):
        result = site.run("stop")
        said = "No leexportpy instance found so it could not be stopped.\n"
        assert (result.code, result.stdout, result.stderr) == (0, said, "")


def test_stop_tells_a_pid_file_whose_process_is_gone_and_removes_it(site: Site) -> None:
    pid_file(site).write_text(f"{number_of_nobody()}\n")
    result = site.run("stop")
    assert result.stdout.splitlines() == [
        "Trying to terminate the daemon...",
        f"Pid file found but no such process was found. The pid file was {pid_file(site)}",
    ]
    assert (result.code, result.stderr) == (0, "")
    assert not pid_file(site).exists()


def test_what_was_stopped_can_be_started_again(site: Site) -> None:
    site.line("requests")
    for count in (1, 2, 3):
        start_well(site)
        site.geckoboard.wait_for_widget("requests", count)
        assert site.run("stop").stdout.splitlines()[-1] == "Daemon terminated."


# Where the files are


@pytest.mark.parametrize(
    ("set_", "used"),
    [
        ({"PID_DIR": "pid", "LOG_DIR": "log", "RUNTIME_DIRECTORY": "run", "LOGS_DIRECTORY": "logs"}, ("pid", "log")),
        ({"RUNTIME_DIRECTORY": "run", "LOGS_DIRECTORY": "logs:other"}, ("run", "logs")),
        ({"PID_DIR": "gone", "LOG_DIR": "gone", "RUNTIME_DIRECTORY": "run", "LOGS_DIRECTORY": "logs"}, ("run", "logs")),
    ],
    ids=["own", "systemd", "own do not exist"],
)
def test_the_files_are_where_the_environment_says(site: Site, set_: dict[str, str], used: tuple[str, str]) -> None:
    home = site.commands.home
    for name in ("run", "logs"):
        (home / name).mkdir()
    for variable in ("PID_DIR", "LOG_DIR"):
        del site.commands.environment[variable]
    site.commands.environment.update(
        {name: ":".join(f"{home}/{part}" for part in value.split(":")) for name, value in set_.items()}
    )
    site.line("requests")
    site.write()
    result = start(site)
    run, log = (home / name for name in used)
    assert result.code == 0
    assert f": {log / 'leexportpy.log'}\n" in result.stdout
    assert (log / "leexportpy.log").is_file()
    assert daemons_of(home) == [int((run / "leexportpy.pid").read_text())]
    assert site.run("stop").stdout.splitlines()[-1] == "Daemon terminated."
    assert list(run.iterdir()) == []


@contextmanager
def as_stranger(original: Path) -> Iterator[tuple[Callable[[], subprocess.CompletedProcess[str]], Path]]:
    """Give what runs `stop` as a user who may look at a pid file and no more, and the file that this user sees."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        environment = isolated_environment(home, coverage=False)
        home.chmod(0o755)
        shown = Path(environment["PID_DIR"]) / original.name
        shutil.copy2(original, shown)
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        command = [*prefix, sys.executable, str(ROOT / "bin" / "leexportpy"), "stop"]

        def stop() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, capture_output=True, text=True, cwd=home, env=environment, timeout=30, check=False
            )

        yield stop, shown


needs_strangers = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv to be somebody else"
)


@needs_strangers
def test_stop_tells_a_daemon_that_this_user_may_not_end(site: Site) -> None:
    site.line("requests")
    pid = start_well(site)
    with as_stranger(pid_file(site)) as (stop, shown):
        result = stop()
    assert (result.returncode, result.stdout) == (1, "Trying to terminate the daemon...\n")
    reason = f"process {pid} cannot be ended: permission denied; be the user that started it, or root"
    assert result.stderr == f"leexportpy: {shown}: {reason}\n"
    assert daemons_of(site.commands.home) == [pid]


@needs_strangers
def test_stop_tells_a_process_that_is_gone_where_the_pid_file_may_not_be_removed(site: Site) -> None:
    pid_file(site).write_text(f"{number_of_nobody()}\n")
    with as_stranger(pid_file(site)) as (stop, shown):
        result = stop()
        assert shown.exists()
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(f"Pid file found but no such process was found. The pid file was {shown}\n")


@needs_strangers
def test_stop_tells_a_pid_file_that_this_user_may_not_read(site: Site) -> None:
    pid_file(site).write_text("1\n")
    with as_stranger(pid_file(site)) as (stop, shown):
        shown.chmod(0o600)
        result = stop()
    assert (result.returncode, result.stderr) == (1, f"leexportpy: {shown}: cannot be read: Permission denied\n")


@pytest.mark.parametrize(("number", "code"), [(0, 0), (1, 1), (78, 78), (3, 1), (-9, 1), (255, 1)])
def test_a_process_that_ends_with_a_number_that_means_nothing_has_failed(number: int, code: int) -> None:
    assert exit_code_of(number) is ExitCode(code)


@pytest.fixture
def stranger(site: Site) -> Iterator[tuple[list[str], int, Path]]:
    """A user who may write neither to /var/run nor to /var/log: how to run a command as one, uid, and home."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        if os.geteuid() != 0:
            if os.access("/var/run", os.W_OK) or os.access("/var/log", os.W_OK):
                pytest.skip("this user may write to /var/run or /var/log, where the files would be")
            yield [], os.geteuid(), home
            return
        if shutil.which("setpriv") is None:
            pytest.skip("root may write to /var/run, and there is no setpriv to run a command as somebody else")
        isolated_environment(home)
        for path in (home, *home.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        with none_left(home):
            yield ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"], NOBODY, home


def test_where_no_directory_can_be_written_the_files_are_in_a_private_one_of_the_user(
    site: Site, stranger: tuple[list[str], int, Path]
) -> None:
    prefix, uid, home = stranger
    environment = isolated_environment(home, coverage=False)
    environment = {name: value for name, value in environment.items() if not name.endswith("_DIR")}
    makeshift = home / "tmp" / f"leexportpy-{uid}"

    def run(*arguments: object) -> tuple[int, str, str]:
        command = [*prefix, sys.executable, str(ROOT / "bin" / "leexportpy"), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=home, env=environment, timeout=30, check=False
        )
        return done.returncode, done.stdout, done.stderr

    says_none = (0, "No leexportpy instance found so it could not be stopped.\n", "")
    site.line("requests")
    site.write()
    config = home / "config.ini"
    config.write_bytes(site.config.read_bytes())
    config.chmod(0o644)
    assert run("stop") == says_none
    assert not makeshift.exists()
    code, said, errors = run("start", "-d", "-c", config)
    assert (code, errors) == (0, "")
    assert said.endswith(f": {makeshift / 'leexportpy.log'}\n")
    site.geckoboard.wait_for_widget("requests")
    found = makeshift.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, uid)
    assert daemons_of(home) == [int((makeshift / "leexportpy.pid").read_text())]
    assert run("stop") == (0, "Trying to terminate the daemon...\nDaemon terminated.\n", "")
    assert {path.name for path in makeshift.iterdir()} >= {"leexportpy.log", "leexportpy.outbox"}
    assert str(makeshift) in (makeshift / "leexportpy.log").read_text()
    assert run("stop") == says_none
