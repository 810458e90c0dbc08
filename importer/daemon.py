"""Processes in the background: started so that the starter learns how it went, found again, and ended.

run_in_background(serve, pid_file=Path("/run/leexportpy.pid"))  # serve(ready) returns an exit code
stop(Path("/run/leexportpy.pid"))
"""

import errno
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn

from importer.credentials import redact
from importer.errors import ExitCode, ImporterError, Stopped, one_line
from importer.pid_file import AlreadyRunning, PidEntry, PidFile, PidFileError

logger = logging.getLogger(__name__)

UMASK = 0o027
"""What a background process writes is not for everybody to read; its pid file, of mode 0644, is."""
_LOOK_INTERVAL_SECONDS = 0.05
_RUNNING = "running"

Ready = Callable[[], None]
"""What a main function calls once its configuration is loaded and work begins."""


class BackgroundError(ImporterError):
    """A process did not get ready in the background; it ended with `exit_code`, if it has ended."""

    def __init__(self, *reasons: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        self.exit_code = exit_code
        self.reasons = tuple(map(one_line, reasons))
        super().__init__("; ".join(self.reasons))

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each reason that the process gave."""
        return self.reasons


class StopOutcome(Enum):
    """What `stop` found and did."""

    NOT_RUNNING = "there is no pid file"
    STALE = "the process that the pid file names was gone"
    STOPPED = "the process has ended"
    STILL_RUNNING = "the process was told to end, and has not ended yet"


def run_in_background(main: Callable[[Ready], int], *, pid_file: Path, started_timeout_seconds: float = 60.0) -> int:
    """Start a process that calls `main`; return 0 once it says that it is ready, else the number that it ends with.

    The process is a session of its own, works in /, has the mask UMASK, /dev/null for its standard streams, and
    none of the files that are open here: `main` opens its log and all else. It has no stack to go back to: it ends
    when `main` does, without atexit functions. SIGTERM raises SystemExit, until `main` handles it in its own way.

    Call it with standard streams that are open and without any other thread, whose locks would never be released
    in the new process. Raises AlreadyRunning or PidFileError; and BackgroundError with the line and the exit code
    of what `main` raised, or if the process ended without a word or was not ready in time. In no such case does it
    go on: one that becomes ready when nobody waits any more gets Stopped from its call of `ready`.
    """
    file = PidFile(pid_file)
    file.read_stale()  # what can be refused at once is; `held` makes sure
    try:
        reader, writer = os.pipe()
        child = os.fork()
    except OSError as error:
        raise BackgroundError(f"no process could be started: {error.strerror}") from error
    if child == 0:
        _become_background(main, file, _Report(writer))
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        with suppress(ChildProcessError):  # it leaves nothing to wait for where SIGCHLD is ignored
            os.waitpid(child, 0)  # it ends as soon as it has a child, whose child is the process in the background
        return _exit_code_reported(pipe, file.path, started_timeout_seconds)


class _Report:
    """What the new process tells to the waiting one, once: `<exit code> <reason>`, the reason empty if all is well.

    Several reasons have a line each; no more is told than a pipe takes whole. Where another process was faster, it is
    `running <pid>`.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._is_made = False

    def ready(self) -> None:
        try:
            self._tell(ExitCode.OK, "")
        except BrokenPipeError as error:
            raise Stopped("nobody waits any more for this process to be ready") from error

    def ended(self, code: int, reason: str) -> None:
        with suppress(BrokenPipeError):  # nobody is left who wants to know
            self._tell(code, reason)

    def outrun(self, pid: int) -> None:
        with suppress(BrokenPipeError):
            self._tell(_RUNNING, str(pid))

    def _tell(self, code: int | str, reason: str) -> None:
        if self._is_made:
            return
        self._is_made = True
        try:
            os.write(self.descriptor, f"{code} {reason}".encode()[: select.PIPE_BUF])
        finally:
            os.close(self.descriptor)


def _exit_code_reported(pipe: BinaryIO, pid_file: Path, timeout_seconds: float) -> int:
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    if not poller.poll(timeout_seconds * 1000):
        raise BackgroundError(f"the process in the background was not ready within {timeout_seconds:g} s")
    code, _, reason = pipe.read(select.PIPE_BUF).decode(errors="ignore").partition(" ")
    if not code:
        raise BackgroundError("the process in the background ended before it was ready, without a word")
    if code == _RUNNING:
        raise AlreadyRunning(pid_file, int(reason))
    if reason:
        raise BackgroundError(*reason.split("\n"), exit_code=ExitCode(int(code)))
    return int(code)


def _become_background(main: Callable[[Ready], int], pid_file: PidFile, report: _Report) -> NoReturn:
    code: int = ExitCode.FAILED
    try:
        code, reason = _outcome(main, pid_file, report)
        report.ended(code, reason)
    except AlreadyRunning as error:
        report.outrun(error.pid)
    finally:
        os._exit(code)  # what lies further up the stack, and in its buffers, is the starter's


def _outcome(main: Callable[[Ready], int], pid_file: PidFile, report: _Report) -> tuple[int, str]:
    """Return the exit code, and what went wrong, a line each. Raises AlreadyRunning."""
    try:
        with _detached(report.descriptor), pid_file.held():
            return main(report.ready), ""
    except SystemExit as error:
        return (error.code if isinstance(error.code, int) else ExitCode.FAILED), ""
    except AlreadyRunning:
        raise
    except ImporterError as error:
        logger.error("background process ended: %s", error)
        return error.exit_code, "\n".join(one_line(redact(line)) for line in error.lines)
    except Exception as error:
        logger.exception("background process ended")
        return ExitCode.FAILED, one_line(redact(f"{type(error).__name__}: {error}"))


@contextmanager
def _detached(kept_descriptor: int) -> Iterator[None]:
    from daemon import DaemonContext  # on use: nothing else needs it

    signals = {
        signal.SIGTERM: _terminate,
        signal.SIGHUP: _wait_for_main,
        signal.SIGTSTP: signal.SIG_IGN,
        signal.SIGTTIN: signal.SIG_IGN,
        signal.SIGTTOU: signal.SIG_IGN,
    }
    with DaemonContext(
        detach_process=True,
        working_directory="/",
        umask=UMASK,
        files_preserve=[kept_descriptor],
        signal_map=signals,
    ):
        for stream in range(3):  # opened as the lowest free ones they would be closed in programs that we run
            os.set_inheritable(stream, True)
        yield


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(ExitCode.OK)


def _wait_for_main(number: int, frame: FrameType | None) -> None:
    """Do nothing: what is to be read again is about to be read. Ignored, the signal would stay so (see `Signals`)."""


def stop(pid_file: Path, *, timeout_seconds: float = 10.0) -> StopOutcome:
    """Send SIGTERM to the process that the file names, and return once it has ended or the time is over.

    The file is removed if the process is gone, and if we may. Raises PidFileError for a file that cannot be read
    or holds something else, and for a process that this user may not end.
    """
    file = PidFile(pid_file)
    entry = file.read()
    if entry is None:
        return StopOutcome.NOT_RUNNING
    try:
        outcome = _end(entry, timeout_seconds)
    except PermissionError as error:
        reason = f"process {entry.pid} cannot be ended: permission denied; be the user that started it, or root"
        raise PidFileError(file.path, reason) from error
    except OSError as error:
        raise PidFileError(file.path, f"process {entry.pid} cannot be ended: {error.strerror}") from error
    if outcome is not StopOutcome.STILL_RUNNING:
        with suppress(PidFileError):  # the next start does without
            file.discard(entry.pid)
    return outcome


def _end(entry: PidEntry, timeout_seconds: float) -> StopOutcome:
    try:
        with _process_descriptor(entry.pid) as descriptor:  # before looking: it stays with the process looked at
            if not entry.is_live():
                return StopOutcome.STALE
            if descriptor is None:
                os.kill(entry.pid, signal.SIGTERM)
                has_ended = _look_for_end(entry, timeout_seconds)
            else:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                has_ended = _wait_for_end(descriptor, timeout_seconds)
    except ProcessLookupError:
        return StopOutcome.STALE
    return StopOutcome.STOPPED if has_ended else StopOutcome.STILL_RUNNING


@contextmanager
def _process_descriptor(pid: int) -> Iterator[int | None]:
    """Yield a pidfd, or None where the kernel has none (before 5.3) or a sandbox gives none."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for_end(descriptor: int, timeout_seconds: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(timeout_seconds * 1000))


def _look_for_end(entry: PidEntry, timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while entry.is_live():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_INTERVAL_SECONDS)  # without a descriptor of it, its end gives no sign
    return True
