"""Runs a command with a terminal in place of its output, and shows what a person would see there."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.commands import ROOT, Commands
from tests.servers.process import die_with_parent

TIMEOUT_SECONDS = 60.0
COLUMNS = 100


@dataclass
class Terminal:
    """A pseudo terminal of 100 columns, and all that was ever written to it."""

    written: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._controller, self.device = pty.openpty()
        fcntl.ioctl(self.device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self._changed = threading.Condition()
        self._seen = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._controller, 65536)
            except OSError:  # nobody has the device open any more
                break
            with self._changed:
                self.written += data
                self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        """Return once a text has been shown behind the one that was waited for before. Raises AssertionError."""
        assert self._is_shown(text, TIMEOUT_SECONDS), f"no {text!r}: {self.text!r}"

    def type_until(self, key: str, text: str) -> None:
        """Type a key again and again until a text is shown: what comes just before a read may not interrupt it."""
        for _ in range(int(TIMEOUT_SECONDS)):
            self.type(key)
            if self._is_shown(text, 1.0):
                return
        raise AssertionError(f"no {text!r}: {self.text!r}")

    def _is_shown(self, text: str, timeout_seconds: float) -> bool:

        def position() -> int:
            return self.text.replace("\r\n", "\n").find(text, self._seen)

        with self._changed:
            if not self._changed.wait_for(lambda: position() >= 0, timeout_seconds):
                return False
            self._seen = position() + len(text)
        return True

    def type(self, text: str) -> None:
        """Type keys; half a surrogate pair is a byte that is not UTF-8."""
        os.write(self._controller, text.encode(errors="surrogateescape"))

    def close(self) -> None:
        """Return once all that was written has been read, by everybody who has the device."""
        os.close(self.device)
        self._thread.join(TIMEOUT_SECONDS)
        os.close(self._controller)

    @property
    def text(self) -> str:
        """All that was written, wiped or not."""
        return self.written.decode(errors="replace")

    @property
    def screen(self) -> list[str]:
        """The lines that are left to be seen at the end, without blanks at their ends."""
        return [_seen(line) for line in self.text.replace("\r\n", "\n").split("\n")]


def _seen(line: str) -> str:
    """Return what a line shows once each carriage return has let what follows go over what was there."""
    cells: list[str] = []
    for part in line.split("\r"):
        cells[: len(part)] = part
    return "".join(cells).rstrip()


def run_at_terminal(
    commands: Commands,
    name: str,
    *arguments: str | Path,
    meanwhile: Callable[[Terminal], None] = lambda _terminal: None,
) -> tuple[int, Terminal]:
    """Run bin/`name` to its end with a terminal for output and errors; return its exit code and the terminal.

    `meanwhile` is called once it is started.
    """
    terminal = Terminal()
    # setsid: as in a shell, the keys that interrupt reach this process.
    command = die_with_parent(["setsid", "--ctty", sys.executable, str(ROOT / "bin" / name), *map(str, arguments)])
    with subprocess.Popen(
        command,
        stdin=terminal.device,
        stdout=terminal.device,
        stderr=terminal.device,
        cwd=commands.home,
        env=commands.environment | {"TERM": "xterm"},
    ) as process:
        try:
            meanwhile(terminal)
            process.wait(TIMEOUT_SECONDS)
        finally:
            process.kill()
            terminal.close()
    return process.returncode, terminal
