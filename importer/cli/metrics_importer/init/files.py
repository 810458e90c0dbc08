"""The files that `metrics-importer init` writes: tried by the loaders first, then put in place, all of them or none."""

import grp
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from importer.errors import ConfigError, ImporterError, Problem, UsageError
from importer.stores import sync_directory, write_private

SERVICE = "metrics-importer"
"""The user that the package's units run as, and its group."""
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
    wanted = [file for file in files if not (file.is_kept and os.path.lexists(directory / file.name))]
    try:
        with ExitStack() as undo:
            group = _made(directory, undo)
            with _staging(directory) as staging:
                for file in wanted:
                    _stage(staging / file.name, file, group)
                _link_others(staging, directory)
                _check(staging, directory, wanted)
                for file in sorted(wanted, key=lambda file: not file.is_secret):  # what names others comes last
                    _put(staging / file.name, directory / file.name, group, undo)
                sync_directory(directory)
            undo.pop_all()
    except OSError as error:
        raise ImporterError(f"{error.filename or directory}: cannot be written: {error.strerror}") from error
    return [directory / file.name for file in wanted]


def _made(directory: Path, undo: ExitStack) -> int | None:
    """Make a directory if it is not there, and return the group that is to read what is in it."""
    if directory.exists():
        return _group_of(directory)
    directory.mkdir(mode=0o755)
    undo.callback(_remove_empty, directory)
    group = _group_of(directory)
    if group is not None:  # the group has to come in whatever the umask of root is
        directory.chmod(0o755)
    return group


def _remove_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()


def unreadable(paths: Sequence[Path], user: str = SERVICE) -> list[Path]:
    """Return those files that a user cannot read: root can, and only root can find out. None for an unknown user."""
    if os.geteuid() != _ROOT:
        return []
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        return []
    return [path for path in paths if not _can_read(known, path)]


def _can_read(user: pwd.struct_passwd, path: Path) -> bool:
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    command = ["/usr/bin/test", "-r", str(path)]
    ended = subprocess.run(command, check=False, user=user.pw_uid, group=user.pw_gid, extra_groups=groups)  # noqa: S603 - nothing of it is a program
    return ended.returncode == 0


@contextmanager
def _staging(directory: Path) -> Iterator[Path]:
    try:
        staging = Path(tempfile.mkdtemp(dir=directory, prefix=".init-"))
    except OSError as error:  # it names what nobody has heard of
        raise OSError(error.errno, error.strerror, str(directory)) from error
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
        return grp.getgrnam(SERVICE).gr_gid
    except KeyError:
        return None


def _stage(path: Path, file: PlannedFile, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_shared = group is not None or not file.is_secret
    try:
        write_private(path, file.content, mode=_SHARED if is_shared else _PRIVATE)
    except UnicodeEncodeError as error:
        raise UsageError(f"{file.name}: an answer holds bytes that are not UTF-8") from error
    if group is not None:
        os.chown(path, -1, group)


def _link_others(staging: Path, directory: Path) -> None:
    """Show to the loaders what is in the directory already: files that new ones name, and drop-ins."""
    for path in directory.iterdir():
        link = staging / path.name
        if path != staging and not os.path.lexists(link):
            link.symlink_to(path)


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


def _put(staged: Path, target: Path, group: int | None, undo: ExitStack) -> None:
    if not target.parent.exists():
        target.parent.mkdir(mode=0o750)
        undo.callback(_remove_empty, target.parent)
        if group is not None:
            os.chown(target.parent, -1, group)
            target.parent.chmod(0o750)
    if os.path.lexists(target):
        undo.callback(_keep(target).replace, target)
    else:
        undo.callback(target.unlink, missing_ok=True)
    staged.replace(target)


def _keep(target: Path) -> Path:
    """Keep what is to be replaced, a link as the link, and return where; its owner is as far as we may set it."""
    backup = target.with_name(f"{target.name}{BACKUP}")
    if target.is_symlink():
        backup.unlink(missing_ok=True)
        backup.symlink_to(target.readlink())
        return backup
    found = target.stat()
    write_private(backup, target.read_bytes(), mode=stat.S_IMODE(found.st_mode))
    with suppress(PermissionError):
        os.chown(backup, found.st_uid, found.st_gid)
    return backup
