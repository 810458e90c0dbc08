"""Changes to a users file of the stats service: whole or not at all, one command at a time, for its owner or group."""

import fcntl
import json
import os
import stat
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from importer.errors import ImporterError, one_line
from importer.events.tokens.token import TokenPair
from importer.events.tokens.users import Users, parse_users
from importer.stores import load_json, sync_directory, write_private

PRIVATE = 0o600
"""The mode of a new file."""
SHARED = 0o640
"""The mode of a new file of root's that a group may read."""
_ROOT = 0
_NOBODY_ELSE = 0o660
"""What a file that was there keeps of its mode: nothing for those who are neither its owner nor in its group."""
_INDENT = 4


class AccessFileError(ImporterError):
    """A users file cannot be changed as asked; it is as it was."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = one_line(reason)
        super().__init__(f"{path}: {self.reason}")


class AccessDocument:
    """The content of a users file; members that we do not know, and the order of all, stay as they are.

    Raises ConfigError, with every mistake, for content that the service would not take.
    """

    def __init__(self, path: Path, content: object) -> None:
        self.users: Users = parse_users(path, content)
        """Who is in it, as it was read."""
        self._entries = cast("list[dict[str, object]]", content)

    @classmethod
    def load(cls, path: Path) -> "AccessDocument":
        """Return what a file holds; raises ConfigError, for a file that is missing too."""
        return cls(path, load_json(path))

    def add(self, username: str, pair: TokenPair) -> None:
        """Give a pair to the user with this name or id, who is added if there is none."""
        entry = next((entry for entry in self._entries if username in (entry["username"], entry["id"])), None)
        if entry is None:
            entry = {"id": f"user_{uuid.uuid4()}", "username": username, "tokens": []}
            self._entries.append(entry)
        members = {"access_token": pair.token.reveal(), "access_secret": pair.secret.reveal()}
        cast("list[object]", entry["tokens"]).append(members)

    def remove(self, tokens: Collection[str]) -> None:
        """Take out every pair that has one of these tokens, whoever's it is."""
        for entry, account in zip(self._entries, self.users.accounts, strict=True):
            pairs = zip(cast("list[object]", entry["tokens"]), account.pairs, strict=True)
            entry["tokens"] = [members for members, pair in pairs if pair.token.reveal() not in tokens]

    def text(self) -> str:
        """Return the content as JSON."""
        return json.dumps(self._entries, indent=_INDENT, ensure_ascii=False) + "\n"


@contextmanager
def editing(path: Path, *, make: bool = False) -> Iterator[AccessDocument]:
    """Give the content of a users file to a block, and write it when the block ends without an exception.

    With `make`, a file that is missing is taken for one without users. Raises ConfigError for a file that is wrong,
    AccessFileError for one that cannot be written.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    with _sole_writer(target):
        document = AccessDocument(target, []) if make and not target.exists() else AccessDocument.load(target)
        yield document
        _replace(target, document.text())


def write_new(path: Path, document: AccessDocument, *, overwrite: bool) -> None:
    """Make a users file; with `overwrite`, in place of the one that is there, whose owner, group and mode it keeps.

    Raises AccessFileError.
    """
    target = Path(os.path.realpath(path))
    with _sole_writer(target):
        if os.path.lexists(target) and not overwrite:
            raise AccessFileError(path, "exists, and is left as it is; --force overwrites it")
        _replace(target, document.text())


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Wait for other commands that change files in this directory: each would undo what the other one did."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AccessFileError(path, f"cannot be written: {error.strerror}") from error


def _replace(path: Path, text: str) -> None:
    """Write a file, which stays with its owner and group: the service that reads it may be another user than we."""
    staged = path.with_name(f".{path.name}.new")
    access = _access_to_new(path.parent) if not path.exists() else _access_to(path)
    write_private(staged, text, mode=PRIVATE)
    try:
        if access is not None:
            _give(staged, path, access)
        staged.replace(path)
    except BaseException:
        staged.unlink()
        raise
    sync_directory(path.parent)


@dataclass(frozen=True, slots=True)
class _Access:
    """Whose a file is, and who may do what with it."""

    user: int
    group: int
    mode: int


def _access_to(path: Path) -> _Access:
    """Return what a file that was there is to keep."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise AccessFileError(path, "is not a file")
    return _Access(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode) & _NOBODY_ELSE | PRIVATE)


def _access_to_new(directory: Path) -> _Access | None:
    """Return whose a new file is to be; None if its maker's alone.

    What root makes in a directory that belongs to a group, such as the service's, is for that group to read.
    """
    group = directory.stat().st_gid
    return _Access(_ROOT, group, SHARED) if os.geteuid() == _ROOT and group != _ROOT else None


def _give(staged: Path, path: Path, access: _Access) -> None:
    try:
        os.chown(staged, access.user, access.group)
    except PermissionError as error:
        raise AccessFileError(path, "belongs to another user or group: run this as root, or as that user") from error
    staged.chmod(access.mode)
