"""What becomes of an outbox file that is damaged: found out, read as far as it goes, set aside.

The file is never emptied in silence. What can still be read of one that SQLite finds damaged goes to a new file; the
old one is kept as `<name>.damaged-<time>`. Cursors are carried over only if every payload could be: where a payload
is lost, the vendor is asked again. Those of tables that a command has of its own are, as far as they can be read.
"""

import contextlib
import itertools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

BUSY_SECONDS = 30.0
"""How long a transaction waits for another process's; each takes milliseconds."""

_SALVAGED_COLUMNS = {
    "lanes": "lane, family, retried",
    "payloads": "id, lane, format, replace_key, points, created, data",
    "rejects": "id, lane, format, points, created, rejected, reason, data, replace_key, family",
    "runs": "id, started, ended, exit_code, points, newest, message, details",
    "figures": "name, value",
    "cursors": "name, position",
}
_LATER_COLUMNS = {"lanes": {"retried"}, "rejects": {"replace_key", "family"}, "runs": {"details"}}
"""Those that the first version did not have: of an old file they get their defaults."""
_OWN_CURSORS = "name GLOB 'events/*'"
"""Those that tell of tables of a command's own: nobody can be asked again for what these hold."""
# Trusted only beside a readable lane: rows may be missing from a damaged table without SQLite noticing.
_PAYLOADS_PROMISED = "SELECT sum(payloads) FROM lanes HAVING count(*) > 0"

_LANES_OF_PAYLOADS = (
    "INSERT INTO lanes (lane, family, payloads, points, bytes)"
    " SELECT lane, '', count(*), sum(points), sum(length(data)) FROM payloads GROUP BY lane"
    " ON CONFLICT (lane) DO UPDATE"
    " SET (payloads, points, bytes) = (excluded.payloads, excluded.points, excluded.bytes)"
)


def find_damage(path: Path) -> str:
    """Return what is wrong with the file at path; empty if it is sound or there is none."""
    if _is_empty(path):
        if path.exists():
            return "the file is empty"
        return "its -wal file is all that is left" if not _is_empty(Path(f"{path}-wal")) else ""
    try:
        with contextlib.closing(_connect(path)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return str(error)
        raise
    return "" if verdict == "ok" else str(verdict)


def set_aside(path: Path, *, now: float) -> Path:
    """Keep what is at path under a name not used before, and return that; the main file can be had by both names."""
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
    names = itertools.chain([stem], (f"{stem}.{number}" for number in itertools.count(2)))
    aside = next(name for name in map(path.with_name, names) if not name.exists() and not Path(f"{name}-wal").exists())
    for suffix in ("-wal", "-shm"):  # left where they are, SQLite would read them into the new file
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.replace(f"{aside}{suffix}")
    if path.exists():
        aside.hardlink_to(path)
    return aside


def salvage(damaged: Path, target: sqlite3.Connection) -> str:
    """Copy what can be read of the damaged file into a new, empty outbox, and return that in words."""
    readable = ":memory:" if _is_empty(damaged) else damaged  # SQLite would delete the -wal of an empty file
    counts = {}
    whole = False
    with contextlib.closing(_connect(readable)) as source:
        source.execute("PRAGMA writable_schema = ON")  # else SQLite reads nothing of a file that was cut off
        target.execute("BEGIN IMMEDIATE")
        for table in ("payloads", "rejects", "runs", "figures"):
            counts[table], complete = _copy_rows(source, target, table)
            if table == "payloads" and complete and [(counts[table],)] == list(_Readable(source, _PAYLOADS_PROMISED)):
                whole = True
                _copy_rows(source, target, "cursors", where=f"NOT {_OWN_CURSORS}")
        _copy_rows(source, target, "cursors", where=_OWN_CURSORS)
        _copy_rows(source, target, "lanes")
        target.execute(_LANES_OF_PAYLOADS)
        target.execute("DELETE FROM lanes WHERE payloads = 0")
        own = _copy_own_tables(source, target)
        target.execute("COMMIT")
    kept = whole and target.execute("SELECT 1 FROM cursors").fetchone()
    cursors = "cursors were kept" if kept else "what is new is asked again"
    if own:  # of a command that asks nobody
        cursors = (
            f"and of its own tables what could be read: {', '.join(f'{name} {own[name]}' for name in sorted(own))}"
        )
    return f"{counts['payloads']} payloads and {counts['rejects']} rejects were saved from it, {cursors}"


def _copy_own_tables(source: sqlite3.Connection, target: sqlite3.Connection) -> dict[str, int]:
    """Copy the tables that a command has of its own in the file; return how many rows each has.

    It makes their indexes anew.
    """
    ours = {name for (name,) in target.execute("SELECT name FROM sqlite_master")}
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    copied: dict[str, int] = {}
    for name, statement in list(_Readable(source, query)):
        if name not in ours:
            with contextlib.suppress(sqlite3.OperationalError):  # where the damage lies in the statement itself
                target.execute(str(statement))
                copied[str(name)], _ = _copy_rows(source, target, str(name))
    return copied


def _copy_rows(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, *, where: str = "true"
) -> tuple[int, bool]:
    """Copy a table's readable rows, from both ends towards the damage; return their number and if that was all."""
    columns = _columns_of(source, table)
    marks = ", ".join("?" for _ in columns.split(","))
    key = columns.split(",", maxsplit=1)[0]
    insert = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"
    copied = 0
    for order in ("ASC", "DESC"):
        rows = _Readable(source, f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {key} {order}")
        for row in rows:
            with contextlib.suppress(sqlite3.IntegrityError):  # bytes that make no row of this table
                copied += target.execute(insert, row).rowcount
        if rows.complete:
            return copied, True
    return copied, False


def _columns_of(source: sqlite3.Connection, table: str) -> str:
    """Return the columns to copy, without those that the damaged file is too old for."""
    there = [str(row[1]) for row in _Readable(source, f"PRAGMA table_info({table})")]
    if table not in _SALVAGED_COLUMNS:
        return ", ".join(there)
    missing = _LATER_COLUMNS.get(table, set()) - set(there)
    return ", ".join(column for column in _SALVAGED_COLUMNS[table].split(", ") if column not in missing)


class _Readable:
    """The rows of a query up to where the file is damaged; `complete` says afterwards if those were all."""

    def __init__(self, source: sqlite3.Connection, query: str) -> None:
        self._source = source
        self._query = query
        self.complete = False

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        with contextlib.suppress(sqlite3.DatabaseError):  # only of the damaged file: nothing else is used in here
            yield from self._source.execute(self._query)
            self.complete = True


def _is_empty(path: Path) -> bool:
    """Return whether there is no such file, or one that SQLite takes for empty, as it does with a single byte."""
    return not path.exists() or path.stat().st_size <= 1


def _connect(target: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(str(target), timeout=BUSY_SECONDS, isolation_level=None)
