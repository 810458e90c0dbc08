"""The SQLite file of the embedded store: its schema, how it is opened, and what its errors mean."""

import errno
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from importer.errors import SinkError, SinkRefused, SinkUnavailable

APPLICATION_ID = 0x4D494D70
"""In the header of the file ("MIMp"): how we know our own databases."""
SCHEMA_VERSION = 1
BUSY_TIMEOUT_SECONDS = 5.0

_SCHEMA = (
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, UNIQUE (name, labels))",
    # The value has no declared type: so integers stay integers, and floats floats.
    "CREATE TABLE points (series_id INTEGER NOT NULL REFERENCES series (id), timestamp NUMERIC NOT NULL,"
    " value NOT NULL, PRIMARY KEY (series_id, timestamp)) WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "another process holds the file",
    sqlite3.SQLITE_FULL: "no space is left on the disk",
    sqlite3.SQLITE_IOERR: "the file cannot be read or written just now",
    sqlite3.SQLITE_NOMEM: "out of memory",
}
_REFUSED = {
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; does it exist, and may this user read it?",
    sqlite3.SQLITE_READONLY: "this user may not write to the file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; put it aside or recover it with sqlite3's .recover",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database; name another path",
}
_MAY_HEAL = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE}


class MetricDatabase(ABC):
    """A file that is opened at the first use, and again after an error or when another file took its place.

    One thread at a time may use it, and not always the same.
    """

    def __init__(self, path: Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        self.path = path.absolute()
        self.lane = f"sqlite://{self.path}"
        """The name of the store in errors and in the outbox."""
        self._busy_timeout_seconds = busy_timeout_seconds
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _access(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to our schema; what SQLite raises comes out as SinkUnavailable or SinkRefused."""
        try:
            yield self._opened()
        except sqlite3.Error as error:
            self.close()
            raise _database_error(self.lane, error) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._file == _identity(self.path):
            return self._connection
        self.close()
        connection = self._connect()
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._file = connection, _identity(self.path)
        return connection

    @abstractmethod
    def _connect(self) -> sqlite3.Connection: ...

    @abstractmethod
    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make sure that the file is ours and has the schema, or raise SinkRefused."""

    def _connect_in_mode(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout_seconds,
            isolation_level=None,
            check_same_thread=False,
        )

    def _has_schema(self, connection: sqlite3.Connection) -> bool:
        """Return whether this is a store of ours; False for a blank file. Raises SinkRefused for all others."""
        ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        ((tables,),) = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
        if (application_id, version, tables) == (0, 0, 0):
            return False
        if application_id != APPLICATION_ID:
            raise SinkRefused(self.lane, "the file is another program's database; name another path")
        if version != SCHEMA_VERSION:
            raise SinkRefused(self.lane, f"the file has format {version}, this version knows {SCHEMA_VERSION}")
        return True


def create_schema(connection: sqlite3.Connection) -> None:
    """Make our tables in a blank file, inside the transaction that is open."""
    for statement in _SCHEMA:
        connection.execute(statement)


def file_error(lane: str, error: OSError) -> SinkError:
    """Return what an error of the file system means for the lane: wait, or mend something."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in _MAY_HEAL:
        return SinkUnavailable(lane, reason)
    return SinkRefused(lane, reason)


def _database_error(lane: str, error: sqlite3.Error) -> SinkError:
    # The low byte tells the kind, the rest a variety of it.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _UNAVAILABLE:
        return SinkUnavailable(lane, f"{_UNAVAILABLE[code]} ({error})")
    return SinkRefused(lane, f"{_REFUSED.get(code, 'the database fails')} ({error})")


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that takes its name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
