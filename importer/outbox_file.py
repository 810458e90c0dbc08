"""Open a command's outbox file: create, lock, check, migrate it, and mend a damaged one."""

import contextlib
import fcntl
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from importer import outbox_salvage, run_history
from importer.errors import OutboxError, one_line
from importer.outbox_salvage import BUSY_SECONDS
from importer.stores import sync_directory

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 4
OLDEST_SCHEMA_VERSION = 1
"""Files since this version are brought up to date when they are opened."""
APPLICATION_ID = 0x6D696F62
"""'miob' in the file's header: a SQLite file of somebody else's is not an outbox."""

_SCHEMA = f"""
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN;
CREATE TABLE cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE lanes (
    lane TEXT PRIMARY KEY, family TEXT NOT NULL, payloads INTEGER NOT NULL DEFAULT 0,
    points INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '',
    retried INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE payloads (
    id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL REFERENCES lanes, format TEXT NOT NULL,
    replace_key TEXT NOT NULL, points INTEGER NOT NULL, created REAL NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE INDEX payloads_by_lane ON payloads (lane, id);
CREATE UNIQUE INDEX payloads_replaceable ON payloads (lane, replace_key) WHERE replace_key <> '';
CREATE TRIGGER payload_added AFTER INSERT ON payloads BEGIN
    UPDATE lanes SET payloads = payloads + 1, points = points + new.points, bytes = bytes + length(new.data)
    WHERE lane = new.lane;
END;
CREATE TRIGGER payload_removed AFTER DELETE ON payloads BEGIN
    UPDATE lanes SET payloads = payloads - 1, points = points - old.points, bytes = bytes - length(old.data)
    WHERE lane = old.lane;
END;
CREATE TABLE rejects (
    id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, format TEXT NOT NULL, points INTEGER NOT NULL,
    created REAL NOT NULL, rejected REAL NOT NULL, reason TEXT NOT NULL, data BLOB NOT NULL,
    replace_key TEXT NOT NULL DEFAULT '', family TEXT NOT NULL DEFAULT ''
) STRICT;
{run_history.SCHEMA}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_MIGRATIONS = {
    1: ("ALTER TABLE rejects ADD COLUMN replace_key TEXT NOT NULL DEFAULT ''",),
    2: (
        "ALTER TABLE rejects ADD COLUMN family TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE lanes ADD COLUMN retried INTEGER NOT NULL DEFAULT 0",
        "UPDATE rejects SET family = coalesce((SELECT family FROM lanes WHERE lanes.lane = rejects.lane), '')",
    ),
    3: run_history.MIGRATION,
}
"""What brings a file of each version to the next one."""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A connection to a sound outbox, and what had to be done to have one."""

    connection: sqlite3.Connection
    damage: str
    """Why the former file was set aside and what was saved of it; empty when all was well."""


def open_file(
    path: Path | None,
    *,
    checked: bool = False,
    busy_seconds: float = BUSY_SECONDS,
    clock: Callable[[], float] = time.time,
) -> OpenedFile:
    """Return a connection to the outbox at path (None: in memory), created or mended as need be.

    One that was `checked` is opened as it is, if it is there: another process has looked for damage, which takes a
    while, and uses it.
    Raises OutboxError if the file cannot be read or written, or was written by a newer version.
    """
    if path is None:
        connection = _connect(":memory:")
        connection.executescript(_SCHEMA)
        return OpenedFile(connection, "")
    with wrapped_errors(path), held_lock(path.with_name(f"{path.name}.lock")):
        damage = "" if checked and path.exists() else _mend_if_damaged(path, clock=clock)
        if not path.exists():
            Path(f"{path}-shm").unlink(missing_ok=True)  # of one that was removed: it tells of a -wal that is gone
            _put_in_place(_build(path), path)
        return OpenedFile(_open_sound(path, busy_seconds), damage)


def open_for_reading(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Return a connection that sees the outbox at path and cannot change it; raises OutboxError.

    It waits for busy_seconds where somebody has locked the file for himself.
    """
    with wrapped_errors(path):
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro", busy_seconds)
        with _closed_on_error(connection):
            _check_version(path, connection)
        return connection


@contextlib.contextmanager
def wrapped_errors(path: Path | str) -> Iterator[None]:
    """Turn what SQLite and the file system raise inside the block into an OutboxError that names path."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
        raise OutboxError(path, f"{error} ({name})") from error
    except OSError as error:
        culprit = "" if error.filename in (None, str(path)) else f": {error.filename}"  # a lock file, the directory
        raise OutboxError(path, f"{error.strerror or error}{culprit}") from error
    except (UnicodeEncodeError, OverflowError) as error:  # a lone surrogate, a number of more than 64 bits
        raise OutboxError(path, f"a value cannot be stored: {error}") from error


@contextlib.contextmanager
def held_lock(path: Path, *, wait: Callable[[], bool] | None = None) -> Iterator[bool]:
    """Hold the lock file at path in this process alone; yields whether it was got.

    Without `wait` it blocks until the lock is free. With it, `wait()` is called whenever another process has the
    lock, and giving up is told by a False from it. The kernel frees the lock however its holder dies.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _lock(descriptor, wait)
    finally:
        os.close(descriptor)


def lane_lock_path(path: Path, lane: str) -> Path:
    """Return the lock file that whoever delivers this lane holds."""
    digest = hashlib.sha256(lane.encode()).hexdigest()[:12]
    return path.with_name(f"{path.name}.{digest}.lock")


def _lock(descriptor: int, wait: Callable[[], bool] | None) -> bool:
    if wait is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait():
                return False
        else:
            return True


def _connect(target: str, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(
        target,
        uri=target.startswith("file:"),
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def _build(path: Path) -> Path:
    """Return an empty outbox beside path, to be moved there when done: a file of no bytes is never one of ours."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with contextlib.closing(_connect(str(fresh))) as connection:
        connection.executescript(_SCHEMA)
    return fresh


def _put_in_place(fresh: Path, path: Path) -> None:
    fresh.replace(path)
    sync_directory(path.parent)


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _open_sound(path: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = _connect(str(path), busy_seconds)
    with _closed_on_error(connection):
        _check_version(path, connection)  # first: the next line writes, and the file may be somebody else's
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
    return connection


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise OutboxError(path, "this is not an outbox; move it away")
    if not OLDEST_SCHEMA_VERSION <= version <= SCHEMA_VERSION:
        raise OutboxError(path, f"written by another version (schema {version}, this one reads {SCHEMA_VERSION})")


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring a file to SCHEMA_VERSION; whoever opens it meanwhile waits for the lock of `open_file`."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for old in range(version, SCHEMA_VERSION):
        connection.execute("BEGIN IMMEDIATE")
        for statement in _MIGRATIONS[old]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {old + 1}")
        connection.execute("COMMIT")


def _mend_if_damaged(path: Path, *, clock: Callable[[], float]) -> str:
    """Put a sound file in the place of a damaged one; return what was done about it, an empty text for nothing.

    The damaged file stays where it is until the new one is complete: a crash before that starts over.
    """
    reason = outbox_salvage.find_damage(path)
    if not reason:
        return ""
    fresh = _build(path)
    with contextlib.closing(_connect(str(fresh))) as connection:
        saved = outbox_salvage.salvage(path, connection)
    aside = outbox_salvage.set_aside(path, now=clock())
    _put_in_place(fresh, path)
    damage = one_line(f"the outbox was damaged ({reason}); it was set aside as {aside.name}, {saved}")
    logger.warning("%s: %s", path, damage)  # the run that opened it reports it, once, as an error
    return damage
