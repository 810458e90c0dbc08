"""The units of systemd/ as tests read them."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.commands import ROOT

FOLDER = ROOT / "systemd"
PATHS = sorted(path for path in FOLDER.iterdir() if path.is_file())
SERVICES = [path.name for path in PATHS if path.suffix == ".service"]
TIMERS = [path.name for path in PATHS if path.suffix == ".timer"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit file."""

    name: str
    text: str

    def lines(self, section: str) -> Iterator[tuple[str, str]]:
        """Yield the settings of a section in their order."""
        here = ""
        for line in self.text.splitlines():
            if line.startswith("["):
                here = line.strip("[]")
            elif line and not line.startswith("#") and here == section:
                key, _, value = line.partition("=")
                yield key, value

    def values(self, section: str, key: str) -> list[str]:
        """Return every value of a setting."""
        return [value for name, value in self.lines(section) if name == key]

    def value(self, section: str, key: str) -> str:
        """Return the one value of a setting, empty if it is not there."""
        (value,) = self.values(section, key) or [""]
        return value

    def command(self, key: str, instance: str) -> list[str]:
        """Return the words of a command, as systemd takes them apart."""
        line = self.value("Service", key).replace("%i", instance)
        return [word.replace("$$", "$") for word in shlex.split(line)]

    def sandbox(self) -> list[tuple[str, str]]:
        """Return what stands below the heading of the sandbox."""
        _, _, below = self.text.partition("\n# The sandbox")
        return list(Unit(self.name, f"[Service]\n#{below}").lines("Service"))


def load_unit(name: str) -> Unit:
    """Return a unit of the suite."""
    return Unit(name, (FOLDER / name).read_text())


def copy_with_launchers(folder: Path) -> None:
    """Write all units into a folder, with the launchers of bin/ in place of the installed commands."""
    for path in PATHS:
        (folder / path.name).write_text(path.read_text().replace("/usr/bin/", f"{ROOT}/bin/"))
