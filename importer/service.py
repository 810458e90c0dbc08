"""The life of a process: signals that become events, and what systemd wants to be told."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

from importer.errors import ExitCode, one_line

logger = logging.getLogger(__name__)

EXIT_WITHIN_SECONDS = 4.5
"""A process that was told to stop is ended after this time, whatever it hangs in."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """While entered, SIGTERM and SIGINT set `stop`, SIGHUP sets `reload`, and each of them sets `wake`.

    Wait on `wake` (or `stop`) in the main thread; it returns at once when a signal comes. Enter it in the
    main thread, around all that the command does; leaving restores what was there before.

    The events are set by a thread of its own, which reads the signals' numbers from the wake-up descriptor:
    a Python handler runs in the main thread, between two of its instructions, and if these hold the event's
    lock then `Event.set` in the handler waits for it for ever. It is also the only way to notice a signal
    while the main thread is in a C function that cannot be interrupted, such as looking up a name. Should
    it stay there, the process is ended after `exit_within_seconds`: what was not in the outbox by then is
    fetched again by the next run.

    A child of a service is told to stop by its parent: it does not take SIGINT over, which a terminal sends to both.
    `exit_code` is what a process that is ended so ends with.
    """

    def __init__(
        self,
        *,
        exit_within_seconds: float = EXIT_WITHIN_SECONDS,
        exit_code: ExitCode = ExitCode.OK,
        is_child: bool = False,
    ) -> None:
        self.stop = threading.Event()
        self.reload = threading.Event()
        self.wake = threading.Event()
        self._left = threading.Event()
        self._stop_noted = False
        self._exit_within_seconds = exit_within_seconds
        self._exit_code = exit_code
        self._stop_signals = (signal.SIGTERM,) if is_child else _STOP_SIGNALS

    def __enter__(self) -> Self:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)  # as set_wakeup_fd demands
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()
        self._old_descriptor = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        self._old_handlers = {number: signal.signal(number, self._note) for number in self._wanted()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python
        signal.set_wakeup_fd(self._old_descriptor)
        self._left.set()
        self._sender.close()  # the thread reads the end of the stream
        self._thread.join()
        self._receiver.close()

    def take_reload(self) -> bool:
        """Return whether a reload was asked for since the last call, and get ready for the next one."""
        self.wake.clear()
        asked = self.reload.is_set()
        if asked:
            self.reload.clear()
        if self.stop.is_set():
            self.wake.set()
        return asked

    def _wanted(self) -> tuple[signal.Signals, ...]:
        """Return the signals to take over: SIGHUP not where it is ignored, as under nohup."""
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        return self._stop_signals if ignored else (*self._stop_signals, signal.SIGHUP)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Make up for a number that the wake-up descriptor lost, as it does when signals rain; takes no lock."""
        if number in _STOP_SIGNALS:
            self._stop_noted = True
            with suppress(BlockingIOError):  # then it is full, and the thread will look
                self._sender.send(bytes([number]))

    def _listen(self) -> None:
        while numbers := self._receiver.recv(64):
            if signal.SIGHUP in numbers:
                self.reload.set()
                self.wake.set()
            if self._stop_noted or any(number in numbers for number in _STOP_SIGNALS):
                self.stop.set()
                self.wake.set()
                self._end_if_stuck()
                return

    def _end_if_stuck(self) -> None:
        if not self._left.wait(self._exit_within_seconds):
            logger.warning("ended while busy: seconds=%s", self._exit_within_seconds)
            os._exit(self._exit_code)


class Notifier:
    """Tells systemd how the service is; does nothing where nobody listens (no NOTIFY_SOCKET).

    Ours because it is a datagram with a line of text (see sd_notify(3)), and the package for it is no longer
    maintained. A message that cannot be sent is logged, and does not stop the service.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self.watchdog_interval_seconds = _watchdog_interval_seconds(environment)
        """How often `beat` should be called: half of what systemd allows. None without a watchdog."""

    def ready(self) -> None:
        """Say that the service works, or works again after a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is read again; `ready` has to follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(f"STATUS={one_line(text)}")

    def beat(self) -> None:
        """Say that the main loop still turns, if systemd watches over it."""
        if self.watchdog_interval_seconds is not None:
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1.0)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            logger.warning("systemd not told: message=%s: %s", message.splitlines()[0], error.strerror or error)


def _watchdog_interval_seconds(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for another process, of whose environment this one is a copy
    return int(microseconds) / 1e6 / 2
