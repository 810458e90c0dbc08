"""Installs the Debian packages that hold the servers which tests need: `python -m tests.servers.install`.

Needs root, or a sudo that asks for no password. Only what is missing is installed. A machine's own services
are left as they are, and the new ones are neither started now nor at the next boot.

The exit status is 0 if every server is there or its tests may be skipped; in CI (CI=true) a missing one is 1.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.debian import PROGRAMS, in_ci, missing_programs

POLICY = Path("/usr/sbin/policy-rc.d")
DENY_STARTS = b"#!/bin/sh\n# Put here for the time of one apt-get by metrics-importer's tests.\nexit 101\n"
APT_GET = (
    "apt-get",
    "--quiet=2",
    "--option=DPkg::Lock::Timeout=300",
    "--option=Dpkg::Use-Pty=0",
)


def run(*command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command without a terminal and return what came of it, output and errors in one."""
    return subprocess.run(
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=900
    )


def find_superuser() -> list[str] | None:
    """Return the words that make a command run as root: none for root itself; None if there is no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run("sudo", "-n", "true").returncode == 0:
        return ["sudo", "-n"]
    return None


@contextmanager
def no_service_starts(superuser: list[str]) -> Iterator[None]:
    """Keep packages from starting their services meanwhile; a policy that the machine has is left alone."""
    if POLICY.exists():
        yield
        return
    run(*superuser, "tee", str(POLICY), stdin=DENY_STARTS)
    run(*superuser, "chmod", "755", str(POLICY))
    try:
        yield
    finally:
        run(*superuser, "rm", "-f", str(POLICY))


def apt_install(superuser: list[str], package: str) -> str:
    """Install one package; return the last line of apt-get's complaint, empty if there was none."""
    done = run(
        *superuser,
        *("env", "DEBIAN_FRONTEND=noninteractive", *APT_GET),
        *("install", "--yes", "--no-install-recommends", package),
    )
    if done.returncode == 0:
        return ""
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"apt-get ended with {done.returncode}"


def install(superuser: list[str], programs: list[str]) -> list[str]:
    """Install the programs' packages and return, a line each, what went wrong."""
    packages = [PROGRAMS[program] for program in programs]
    print(f"installing for the tests: {' '.join(packages)}", flush=True)
    with no_service_starts(superuser):
        failed = [package for package in packages if apt_install(superuser, package)]
        if failed:  # a fresh machine has no package lists yet, an old one may have outdated ones
            run(*superuser, *APT_GET, "update")
        complaints = [complaint for package in failed if (complaint := apt_install(superuser, package))]
    if shutil.which("systemctl"):
        for program in set(programs) - set(missing_programs()):
            run(*superuser, "systemctl", "disable", f"{program}.service")
    return complaints


def obstacle(programs: list[str]) -> str:
    """Try to install the programs; return why that cannot be done, empty if it was."""
    if shutil.which("apt-get") is None:
        return "there is no apt-get here"
    superuser = find_superuser()
    if superuser is None:
        return "neither root nor a sudo without password"
    return "; ".join(install(superuser, programs))


def main() -> int:
    """Install what is missing, say in one line which tests have to do without, and return the exit status."""
    missing = missing_programs()
    if not missing:
        return 0
    reason = obstacle(missing)
    missing = missing_programs()
    if not missing:
        return 0
    packages = " ".join(PROGRAMS[program] for program in missing)
    verdict = "cannot run in CI" if in_ci() else "are skipped"
    print(f"tests that need {', '.join(missing)} {verdict}: {reason} (apt-get install {packages})")
    return 1 if in_ci() else 0


if __name__ == "__main__":
    raise SystemExit(main())
