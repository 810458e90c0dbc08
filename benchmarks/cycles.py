"""python -m benchmarks.cycles N: make N cycles of livestats, print the memory in MiB after the 10th and the last.

A process of its own, so that the memory is that of the command alone.
"""

import argparse
import resource
import sys
import threading
from pathlib import Path

from importer.cli.apteligent.command import ApteligentCommand
from importer.outbox import Outbox
from importer.paths import find_directories

EARLY = 10


def resident_mib() -> float:
    """Return how much memory this process occupies now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(cycles: int) -> None:
    """Run the cycles back to back."""
    options = argparse.Namespace(interval=1, threads=64, project="apteligent-importer")
    directories = find_directories(options.project)
    command = ApteligentCommand("livestats", options, directories, threading.Event(), is_once=False, days=None)
    with (
        Outbox(directories.state / "livestats.outbox") as outbox,
        command.running(outbox) as running,
        running.job.delivering(),
    ):
        for cycle in range(1, cycles + 1):
            running.job.run(running.plan.due(["live"]))
            if cycle in (EARLY, cycles):
                print(f"{resident_mib():.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
