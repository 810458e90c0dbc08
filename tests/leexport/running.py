"""leexportpy as a service in the foreground, whose output is read as it comes: a test can wait for a line of it."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from tests.leexport.site import Site

STOP_SECONDS = 5.0
"""What the command promises to take at the most."""
WAIT_SECONDS = 15.0
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - (INFO|WARNING|ERROR) - [\w.]+ - [\w-]+ - \S.*")
_PLUGIN = """
import requests

class {name}Service:
    def __init__(self, response, api_key, destination_config):
        self.push_url = destination_config["push_url"]

    def process(self):
        {body}
"""


class _Lines:
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
    """A service that has been started; `output` and `errors` are what it has said until now."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self._output = _Lines(process.stdout)
        self._errors = _Lines(process.stderr)

    def lines(self, text: str = "") -> list[str]:
        """Return the lines of standard output until now that hold a text."""
        return self._output.so_far(text)

    def wait_for_line(self, text: str, count: int = 1, *, timeout_seconds: float = WAIT_SECONDS) -> list[str]:
        """Return the lines of standard output that hold a text, once there are so many."""
        return self._output.wait_for(text, count, timeout_seconds)

    def wait_for_error(self, text: str) -> list[str]:
        """Return the lines of standard error that hold a text, once there is one."""
        return self._errors.wait_for(text, 1, WAIT_SECONDS)

    def is_silent(self, seconds: float) -> bool:
        """Return whether nothing was said to standard output for so long."""
        return self._output.is_silent(seconds)

    def last_words(self) -> str:
        """Return what was said last, for the one who looks into a test that fails."""
        return "\n".join([*self._output.so_far()[-30:], *self._errors.so_far()[-30:]])

    def reload(self, outcome: str = "configuration read again") -> None:
        """Send SIGHUP, and return once the log tells what came of it."""
        before = len(self.lines(outcome))
        self.process.send_signal(signal.SIGHUP)
        self.wait_for_line(outcome, before + 1)

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


@contextmanager
def started(site: Site, *, env: Mapping[str, str | None] | None = None) -> Iterator[Running]:
    """Give a service with the configuration as it is on disk; whatever the block does, it ends with it."""
    with site.commands.start("leexportpy", "start", "-c", site.config, env=env) as process:
        running = Running(process)
        try:
            yield running
        except Exception as error:
            error.add_note(running.last_words())
            raise
        finally:
            running.kill()


@contextmanager
def serving(site: Site, *, env: Mapping[str, str | None] | None = None) -> Iterator[Running]:
    """Write the configuration, and give a service that goes by it."""
    site.write()
    with started(site, env=env) as running:
        yield running


def plug_in(site: Site, name: str, body: str, *, period: int = 1) -> None:
    """Add a search for a service of the user's; the line that its `process` consists of may use `self.push_url`."""
    folder = site.config.with_name("services")
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_service.py").write_text(_PLUGIN.format(name=name.capitalize(), body=body))
    site.search(name, {"service": name, "push_url": site.geckoboard.push_url(name)}, period=period)
    site.commands.environment["LEEXPORTPY_SERVICES"] = str(folder)
