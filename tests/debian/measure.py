"""Measures the installed package: `METRICS_IMPORTER_DEB=build/deb/NAME.deb python -m tests.debian.measure`, as root.

Prints what docs/performance.md tells of it: how much room it takes, and how long each command takes to say how it is
used, the median of some runs in a container.
"""

import json
import tempfile
from pathlib import Path
from typing import cast

from tests.debian.container import PACKAGE, Container, booted

RUNS = 5
TIMING = """\
import json, statistics, subprocess, sys, time
def seconds(command):
    began = time.perf_counter()
    subprocess.run([command, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
runs, *commands = sys.argv[1:]
print(json.dumps({name: statistics.median(seconds(name) for _ in range(int(runs))) for name in commands}))
"""


def start_seconds(machine: Container) -> dict[str, float]:
    """Return how long each command takes from its start to its end with --help, the median of RUNS."""
    listed = machine.shell("dpkg -L metrics-importer | sed -n 's#^/usr/bin/##p' | grep -v '[.]py$'")
    said = machine.run("python3", "-c", TIMING, str(RUNS), *sorted(listed.split()))
    return cast("dict[str, float]", json.loads(said))


def installed_bytes(machine: Container) -> int:
    """Return the room that the files of the package take."""
    paths = [machine.root / path.lstrip("/") for path in machine.run("dpkg", "-L", "metrics-importer").splitlines()]
    return sum(path.lstat().st_blocks * 512 for path in paths if path.is_symlink() or path.is_file())


def main() -> int:
    """Measure, print, and return the exit status."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, booted(Path(folder)) as machine:
        machine.prepare()
        machine.install(Path(PACKAGE).resolve())
        release = machine.shell(". /etc/os-release; echo $PRETTY_NAME").strip()
        print(f"{release}: package {Path(PACKAGE).stat().st_size / 1e6:.0f} MB,", end=" ")
        print(f"installed {installed_bytes(machine) / 1e6:.0f} MB")
        for name, seconds in start_seconds(machine).items():
            print(f"| `{name}` | {seconds * 1000:.0f} ms |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
