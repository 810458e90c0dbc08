import errno
import fcntl
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from importer.daemon import StopOutcome, stop
from importer.pid_file import CLOCK_SLACK_SECONDS, AlreadyRunning, PidFile, PidFileError
from tests.commands import ROOT

NOBODY = 65534
WAIT_SECONDS = 30.0

PROGRAM = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
from importer.cli.command import Parser, run_command
from importer.daemon import run_in_background
from importer.errors import ConfigError, ImporterError, Problem, Stopped
from importer.service import Signals

pid_file, notes, gate = map(Path, sys.argv[1:])

{main}

def command(options):
    print("starting")
    try:
        return run_in_background(main, pid_file=pid_file, started_timeout_seconds={timeout_seconds})
    finally:
        with notes.with_suffix(".unwound").open("a") as file:
            print("once", file=file)

sys.exit(run_command(Parser("program", "", example=""), command, []))
"""
"""A command that takes main into the background.

`notes` is a file for what a test wants to know of main, `gate` a FIFO that it can be made to wait at.
"""

SERVE = """
def main(ready):
    with Signals() as signals:
        ready()
        signals.stop.wait(60)
    return 0
"""

SERVE_DEAF = """
def main(ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    threading.Event().wait(60)
    return 0
"""

SERVE_AFTER_GATE = """
def main(ready):
    gate.read_bytes()
    try:
        ready()
    except Stopped as error:
        notes.write_text(str(error))
        raise
    return 0
"""


@dataclass(frozen=True)
class Daemons:
    """Starts processes in the background, with pid files in a directory of their own."""

    directory: Path
    notes: Path
    gate: Path

    @property
    def pid_file(self) -> Path:
        return self.directory / "daemon.pid"

    @property
    def environment(self) -> dict[str, str]:
        """What all processes of this test carry, and no others.

        An empty PYTHONUNBUFFERED counts as none: what the starter has printed waits in its buffer as it forks.
        """
        ours = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "", "DAEMONS_OF_TEST": str(self.directory)}
        return os.environ | ours

    def start(
        self,
        main: str = SERVE,
        *,
        pid_file: Path | None = None,
        timeout_seconds: float = WAIT_SECONDS,
        prefix: tuple[str, ...] = (),
        pass_fds: tuple[int, ...] = (),
    ) -> tuple[int, str, str]:
        """Return the exit code, standard output and standard error of who starts main in the background.

        A process that kept one of the two pipes open would keep us waiting.
        """
        done = subprocess.run(
            [*prefix, *self.command(main, pid_file=pid_file, timeout_seconds=timeout_seconds)],
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self.environment,
            pass_fds=pass_fds,
            timeout=2 * WAIT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def command(self, main: str, *, pid_file: Path | None = None, timeout_seconds: float = WAIT_SECONDS) -> list[str]:
        code = PROGRAM.format(main=main, timeout_seconds=timeout_seconds)
        return [sys.executable, "-c", code, *map(str, (pid_file or self.pid_file, self.notes, self.gate))]

    def holder(self) -> int:
        pid = PidFile(self.pid_file).holder()
        assert pid is not None
        return pid

    @contextmanager
    def at_gate(self) -> Iterator[int]:
        """Wait until a process stands at the gate, which opens at the end of the block; gives its number."""
        with self.gate.open("wb"):
            yield self.holder()

    def kill_all(self) -> None:
        mark = f"DAEMONS_OF_TEST={self.directory}".encode()
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # those that have ended meanwhile, or are not ours to look at
                if mark in environment.read_bytes().split(b"\0"):
                    os.kill(int(environment.parent.name), signal.SIGKILL)


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    """Background processes, all of which are ended with the test."""
    daemons = Daemons(tmp_path / "run", tmp_path / "notes.txt", tmp_path / "gate")
    daemons.directory.mkdir()
    os.mkfifo(daemons.gate)
    try:
        yield daemons
    finally:
        daemons.kill_all()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us."""
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def as_nobody() -> Iterator[None]:
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def wait_for_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        assert poller.poll(WAIT_SECONDS * 1000)
    finally:
        os.close(descriptor)


def number_of_nobody() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def write_pid(path: Path, pid: int, *, age_seconds: float = 0.0) -> None:
    path.write_text(f"{pid}\n")
    written_at = time.time() - age_seconds
    os.utime(path, (written_at, written_at))


def test_a_process_is_started_found_and_stopped(daemons: Daemons) -> None:
    assert daemons.start() == (0, "starting\n", "")
    pid = daemons.holder()
    assert daemons.pid_file.read_text() == f"{pid}\n"
    assert stat.S_IMODE(daemons.pid_file.stat().st_mode) == 0o644
    assert stop(daemons.pid_file) is StopOutcome.STOPPED
    assert PidFile(daemons.pid_file).holder() is None
    assert list(daemons.directory.iterdir()) == []


def test_a_process_can_be_started_and_stopped_over_and_over(daemons: Daemons) -> None:
    for _ in range(3):
        assert daemons.start()[0] == 0
        assert stop(daemons.pid_file) is StopOutcome.STOPPED


def test_a_second_start_is_refused_and_leaves_the_first_alone(daemons: Daemons) -> None:
    daemons.start()
    pid = daemons.holder()
    complaint = f"program: {daemons.pid_file}: process {pid} is running already\n"
    assert daemons.start() == (1, "starting\n", complaint)
    assert daemons.holder() == pid


OUTRUN = """
def main(ready):
    return 0

make_pipe = os.pipe

def outrun():
    pid_file.write_text(str(os.getppid()))  # it was seen before that there is none
    return make_pipe()

os.pipe = outrun
start = run_in_background

def run_in_background(main, **options):
    try:
        return start(main, **options)
    except ImporterError as error:
        raise ImporterError(f"{type(error).__name__}: {error}") from error
"""


def test_a_start_that_another_one_has_outrun_is_refused_like_one_that_comes_later(daemons: Daemons) -> None:
    complaint = f"program: AlreadyRunning: {daemons.pid_file}: process {os.getpid()} is running already\n"
    assert daemons.start(OUTRUN) == (1, "starting\n", complaint)


CONTENDER = """
import signal, sys
from pathlib import Path
from importer.pid_file import AlreadyRunning, PidFile
print("ready", flush=True)
sys.stdin.read()
try:
    with PidFile(Path(sys.argv[1])).held():
        print("won", flush=True)
        signal.pause()
except AlreadyRunning:
    print("lost", flush=True)
"""


@pytest.mark.parametrize("is_stale", [False, True])
def test_of_processes_that_start_at_once_exactly_one_has_the_file(daemons: Daemons, *, is_stale: bool) -> None:
    if is_stale:
        write_pid(daemons.pid_file, number_of_nobody())
    gate, opener = os.pipe()
    with ExitStack() as stack:
        contenders = [stack.enter_context(contender(daemons, stdin=gate)) for _ in range(6)]
        os.close(gate)
        assert {line_of(process) for process in contenders} == {"ready\n"}
        os.close(opener)
        outcomes = {process.pid: line_of(process) for process in contenders}
        assert sorted(outcomes.values()) == ["lost\n"] * 5 + ["won\n"]
        assert outcomes[daemons.holder()] == "won\n"
        assert list(daemons.directory.iterdir()) == [daemons.pid_file]


@contextmanager
def contender(daemons: Daemons, *, stdin: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CONTENDER, str(daemons.pid_file)]
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, env=daemons.environment, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_stale_file_that_was_replaced_as_we_came_to_remove_it_is_left_alone(
    daemons: Daemons, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced_meanwhile(file: BinaryIO, operation: int) -> None:
        fresh = daemons.directory / "fresh"
        write_pid(fresh, sleeper.pid)
        fresh.replace(daemons.pid_file)
        lock(file, operation)

    lock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", replaced_meanwhile)
    write_pid(daemons.pid_file, number_of_nobody())
    with pytest.raises(AlreadyRunning) as caught, PidFile(daemons.pid_file).held():
        pass
    assert caught.value.pid == daemons.holder() == sleeper.pid


def test_the_file_of_a_process_that_was_killed_does_not_keep_the_next_from_starting(daemons: Daemons) -> None:
    daemons.start()
    killed = daemons.holder()
    os.kill(killed, signal.SIGKILL)
    wait_for_end(killed)
    assert daemons.pid_file.read_text() == f"{killed}\n"
    assert daemons.start()[0] == 0
    assert daemons.holder() != killed


def test_nothing_is_stopped_where_there_is_no_file(daemons: Daemons) -> None:
    assert stop(daemons.pid_file) is StopOutcome.NOT_RUNNING


def test_stop_tells_a_stale_file_and_removes_it(daemons: Daemons) -> None:
    write_pid(daemons.pid_file, number_of_nobody())
    assert stop(daemons.pid_file) is StopOutcome.STALE
    assert not daemons.pid_file.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"leexportpy\n", b"12 34\n", b"-1\n", b"0\n", b"1.5\n", b"\xff\xfe", b"9" * 99]
)
def test_a_file_of_something_else_is_told_by_name_and_left_alone(daemons: Daemons, content: bytes) -> None:
    daemons.pid_file.write_bytes(content)
    complaint = rf"^{daemons.pid_file}: holds no process number"
    with pytest.raises(PidFileError, match=complaint):
        stop(daemons.pid_file)
    with pytest.raises(PidFileError, match=complaint), PidFile(daemons.pid_file).held():
        pass
    assert daemons.pid_file.read_bytes() == content


def test_a_start_is_refused_where_the_file_holds_something_else(daemons: Daemons) -> None:
    daemons.pid_file.write_text("leexportpy")
    code, _, error = daemons.start()
    assert code == 1
    assert error.startswith(f"program: {daemons.pid_file}: holds no process number")
    assert error.count("\n") == 1


def test_blanks_around_the_number_are_no_mistake(daemons: Daemons) -> None:
    daemons.pid_file.write_text(f" {os.getpid()}")
    assert PidFile(daemons.pid_file).holder() == os.getpid()


def test_a_directory_in_its_place_cannot_be_read(daemons: Daemons) -> None:
    daemons.pid_file.mkdir()
    with pytest.raises(PidFileError) as caught:
        stop(daemons.pid_file)
    assert str(caught.value) == f"{daemons.pid_file}: cannot be read: Is a directory"


def test_a_link_that_leads_nowhere_is_told(daemons: Daemons) -> None:
    daemons.pid_file.symlink_to("nowhere")
    with pytest.raises(PidFileError, match="leads nowhere"), PidFile(daemons.pid_file).held():
        pass


def test_a_link_to_a_stale_file_is_replaced_and_what_it_leads_to_is_kept(daemons: Daemons) -> None:
    elsewhere = daemons.directory / "elsewhere.pid"
    write_pid(elsewhere, number_of_nobody())
    daemons.pid_file.symlink_to(elsewhere)
    with PidFile(daemons.pid_file).held():
        assert daemons.holder() == os.getpid()
        assert not daemons.pid_file.is_symlink()
    assert list(daemons.directory.iterdir()) == [elsewhere]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process of another user")
def test_the_process_of_another_user_is_found_and_cannot_be_ended(sleeper: subprocess.Popen[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        pid_file = Path(name) / "daemon.pid"
        write_pid(pid_file, sleeper.pid)
        with as_nobody():
            assert PidFile(pid_file).holder() == sleeper.pid
            with pytest.raises(PidFileError) as caught:
                stop(pid_file)
    assert (
        str(caught.value)
        == f"{pid_file}: process {sleeper.pid} cannot be ended: permission denied; be the user that started it, or root"
    )
    assert sleeper.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a directory of another user")
def test_a_stale_file_that_may_not_be_removed_is_stale_all_the_same() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        pid_file = Path(name) / "daemon.pid"
        write_pid(pid_file, number_of_nobody())
        with as_nobody():
            assert stop(pid_file) is StopOutcome.STALE
            with pytest.raises(PidFileError, match="cannot be written"), PidFile(pid_file).held():
                pass
        assert pid_file.exists()


def test_a_later_process_of_the_same_number_is_not_the_one_meant(
    daemons: Daemons, sleeper: subprocess.Popen[bytes]
) -> None:
    write_pid(daemons.pid_file, sleeper.pid, age_seconds=CLOCK_SLACK_SECONDS + 60)
    assert PidFile(daemons.pid_file).holder() is None
    assert stop(daemons.pid_file) is StopOutcome.STALE
    assert sleeper.poll() is None
    assert not daemons.pid_file.exists()


@pytest.mark.parametrize("age_seconds", [-3600, 0, CLOCK_SLACK_SECONDS / 2])
def test_a_clock_that_was_put_back_or_a_little_forward_does_not_hide_a_process(
    daemons: Daemons, sleeper: subprocess.Popen[bytes], age_seconds: float
) -> None:
    write_pid(daemons.pid_file, sleeper.pid, age_seconds=age_seconds)
    assert PidFile(daemons.pid_file).holder() == sleeper.pid


def test_a_zombie_is_gone(daemons: Daemons) -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        write_pid(daemons.pid_file, process.pid)
        assert PidFile(daemons.pid_file).holder() is None
        assert stop(daemons.pid_file) is StopOutcome.STALE


def test_where_the_system_does_not_tell_the_number_has_to_do(
    daemons: Daemons, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(path: Path) -> bytes:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    write_pid(daemons.pid_file, sleeper.pid, age_seconds=2 * CLOCK_SLACK_SECONDS)
    monkeypatch.setattr(Path, "read_bytes", hidden)
    assert PidFile(daemons.pid_file).holder() == sleeper.pid


def test_a_stale_file_that_has_our_own_number_is_replaced(daemons: Daemons) -> None:
    write_pid(daemons.pid_file, os.getpid(), age_seconds=CLOCK_SLACK_SECONDS / 2)
    assert daemons.holder() == os.getpid()
    before = daemons.pid_file.stat().st_mtime
    with PidFile(daemons.pid_file).held():
        assert daemons.holder() == os.getpid()
        assert daemons.pid_file.stat().st_mtime > before


def test_a_file_that_names_another_process_by_the_end_is_left_alone(
    daemons: Daemons, sleeper: subprocess.Popen[bytes]
) -> None:
    with PidFile(daemons.pid_file).held():
        write_pid(daemons.pid_file, sleeper.pid)
    assert daemons.holder() == sleeper.pid


def test_a_file_that_somebody_removed_meanwhile_is_not_missed(daemons: Daemons) -> None:
    with PidFile(daemons.pid_file).held():
        daemons.pid_file.unlink()


def test_a_start_is_refused_where_no_file_can_be_written(daemons: Daemons) -> None:
    pid_file = daemons.directory / "missing" / "daemon.pid"
    complaint = f"program: {pid_file}: cannot be written: No such file or directory\n"
    assert daemons.start(pid_file=pid_file) == (1, "starting\n", complaint)


def test_a_process_that_does_not_end_in_time_keeps_its_file(daemons: Daemons) -> None:
    daemons.start(SERVE_DEAF)
    pid = daemons.holder()
    assert stop(daemons.pid_file, timeout_seconds=0.1) is StopOutcome.STILL_RUNNING
    assert daemons.holder() == pid


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_without_process_descriptors_will_do(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def missing(pid: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", missing)
    daemons.start()
    assert stop(daemons.pid_file) is StopOutcome.STOPPED
    assert not daemons.pid_file.exists()
    daemons.start(SERVE_DEAF)
    assert stop(daemons.pid_file, timeout_seconds=0.1) is StopOutcome.STILL_RUNNING
    assert daemons.holder()


@pytest.mark.parametrize(
    ("body", "code", "complaint"),
    [
        ("raise ConfigError(Problem('a.ini', 'is missing'))", 78, "program: a.ini: is missing\n"),
        ("raise ImporterError('no luck')", 1, "program: no luck\n"),
        ("raise PermissionError(13, 'Permission denied', '/x')", 1, "program: PermissionError: [Errno 13] Permission "),
        ("raise ValueError('two\\nlines')", 1, "program: ValueError: two lines\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 1, "program: the process in the background ended before it was ready"),
        ("raise ImporterError('x' + 'é' * 9999)", 1, f"program: x{'é' * 498}…\n"),
        ("return 3", 3, ""),
        ("sys.exit(4)", 4, ""),
        ("sys.exit('no number')", 1, ""),
        ("return 0", 0, ""),
    ],
)
def test_the_starter_tells_how_a_process_ended_that_did_not_get_ready(
    daemons: Daemons, body: str, code: int, complaint: str
) -> None:
    returned, _, error = daemons.start(f"def main(ready):\n    {body}")
    assert returned == code
    assert error.startswith(complaint)
    assert error.count("\n") == bool(complaint)
    assert PidFile(daemons.pid_file).holder() is None


def test_a_process_does_not_run_what_its_starter_has_yet_to_do(daemons: Daemons) -> None:
    daemons.start("def main(ready):\n    notes.write_text(str(os.getpid()))\n    return 0")
    wait_for_end(int(daemons.notes.read_text()))
    assert daemons.notes.with_suffix(".unwound").read_text() == "once\n"


def test_a_secret_in_an_unforeseen_error_is_not_shown(daemons: Daemons) -> None:
    main = """
def main(ready):
    from importer.credentials import Secret
    raise ValueError(Secret("open sesame").reveal())
"""
    assert daemons.start(main)[2] == "program: ValueError: ***\n"


def test_what_goes_wrong_once_a_process_is_ready_is_not_the_starters_failure(daemons: Daemons) -> None:
    main = """
def main(ready):
    ready()
    ready()
    gate.read_bytes()
    raise ImporterError("too late")
"""
    assert daemons.start(main) == (0, "starting\n", "")
    with daemons.at_gate() as pid:
        pass
    wait_for_end(pid)
    assert not daemons.pid_file.exists()


def test_a_start_that_takes_too_long_fails_and_the_process_does_not_go_on(daemons: Daemons) -> None:
    complaint = "program: the process in the background was not ready within 0.1 s\n"
    assert daemons.start(SERVE_AFTER_GATE, timeout_seconds=0.1) == (1, "starting\n", complaint)
    with daemons.at_gate() as pid:
        pass
    wait_for_end(pid)
    assert "nobody waits" in daemons.notes.read_text()
    assert not daemons.pid_file.exists()


def test_a_process_whose_starter_was_killed_does_not_go_on(daemons: Daemons) -> None:
    with subprocess.Popen(daemons.command(SERVE_AFTER_GATE), env=daemons.environment) as starter:
        with daemons.at_gate() as pid:
            starter.kill()
            starter.wait()
        wait_for_end(pid)
    assert "nobody waits" in daemons.notes.read_text()
    assert not daemons.pid_file.exists()


def test_relative_paths_are_those_of_the_starter(daemons: Daemons) -> None:
    main = """
def main(ready):
    notes.write_text(str(Path.cwd()))
    ready()
    signal.pause()
"""
    assert daemons.start(main, pid_file=Path("daemon.pid"))[0] == 0
    assert daemons.notes.read_text() == "/"
    assert daemons.pid_file.read_text() == f"{daemons.holder()}\n"


def test_a_process_holds_none_of_the_starters_files_and_no_terminal(daemons: Daemons) -> None:
    main = """
def main(ready):
    with os.scandir("/proc/self/fd") as entries:
        held = {int(entry.name): os.readlink(entry) for entry in entries}
    streams = {held.pop(number) for number in range(3)}
    pipes = [target for target in held.values() if target.startswith("pipe:")]
    files = [target for target in held.values() if not target.startswith(("pipe:", "/proc/"))]
    notes.write_text(f"{streams} {len(pipes)} {files} {os.getsid(0) == os.getpid()}")
    ready()
    signal.pause()
"""
    with (daemons.directory / "log").open("wb") as file:
        assert daemons.start(main, pass_fds=(file.fileno(),))[0] == 0
    assert daemons.notes.read_text() == "{'/dev/null'} 1 [] False"
    assert os.getsid(daemons.holder()) != os.getsid(0)


def test_programs_that_a_process_runs_have_standard_streams(daemons: Daemons) -> None:
    main = """
def main(ready):
    return subprocess.run(["sh", "-c", "cat && echo out && echo err >&2 || exit 9"], check=False).returncode
"""
    assert daemons.start(main) == (0, "starting\n", "")


def test_what_a_process_writes_is_not_for_everybody(daemons: Daemons) -> None:
    assert daemons.start("def main(ready):\n    notes.touch()\n    return 0")[0] == 0
    assert stat.S_IMODE(daemons.notes.stat().st_mode) == 0o640


def test_an_event_loop_in_the_background_burns_no_processor(daemons: Daemons) -> None:
    main = """
def main(ready):
    import asyncio
    before = time.process_time()
    asyncio.run(asyncio.sleep(0.5))
    notes.write_text(str(time.process_time() - before))
    return 0
"""
    assert daemons.start(main)[0] == 0
    assert float(daemons.notes.read_text()) < 0.25


def test_a_process_is_started_where_ended_children_are_not_waited_for(daemons: Daemons) -> None:
    code = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    assert daemons.start(prefix=(sys.executable, "-c", code)) == (0, "starting\n", "")


def test_a_reader_of_the_starters_output_that_has_gone_away_does_not_matter(daemons: Daemons) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            daemons.command(SERVE), stdout=writer, stderr=subprocess.PIPE, env=daemons.environment, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert stop(daemons.pid_file) is StopOutcome.STOPPED


def test_a_process_that_handles_no_signals_is_stopped_in_good_order(daemons: Daemons) -> None:
    main = """
def main(ready):
    try:
        ready()
        threading.Event().wait(60)
    finally:
        notes.write_text("in good order")
"""
    daemons.start(main)
    assert stop(daemons.pid_file) is StopOutcome.STOPPED
    assert daemons.notes.read_text() == "in good order"


def test_a_hangup_does_no_harm_early_and_is_heard_later_under_nohup_too(daemons: Daemons) -> None:
    main = """
def main(ready):
    os.kill(os.getpid(), signal.SIGHUP)
    with Signals() as signals:
        ready()
        notes.write_text(str(signals.reload.wait(60)))
    return 0
"""
    assert daemons.start(main, prefix=("nohup",))[0] == 0
    pid = daemons.holder()
    os.kill(pid, signal.SIGHUP)
    wait_for_end(pid)
    assert daemons.notes.read_text() == "True"


def test_the_library_is_imported_on_use() -> None:
    code = "import sys, importer.daemon; sys.exit('daemon' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
