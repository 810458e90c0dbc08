"""leexportpy in the background: how it is found, what it writes, and that none outlives its test."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAIT_SECONDS = 15.0


def daemons_of(home: Path) -> list[int]:
    """Return the numbers of all processes that were started with that home."""
    mark = f"HOME={home}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # those that have ended meanwhile, or are not ours to look at
            if mark in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
    return found


@contextmanager
def none_left(home: Path) -> Iterator[None]:
    """Kill, after the block, whatever was started with that home and is still there."""
    try:
        yield
    finally:
        for pid in daemons_of(home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def kill_and_wait(pid: int) -> None:
    """End a process, which need not be a child, as a power cut would."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        assert poller.poll(WAIT_SECONDS * 1000)
    finally:
        os.close(descriptor)
