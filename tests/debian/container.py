"""A container of Debian with systemd as its first process: the package is installed there as on a machine."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands import ROOT

BASES = ROOT / "build" / "debian"
"""Where Debian's bare root directories are kept for the next time."""
INCLUDED = "systemd,systemd-sysv,dbus,python3,ca-certificates"
NEEDED = ("debootstrap", "systemd-nspawn", "nsenter")
BOOT_SECONDS = 120.0
STOP_SECONDS = 60.0
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Container:
    """A booted container, which shares the network with us."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        """Its `/`, as seen from here."""
        self._inside = ["nsenter", f"--target={leader}", "--mount", "--pid", "--uts", "--ipc", "--cgroup"]

    def try_run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end; the output holds what it said on either stream."""
        return subprocess.run(
            [*self._inside, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )

    def run(self, *command: str) -> str:
        """Run a command that has to succeed; return what it said."""
        done = self.try_run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def shell(self, script: str) -> str:
        """Run a script that has to succeed; return what it said."""
        return self.run("sh", "-euc", script)

    def write(self, path: str, text: str) -> None:
        """Write a file, making its directory where there is none."""
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def install(self, package: Path) -> str:
        """Install a package from a file, with what it depends on; return what apt said.

        Of configuration files that somebody has edited the edited one stays, as where puppet installs packages.
        """
        shutil.copy(package, self.root / "root")
        options = ["--yes", "--reinstall", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
        return self.run("apt-get", "install", *options, f"/root/{package.name}")

    @contextmanager
    def journal(self, unit: str) -> Iterator[Iterator[str]]:
        """Give the messages about a unit, and of it, that come from now on."""
        command = [*self._inside, "journalctl", "--follow", "--output=cat", f"--unit={unit}", "--lines=1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as following:
            assert following.stdout is not None
            following.stdout.readline()  # the newest message of before: from here on it follows
            try:
                yield iter(following.stdout.readline, "")
            finally:
                following.kill()


def why_no_container() -> str:
    """Return why no container can be had here, empty if one can."""
    if os.geteuid() != 0:
        return "only root can boot a container"
    missing = [program for program in NEEDED if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}; apt-get install debootstrap systemd-container" if missing else ""


@contextmanager
def booted(folder: Path) -> Iterator[Container]:
    """Boot a fresh container, whose files are below a folder; it is gone at the end."""
    root = folder / "root"
    subprocess.run(["cp", "--archive", "--reflink=auto", _base(), root], check=True)
    with _notified(folder / "notify") as notified, (folder / "boot.log").open("w") as log:
        nspawn = subprocess.Popen(
            ["systemd-nspawn", f"--directory={root}", "--register=no", "--keep-unit", "--notify-ready=yes", "--boot"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
        )
        try:
            yield Container(root, _leader(notified))
        finally:
            nspawn.terminate()  # which has it shut down
            nspawn.wait(STOP_SECONDS)
    shutil.rmtree(root)


@contextmanager
def _notified(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(path))
        notified.settimeout(BOOT_SECONDS)
        yield notified


def _leader(notified: socket.socket) -> int:
    """Wait until the container has booted; return its first process. Raises TimeoutError."""
    told: dict[str, str] = {}
    while told.get("READY") != "1" or "X_NSPAWN_LEADER_PID" not in told:
        told |= dict(line.split("=", 1) for line in notified.recv(4096).decode().splitlines())
    return int(told["X_NSPAWN_LEADER_PID"])


def _base() -> Path:
    """Return a bare root directory of this machine's Debian, made if there is none yet."""
    mirror, suite = _mirror()
    base = BASES / suite
    if not base.is_dir():
        unfinished = BASES / f"{suite}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        command = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", suite, str(unfinished), mirror]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        unfinished.rename(base)
    return base


def _mirror() -> tuple[str, str]:
    """Return the address and the suite that apt gets Debian itself from."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release["VERSION_CODENAME"].strip('"')
    wanted = ["Created-By: Packages", "Component: main", f"Release: {suite}"]
    command = ["apt-get", "indextargets", "--format", "$(SITE)", *wanted]
    sites = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert sites, f"apt knows no mirror of {suite}: run apt-get update"
    return sites[0], suite
