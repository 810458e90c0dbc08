"""Control groups of a container's own: two containers that share one would count each other's processes as theirs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")


@contextmanager
def own_groups(name: str) -> Iterator[Sequence[Path]]:
    """Make a group below this process's in each hierarchy that systemd works with; they are gone at the end.

    Raises OSError where no groups can be made.
    """
    groups = [parent / name for parent in _parents()]
    for group in groups:
        group.mkdir()
    try:
        yield groups
    finally:
        for group in groups:
            _remove(group)


def joining(groups: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return a command that enters the groups, then does what the one given does."""
    files = [str(group / "cgroup.procs") for group in groups]
    script = 'count=$1; shift; while [ $count -gt 0 ]; do echo $$ >"$1"; shift; count=$((count - 1)); done; exec "$@"'
    return ["sh", "-euc", script, "sh", str(len(files)), *files, *command]


def _parents() -> Iterator[Path]:
    """Yield this process's own groups: in the one hierarchy of cgroup v2, or in the two of a mixed system."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        mounted = {"": _unified(), "name=systemd": MOUNTED / "systemd"}.get(controllers)
        if mounted is not None and mounted.is_dir():
            yield mounted / path.lstrip("/")


def _unified() -> Path:
    mixed = MOUNTED / "unified"
    return mixed if mixed.is_dir() else MOUNTED


def _remove(group: Path) -> None:
    """Remove a group with those below it; the kernel's files in them go by themselves."""
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()
