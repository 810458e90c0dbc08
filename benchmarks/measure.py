"""Measuring, and the one shape that every result has."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, and what it is held against."""

    what: str
    value: float
    unit: str
    target: str = ""
    """What was asked for, in words such as `>= 1000000`; empty for a figure that is only told."""
    met: bool | None = None

    def as_json(self) -> dict[str, object]:
        """Return the figure for the JSON file."""
        return asdict(self)


def at_least(what: str, value: float, unit: str, bound: float) -> Figure:
    """Return a figure that should not be below bound."""
    return Figure(what, value, unit, f">= {bound:,g}", value >= bound)


def at_most(what: str, value: float, unit: str, bound: float) -> Figure:
    """Return a figure that should not be above bound."""
    return Figure(what, value, unit, f"<= {bound:,g}", value <= bound)


@dataclass(slots=True)
class Elapsed:
    """Seconds that a block took, of the wall's clock and of this process's CPU."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def measured() -> Iterator[Elapsed]:
    """Give what the block took, once it is left."""
    elapsed = Elapsed()
    wall, cpu = time.perf_counter(), time.process_time()
    yield elapsed
    elapsed.wall, elapsed.cpu = time.perf_counter() - wall, time.process_time() - cpu


@contextmanager
def started(*arguments: str) -> Iterator[str]:
    """Run `python -m ARGUMENTS` beside this process and give its first line of output, which says where it listens."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def run_measured(*command: str, environment: dict[str, str]) -> tuple[Elapsed, float]:
    """Run a command; return what it took and its greatest memory in MiB. Raises RuntimeError if it fails."""
    wall = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=ROOT) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    elapsed = Elapsed(time.perf_counter() - wall, usage.ru_utime + usage.ru_stime)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return elapsed, usage.ru_maxrss / 1024
