"""A folder in place of the machine: units' commands run there as systemd would run them, without their sandbox."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.commands import ROOT, TIMEOUT_SECONDS
from tests.servers.process import die_with_parent
from tests.systemd.unit_files import Unit

WAIT_SECONDS = 30.0
"""How long a test waits for what ought to come at once; it fails when that is over."""
WATCHDOG_SECONDS = 0.2
DIRECTORIES = {
    "ConfigurationDirectory": ("etc", "CONFIGURATION_DIRECTORY"),
    "StateDirectory": ("var/lib", "STATE_DIRECTORY"),
    "CacheDirectory": ("var/cache", "CACHE_DIRECTORY"),
    "LogsDirectory": ("var/log", "LOGS_DIRECTORY"),
}
"""Setting of a unit -> where systemd makes it, and how it tells so."""


class Systemd:
    """The socket on which services tell how they are."""

    def __init__(self, notified: socket.socket) -> None:
        self._notified = notified

    def wait_for(self, wanted: str) -> None:
        """Wait for a message. Raises AssertionError for another one, but for a beat of the watchdog or a status."""
        while (said := self._notified.recv(4096).decode().split("\n")[0]) != wanted:
            assert said.startswith(("WATCHDOG=1", "STATUS=")), f"{said} before {wanted}"


class Machine:
    """Directories as under /, and the commands of units."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def etc(self, project: str) -> Path:
        """Return a project's configuration directory, which exists."""
        folder = self.root / "etc" / project
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def run(self, unit: Unit, *, instance: str = "") -> subprocess.CompletedProcess[str]:
        """Run a unit's command to its end."""
        return subprocess.run(
            self._command(unit, instance),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.root,
            env=self._environment(unit),
            umask=int(unit.value("Service", "UMask"), 8),
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    @contextmanager
    def running(self, unit: Unit, *, instance: str = "") -> Iterator[tuple[subprocess.Popen[str], Systemd]]:
        """Start a service, and let it be while the block lasts. Gives the process, and what it tells systemd."""
        path = self.root / "notify"
        watched = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6))}
        output = self.root / "output"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, output.open("w") as said:
            notified.bind(str(path))
            notified.settimeout(WAIT_SECONDS)
            process = subprocess.Popen(
                die_with_parent(self._command(unit, instance)),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.root,
                env=self._environment(unit) | watched,
                umask=int(unit.value("Service", "UMask"), 8),
            )
            try:
                yield process, Systemd(notified)
            except Exception as error:
                error.add_note(output.read_text())
                raise
            finally:
                process.kill()
                process.wait()

    def _command(self, unit: Unit, instance: str) -> list[str]:
        program, *arguments = unit.command("ExecStart", instance)
        launcher = ROOT / "bin" / Path(program).relative_to("/usr/bin")
        placed = [f"{self.root}{word}" if word.startswith("/") else word for word in arguments]
        return [sys.executable, str(launcher), *placed]

    def _environment(self, unit: Unit) -> Mapping[str, str]:
        environment = {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        for setting, (place, variable) in DIRECTORIES.items():
            directory = self.root / place / unit.value("Service", setting)
            directory.mkdir(parents=True, exist_ok=True)
            environment[variable] = str(directory)
        return environment
