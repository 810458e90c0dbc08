"""The parent of a service's processes: starts them, starts them again, and passes signals on. It has no threads.

The children share the listening socket. At SIGHUP new ones are started by the configuration as it is then, and the old
ones end when these are ready: no request is refused meanwhile.
"""

import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn, Self

from importer.errors import ExitCode, ImporterError
from importer.service import Notifier

logger = logging.getLogger(__name__)

STOP_SECONDS = 4.7
"""Children that have not ended so long after SIGTERM are killed: what was answered is on the disk."""
RESTART_SECONDS = 1.0
"""How long a process that died is waited for before another takes its place."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Ready = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Role:
    """What a child process does; `run` calls what it is given as soon as it can be relied on."""

    name: str
    run: Callable[[Ready], int]


@dataclass(slots=True)
class _Child:
    role: Role
    pid: int
    is_ready: bool = False
    is_stopping: bool = False


@dataclass(slots=True)
class _Generation:
    """The children that one configuration gave."""

    roles: Sequence[Role]
    children: dict[int, _Child] = field(default_factory=dict)
    restarts: list[tuple[float, Role]] = field(default_factory=list)
    """When which role has to be started again."""

    @property
    def is_ready(self) -> bool:
        return not self.restarts and all(child.is_ready for child in self.children.values())


class Supervisor:
    """Keeps the processes of a service running until SIGTERM or SIGINT.

    One that ends by itself is replaced, unless that is before the service was ready for the first time.
    `reload` gives the roles by the configuration as it is at SIGHUP; it raises ImporterError for one that is wrong.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        reload: Callable[[], Sequence[Role]],
        listener: socket.socket,
        notifier: Notifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reload = reload
        self._listener = listener
        self._notifier = notifier
        self._clock = clock
        self._current = _Generation(roles)
        self._former: _Generation | None = None
        self._is_announced = False
        self._selector = selectors.DefaultSelector()
        self._lifeline_read, self._lifeline_write = os.pipe()
        """Closed by the end of this process, however it comes: children look at it."""
        self._ready_read, self._ready_write = os.pipe()

    def __enter__(self) -> Self:
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self._wake_read, self._wake_write, self._ready_read):
            os.set_blocking(descriptor, False)
        self._old_handlers = {number: signal.signal(number, _wake) for number in _SIGNALS}
        self._old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._selector.register(self._ready_read, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._selector.close()

    def run(self) -> ExitCode:
        """Supervise until asked to stop, then end every child; return what the process should exit with."""
        self._start(self._current)
        while True:
            numbers = self._wait()
            self._reap()
            if self._current.restarts and not self._is_announced:
                self._stop()
                return ExitCode.FAILED
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                self._notifier.stopping()
                return self._stop()
            if signal.SIGHUP in numbers:
                self._begin_reload()
            self._restart_due()
            self._settle()

    def _start(self, generation: _Generation) -> None:
        for role in generation.roles:
            self._fork(generation, role)

    def _fork(self, generation: _Generation, role: Role) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # the child's are its own once it has let go of ours
        pid = os.fork()
        if pid == 0:
            self._be_child(role)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        generation.children[pid] = _Child(role, pid)
        logger.debug("process started: role=%s pid=%d", role.name, pid)

    def _be_child(self, role: Role) -> NoReturn:
        """Do what the role says, and end; nothing of the parent's goes on here."""
        code = ExitCode.FAILED.value
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all processes
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(self._lifeline_write)
            threading.Thread(target=self._end_with_parent, name="lifeline", daemon=True).start()
            code = role.run(self._tell_ready)
        except ImporterError as error:
            logger.error("process ended: role=%s: %s", role.name, error)
        except BaseException as error:
            logger.exception("process ended: role=%s: %s: %s", role.name, type(error).__name__, error)
        finally:
            logging.shutdown()
            os._exit(code)

    def _end_with_parent(self) -> None:
        os.read(self._lifeline_read, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _tell_ready(self) -> None:
        os.write(self._ready_write, os.getpid().to_bytes(8, "big"))

    def _wait(self) -> set[int]:
        """Wait for a signal, a child that is ready or the next thing to do; return the signals that came."""
        due = [moment - self._clock() for moment, _ in self._current.restarts]
        beat = self._notifier.watchdog_interval_seconds
        timeouts = due if beat is None else [*due, beat]
        numbers: set[int] = set()
        for key, _ in self._selector.select(max(0.0, min(timeouts)) if timeouts else None):
            data = os.read(key.fd, 4096)
            if key.fd == self._wake_read:
                numbers.update(data)
            else:
                self._note_ready(data)
        self._notifier.beat()
        return numbers

    def _note_ready(self, data: bytes) -> None:
        for start in range(0, len(data), 8):
            child = self._current.children.get(int.from_bytes(data[start : start + 8], "big"))
            if child is not None:
                child.is_ready = True

    def _reap(self) -> None:
        """Take note of children that ended; one that was not asked to is started again after a while."""
        for generation in (self._current, self._former):
            for pid in list(generation.children) if generation else []:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended and generation:
                    child = generation.children.pop(pid)
                    if not child.is_stopping:
                        self._note_death(generation, child, os.waitstatus_to_exitcode(status))

    def _note_death(self, generation: _Generation, child: _Child, code: int) -> None:
        logger.error("process died: role=%s pid=%d code=%d", child.role.name, child.pid, code)
        generation.restarts.append((self._clock() + RESTART_SECONDS, child.role))

    def _restart_due(self) -> None:
        now = self._clock()
        due = [role for moment, role in self._current.restarts if moment <= now]
        self._current.restarts = [restart for restart in self._current.restarts if restart[0] > now]
        for role in due:
            self._fork(self._current, role)

    def _begin_reload(self) -> None:
        if self._former is not None:
            logger.warning("not read again: the last time is not over yet")
            return
        self._notifier.reloading()
        try:
            roles = self._reload()
        except ImporterError as error:
            logger.error("configuration not read again, the old one goes on: %s", error)
            self._notifier.ready()
            return
        self._former, self._current = self._current, _Generation(roles)
        self._start(self._current)

    def _settle(self) -> None:
        """Once the children of the configuration are ready let those of the former one go."""
        if not self._current.is_ready:
            return
        if self._former is not None:
            self._ask_to_stop(self._former)
            if self._former.children:
                return
            self._former = None
            logger.info("configuration read again")
            self._notifier.ready()
        if not self._is_announced:
            self._is_announced = True
            self._notifier.ready()
            host, port = self._listener.getsockname()[:2]
            logger.info("serving: address=%s port=%d processes=%d", host, port, len(self._current.children))

    def _ask_to_stop(self, generation: _Generation) -> None:
        for child in generation.children.values():
            if not child.is_stopping:
                child.is_stopping = True
                os.kill(child.pid, signal.SIGTERM)

    def _stop(self) -> ExitCode:
        self._listener.close()
        generations = [generation for generation in (self._current, self._former) if generation is not None]
        for generation in generations:
            self._ask_to_stop(generation)
        deadline = self._clock() + STOP_SECONDS
        while any(generation.children for generation in generations):
            left = deadline - self._clock()
            if left <= 0:
                self._kill(generations)
                return ExitCode.OK
            for key, _ in self._selector.select(left):
                os.read(key.fd, 4096)
            self._reap()
        return ExitCode.OK

    @staticmethod
    def _kill(generations: Sequence[_Generation]) -> None:
        for generation in generations:
            for child in generation.children.values():
                logger.warning("process killed, it did not end: role=%s pid=%d", child.role.name, child.pid)
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)


def _wake(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number is in the wake-up pipe."""
