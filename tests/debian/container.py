"""A container of Debian with systemd as its first process: the package is installed there as on a machine."""

import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.commands import ROOT
from tests.debian.cgroups import joining, own_groups
from tests.running import Lines
from tests.servers.debian import in_ci
from tests.servers.process import die_with_parent

PACKAGE = os.environ.get("METRICS_IMPORTER_DEB", "")
"""The package that is tried."""
SUITE = os.environ.get("METRICS_IMPORTER_SUITE", "")
"""The release of Debian that it is for; empty for this machine's."""
BASES = ROOT / "build" / "debian"
"""Where Debian's bare root directories are kept for the next time."""
DEPENDED_ON = ("adduser", "libstdc++6", "procps")
"""What the package needs, and what tests look with."""
BOOT_SECONDS = 180.0
STOP_SECONDS = 120.0
WAIT_SECONDS = 240.0
"""How long anything may take; a test fails when that is over. `livestats` makes its first cycle within two minutes."""
COMMAND_SECONDS = 300.0
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Container:
    """A container, which shares the network with us; its disk outlives a boot."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        """Its `/`, as seen from here."""
        self._folder = folder
        self._leader = 0
        self._inside: list[str] = []
        self._nspawn: subprocess.Popen[bytes] | None = None

    # Power

    def boot(self) -> None:
        """Switch it on; return once it has booted. Raises AssertionError, with what was said, where that cannot be."""
        with ExitStack() as stack, _notified(self._folder / "notify") as notified:
            groups = stack.enter_context(own_groups(f"{self._folder.name}-{os.getpid()}"))
            log = stack.enter_context((self._folder / "boot.log").open("ab"))
            command = ["systemd-nspawn", f"--directory={self.root}", "--register=no", "--keep-unit"]
            self._nspawn = subprocess.Popen(
                die_with_parent(joining(groups, [*command, "--notify-ready=yes", "--boot"])),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": str(self._folder / "notify"),
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",  # as on a machine, however old the one around it is
                },
            )
            self._leader = _leader(notified, self._nspawn, self._folder / "boot.log")
            self._off = stack.pop_all()
        self._inside = ["nsenter", f"--target={self._leader}", "--mount", "--pid", "--uts", "--ipc", "--cgroup"]

    def power_cut(self) -> None:
        """Switch it off with no warning: all processes are killed at once."""
        os.kill(self._leader, signal.SIGKILL)
        self._wait_off()

    def go_down_for_reboot(self) -> None:
        """Have it shut itself down for a reboot, which is for us to end by `boot`."""
        self.try_run("systemctl", "reboot")
        self._wait_off()

    def _wait_off(self) -> None:
        assert self._nspawn is not None
        self._nspawn.wait(STOP_SECONDS)
        self._nspawn = None
        self._off.close()

    # Commands and files

    def try_run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end; the output holds what it said on either stream."""
        return subprocess.run(
            [*self._inside, *die_with_parent(list(command))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
            timeout=COMMAND_SECONDS,
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

    def prepare(self) -> None:
        """Install what the package depends on."""
        self.run("apt-get", "--quiet=2", "update")
        self.run("apt-get", "--quiet=2", "install", "--yes", "--no-install-recommends", *DEPENDED_ON)

    def install(self, package: Path) -> str:
        """Install a package from a file, with what it depends on; return what apt said.

        Of configuration files that somebody has edited the edited one stays, as where puppet installs packages.
        """
        shutil.copy(package, self.root / "root")
        options = ["--yes", "--reinstall", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
        return self.run("apt-get", "install", *options, f"/root/{package.name}")

    # Units

    def start(self, *units: str) -> None:
        """Start units; services have told that they are ready then. Raises AssertionError with what was logged."""
        done = self.try_run("systemctl", "start", *units)
        if done.returncode:
            log = self.run("journalctl", "--no-pager", "--lines=40", "--output=cat")
            raise AssertionError(f"{done.stdout}\n{log}")

    def property_of(self, unit: str, name: str) -> str:
        """Return a property of a unit, as `systemctl show` names and tells it."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").strip()

    @contextmanager
    def journal(self, unit: str) -> Iterator[Lines]:
        """Collect the messages about a unit, and of it, that come from now on."""
        newest = self.run("journalctl", "--lines=0", "--show-cursor").strip()
        cursor = newest.rpartition("-- cursor: ")[2]
        following = ["journalctl", "--follow", "--output=cat", f"--unit={unit}", f"--after-cursor={cursor}"]
        command = [*self._inside, *die_with_parent(following)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
            assert process.stdout is not None
            lines = Lines(process.stdout)
            try:
                yield lines
            finally:
                process.kill()
                lines.whole()


def why_no_container() -> str:
    """Return why no container can be had here, empty if one can; in CI, where none may be missing, always empty."""
    if in_ci():
        return ""
    if os.geteuid() != 0:
        return "only root can boot a container"
    missing = [program for program in ("debootstrap", "systemd-nspawn", "nsenter") if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}; apt-get install debootstrap systemd-container" if missing else ""


@contextmanager
def booted(folder: Path) -> Iterator[Container]:
    """Boot a fresh container, whose files are below a folder; it is gone at the end."""
    container = Container(folder)
    subprocess.run(["cp", "--archive", "--reflink=auto", _base(), container.root], check=True)
    container.boot()
    try:
        yield container
    finally:
        container.power_cut()
    shutil.rmtree(container.root)


@contextmanager
def _notified(path: Path) -> Iterator[socket.socket]:
    """Give a socket that hears of the boot alone: were it there for longer, and not read, systemd would wait for us."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(path))
        try:
            yield notified
        finally:
            path.unlink()


def _leader(notified: socket.socket, nspawn: "subprocess.Popen[bytes]", log: Path) -> int:
    """Wait until the container has booted; return its first process.

    Raises AssertionError if it cannot be had here or takes too long.
    """
    ended = os.pidfd_open(nspawn.pid)
    told: dict[str, str] = {}
    while told.get("READY") != "1" or "X_NSPAWN_LEADER_PID" not in told:
        ready, _, _ = select.select([notified, ended], [], [], BOOT_SECONDS)
        assert notified in ready, f"no container can be booted here: {log.read_text(errors='replace')[-2000:]}"
        told |= dict(line.split("=", 1) for line in notified.recv(4096).decode().splitlines())
    os.close(ended)
    return int(told["X_NSPAWN_LEADER_PID"])


def _base() -> Path:
    """Return a bare root directory of the release, made if there is none yet."""
    suite = SUITE or _own_suite()
    subprocess.run([ROOT / "tools" / "debian-base", BASES, suite], check=True)
    return BASES / suite


def _own_suite() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    return release["VERSION_CODENAME"].strip('"')
