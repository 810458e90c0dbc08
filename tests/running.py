"""A command that serves, whose output is read as it comes: a test can wait for a line of it."""

import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import IO

STOP_SECONDS = 5.0
"""What the commands promise to take at the most."""
WAIT_SECONDS = 15.0


class Lines:
    """The lines of a stream, collected by a thread, so that no pipe ever fills."""

    def __init__(self, stream: IO[str]) -> None:
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=[stream], daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._add(line.removesuffix("\n"))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _add(self, line: str) -> None:
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def whole(self) -> list[str]:
        """Return all lines once the stream has ended."""
        self._thread.join()
        return self._lines

    def so_far(self, text: str = "") -> list[str]:
        """Return the lines until now that hold a text."""
        with self._changed:
            return self._holding(text)

    def wait_for(self, text: str, count: int, timeout_seconds: float) -> list[str]:
        """Return the lines that hold a text once there are so many. Raises AssertionError if they do not come."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._holding(text)) >= count, timeout_seconds)
            found = self._holding(text)
            assert len(found) >= count, f"{text!r} came {len(found)} times, not {count}: {self._lines}"
            return found

    def is_silent(self, seconds: float) -> bool:
        """Return, after so long, that no line came; or at once that one did, or that the stream has ended."""
        with self._changed:
            before = len(self._lines)
            return not self._changed.wait_for(lambda: self._ended or len(self._lines) > before, seconds)

    def _holding(self, text: str) -> list[str]:
        return [line for line in self._lines if text in line]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a service ended, and all that it said."""

    code: int
    stdout: list[str]
    stderr: list[str]


class Running:
    """A service that has been started, and what it has said until now; it logs to standard output, unless told so."""

    def __init__(self, process: subprocess.Popen[str], *, logs_to_stderr: bool = False) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self._output = Lines(process.stdout)
        self._errors = Lines(process.stderr)
        self._log = self._errors if logs_to_stderr else self._output

    def lines(self, text: str = "") -> list[str]:
        """Return the lines of standard output until now that hold a text."""
        return self._output.so_far(text)

    def wait_for_line(self, text: str, count: int = 1, *, timeout_seconds: float = WAIT_SECONDS) -> list[str]:
        """Return the lines of standard output that hold a text, once there are so many."""
        return self._output.wait_for(text, count, timeout_seconds)

    def errors(self, text: str = "") -> list[str]:
        """Return the lines of standard error until now that hold a text."""
        return self._errors.so_far(text)

    def wait_for_error(self, text: str, count: int = 1) -> list[str]:
        """Return the lines of standard error that hold a text, once there are so many."""
        return self._errors.wait_for(text, count, WAIT_SECONDS)

    def is_silent(self, seconds: float) -> bool:
        """Return whether nothing was said to standard output for so long."""
        return self._output.is_silent(seconds)

    def last_words(self) -> str:
        """Return what was said last, for the one who looks into a test that fails."""
        return "\n".join([*self._output.so_far()[-30:], *self._errors.so_far()[-30:]])

    def reload(self, outcome: str = "configuration read again") -> None:
        """Send SIGHUP, and return once the log tells what came of it."""
        before = len(self._log.so_far(outcome))
        self.process.send_signal(signal.SIGHUP)
        self._log.wait_for(outcome, before + 1, WAIT_SECONDS)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send a signal, and return once the service has ended. Raises TimeoutExpired if that takes too long."""
        self.process.send_signal(number)
        self.process.wait(STOP_SECONDS)
        return self._end()

    def kill(self) -> Ended:
        """End the service as a power cut would, or see how it has ended before."""
        self.process.kill()
        self.process.wait()
        return self._end()

    def _end(self) -> Ended:
        return Ended(self.process.returncode, self._output.whole(), self._errors.whole())
