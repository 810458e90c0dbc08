"""The files that `metrics-importer init` writes: tried by the loaders first, then put in place, all of them or none."""

import grp
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from importer.errors import ConfigError, ImporterError, Problem, UsageError
from importer.stores import sync_directory, write_private

GROUP = "metrics-importer"
"""Who the package's units run as."""
BACKUP = ".bak"
_PRIVATE = 0o600
_SHARED = 0o640
_ROOT = 0

Check = Callable[[Path], object]
"""Reads the file at a path as the command will; raises ConfigError."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to be written."""

    name: str
    """Its path below the configuration directory."""
    content: str
    check: Check | None = None
    """None: it is looked at with the file that names it."""
    is_secret: bool = False
    is_kept: bool = False
    """Whether one that is there is left as it is."""
    is_known: bool = False
    """Whether `metrics-importer check` knows it."""


def refuse_to_overwrite(directory: Path, names: Sequence[str], *, force: bool) -> None:
    """Raise UsageError where one of these files is there, unless it is to be replaced."""
    there = [str(directory / name) for name in names if os.path.lexists(directory / name)]
    if there and not force:
        raise UsageError(f"{', '.join(there)} exists; --force replaces it, and keeps it with {BACKUP} behind its name")


def write_all(directory: Path, files: Sequence[PlannedFile]) -> list[Path]:
    """Put files into a directory, which is made if need be, and return where they are now.

    What is replaced is kept beside, with `.bak` behind its name. Raises ConfigError, with the final paths, for what a
    loader refuses, and ImporterError where something cannot be written; then all is as it was.
    """
    kept = [file for file in files if file.is_kept and os.path.lexists(directory / file.name)]
    wanted = [file for file in files if file not in kept]
    try:
        with _made(directory), _staging(directory) as staging:
            group = _group_of(directory)
            for file in wanted:
                _stage(staging / file.name, file, group)
            for file in kept:  # others may name it
                shutil.copyfile(directory / file.name, staging / file.name)
            _check(staging, directory, wanted)
            for file in sorted(wanted, key=lambda file: not file.is_secret):  # what names others comes last
                _put(staging / file.name, directory / file.name, group)
            sync_directory(directory)
    except OSError as error:
        raise ImporterError(f"{error.filename or directory}: cannot be written: {error.strerror}") from error
    return [directory / file.name for file in wanted]


@contextmanager
def _made(directory: Path) -> Iterator[None]:
    """Make a directory, and take it away again if the block does not end well."""
    is_new = not directory.exists()
    if is_new:
        directory.mkdir(mode=0o755)
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                directory.rmdir()
        raise


@contextmanager
def _staging(directory: Path) -> Iterator[Path]:
    staging = Path(tempfile.mkdtemp(dir=directory, prefix=".init-"))
    try:
        yield staging
    finally:
        shutil.rmtree(staging)


def _group_of(directory: Path) -> int | None:
    """Return the group that is to read what root writes here, the service's; None for what is its writer's alone."""
    if os.geteuid() != _ROOT:
        return None
    group = directory.stat().st_gid
    if group != _ROOT:
        return group
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def _stage(path: Path, file: PlannedFile, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_shared = group is not None or not file.is_secret
    write_private(path, file.content, mode=_SHARED if is_shared else _PRIVATE)
    if group is not None:
        os.chown(path, -1, group)


def _check(staging: Path, directory: Path, files: Sequence[PlannedFile]) -> None:
    problems: list[Problem] = []
    for file in files:
        try:
            if file.check is not None:
                file.check(staging / file.name)
        except ConfigError as error:
            problems += (_moved(problem, staging, directory) for problem in error.problems)
    if problems:
        raise ConfigError(problems)


def _moved(problem: Problem, staging: Path, directory: Path) -> Problem:
    """Return a problem as it would be told of the file in its place."""
    old, new = str(staging), str(directory)
    return Problem(str(problem.file).replace(old, new), problem.what.replace(old, new), problem.key, problem.line)


def _put(staged: Path, target: Path, group: int | None) -> None:
    if not target.parent.exists():
        target.parent.mkdir(mode=0o750)
        if group is not None:
            os.chown(target.parent, -1, group)
    if os.path.lexists(target):
        _keep(target)
    staged.replace(target)


def _keep(target: Path) -> None:
    """Keep what is to be replaced; the new file is its owner's, as far as that is allowed to us."""
    found = target.stat()
    backup = target.with_name(f"{target.name}{BACKUP}")
    write_private(backup, target.read_bytes(), mode=stat.S_IMODE(found.st_mode))
    with suppress(PermissionError):
        os.chown(backup, found.st_uid, found.st_gid)
