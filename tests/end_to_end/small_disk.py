"""An influxd whose data lie on a small disk of its own, which can be filled up."""

import errno
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import Influxdb
from tests.servers.process import die_with_parent

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--")
_PIECE = bytes(2**20)


def why_no_disk() -> str:
    """Return why a test cannot have a disk of its own, empty if it can."""
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(command, capture_output=True, check=False)
    return "" if done.returncode == 0 else "may not mount a file system in a namespace of its own"


class InfluxdbOnSmallDisk(Influxdb):
    """The disk is a file system in memory, in a name space that a shell holds open while the `with` block lasts."""

    def __init__(self, directory: Path, *, megabytes: int) -> None:
        super().__init__(directory)
        self._megabytes = megabytes

    def __enter__(self) -> Self:
        disk = self.directory / "disk"
        disk.mkdir()
        parts = [self.directory / name for name in ("data", "meta", "wal")]
        steps = [f"mount -t tmpfs -o size={self._megabytes}m none {disk}"]
        for part in parts:
            part.mkdir()
            steps += [f"mkdir {disk / part.name}", f"mount --bind {disk / part.name} {part}"]
        self._holder = subprocess.Popen(
            die_with_parent([*NAMESPACE, "sh", "-c", " && ".join([*steps, "echo mounted", "cat"])]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "mounted\n"
        self._ballast = Path(f"/proc/{self._holder.pid}/root{disk}/ballast")
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._holder.communicate()

    def command(self) -> list[str]:
        """Return the words that start influxd where its disk is."""
        enter = ["nsenter", f"--target={self._holder.pid}", "--user", "--mount", "--preserve-credentials", "--"]
        return [*enter, *super().command()]

    def fill(self) -> None:
        """Leave no byte of the disk free."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (len(_PIECE), 4096):
                while _appended(descriptor, size):
                    pass
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Take away what `fill` wrote."""
        self._ballast.unlink()


def _appended(descriptor: int, size: int) -> bool:
    """Return whether a disk had room for so many bytes."""
    try:
        return os.write(descriptor, _PIECE[:size]) == size
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
