"""The parent of a service's processes: starts them, starts them again, and passes signals on. It has no threads.

The children share the listening socket. At SIGHUP new ones are started by the configuration as it is then, and the old
ones end when these are ready. Where the two cannot be at work at the same time, the old ones end first, and whoever
connects meanwhile waits in the queue of the socket. Either way no request is refused.
"""

import logging
import math
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, Self

from importer.errors import ExitCode, ImporterError
from importer.events.service.generation import Generation, Plan, Role
from importer.service import Notifier

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Supervisor:
    """Keeps the processes of a service running until SIGTERM or SIGINT.

    One that ends by itself is replaced, unless that is before the service was ready for the first time. `plan` has
    been prepared; `reload` gives the plan by the configuration as it is at SIGHUP, and raises ImporterError for one
    that is wrong.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        reload: Callable[[], Plan],
        listener: socket.socket,
        notifier: Notifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reload = reload
        self._listener = listener
        self._notifier = notifier
        self._clock = clock
        self._current = Generation(plan)
        self._former: Generation | None = None
        """Ends when the current one is ready."""
        self._next: Plan | None = None
        """To be carried out when the current one has ended."""
        self._is_reloading = False
        self._is_announced = False
        self._selector = selectors.DefaultSelector()
        self._lifeline_read, self._lifeline_write = os.pipe()
        """Closed by the end of this process, however it comes: children look at it."""
        self._ready_read, self._ready_write = os.pipe()

    def __enter__(self) -> Self:
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self._wake_read, self._wake_write, self._ready_read):
            os.set_blocking(descriptor, False)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # one between the two lines would be lost
        self._old_handlers = {number: signal.signal(number, _wake) for number in _SIGNALS}
        self._old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._selector.register(self._ready_read, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._selector.close()

    def run(self) -> ExitCode:
        """Supervise until asked to stop, then end every child; return what the process should exit with.

        Raises ImporterError where a child that has ended cannot be started again.
        """
        self._start(self._current)
        while True:
            numbers = self._wait()
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:  # first: children may have been told, too
                self._notifier.stopping()
                self._stop()
                return ExitCode.OK
            self._reap()
            if not self._is_announced and self._current.has_failed(self._clock()):
                self._stop()
                return ExitCode.FAILED
            if signal.SIGHUP in numbers:
                self._begin_reload()
            self._restart_due()
            self._settle()

    @property
    def _generations(self) -> list[Generation]:
        return [self._current] if self._former is None else [self._current, self._former]

    def _start(self, generation: Generation) -> None:
        for role in generation.plan.roles:
            self._fork(generation, role)

    def _fork(self, generation: Generation, role: Role) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # the child's are its own once it has let go of ours
        pid = os.fork()
        if pid == 0:
            self._be_child(role)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        generation.add(role, pid)
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
        moment = min(generation.next_moment for generation in self._generations)
        beat = self._notifier.watchdog_interval_seconds
        timeout = min(max(0.0, moment - self._clock()), math.inf if beat is None else beat)
        numbers: set[int] = set()
        for key, _ in self._selector.select(None if math.isinf(timeout) else timeout):
            data = os.read(key.fd, 4096)
            if key.fd == self._wake_read:
                numbers.update(data)
            else:
                self._note_ready(data)
        self._notifier.beat()
        return numbers

    def _note_ready(self, data: bytes) -> None:
        for start in range(0, len(data), 8):
            self._current.note_ready(int.from_bytes(data[start : start + 8], "big"))

    def _reap(self) -> None:
        for generation in self._generations:
            generation.reap(self._clock())

    def _restart_due(self) -> None:
        for generation in self._generations:
            for role in generation.take_due(self._clock()):
                self._check(generation.plan)
                self._fork(generation, role)

    def _check(self, plan: Plan) -> None:
        try:
            plan.check()
        except ImporterError:
            self._stop()
            raise

    def _begin_reload(self) -> None:
        if self._is_reloading:
            logger.warning("not read again: the last time is not over yet")
            return
        self._notifier.reloading()
        try:
            plan = self._reload()
            is_alike = plan.shared == self._current.plan.shared
            if is_alike:
                plan.prepare()
        except ImporterError as error:
            self._keep_old(error)
            return
        self._is_reloading = True
        if is_alike:
            self._former, self._current = self._current, Generation(plan)
            self._start(self._current)
        else:
            self._next = plan
            self._current.stop(self._clock())

    def _keep_old(self, error: ImporterError) -> None:
        logger.error("configuration not read again, the old one goes on: %s", error)
        self._notifier.ready()

    def _settle(self) -> None:
        """Let children of a former configuration go whose time is over, and tell when those of this one are ready."""
        if self._next is not None:
            if not self._current:
                self._replace(self._next)
            return
        if not self._current.is_ready:
            return
        if self._former is not None:
            self._former.stop(self._clock())
            if self._former:
                return
            self._former = None
        if self._is_reloading:
            self._is_reloading = False
            logger.info("configuration read again")
            self._notifier.ready()
        if not self._is_announced:
            self._is_announced = True
            self._notifier.ready()
            host, port = self._listener.getsockname()[:2]
            logger.info("serving: address=%s port=%d processes=%d", host, port, len(self._current))

    def _replace(self, plan: Plan) -> None:
        """Carry out a plan in place of one whose children have ended, or that one again if this one cannot be."""
        self._next = None
        try:
            plan.prepare()
        except ImporterError as error:
            self._is_reloading = False
            self._keep_old(error)
            plan = self._current.plan
        self._current = Generation(plan)
        self._start(self._current)

    def _stop(self) -> None:
        self._listener.close()
        for generation in self._generations:
            generation.stop(self._clock())
        while any(self._generations):
            self._wait()
            self._reap()


def _wake(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number is in the wake-up pipe."""
