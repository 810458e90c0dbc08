"""The runs of a command, as its outbox remembers them: the last ones one by one, and all of them as totals.

The functions work inside a transaction of whoever owns the connection, and raise sqlite3.Error.
"""

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar, cast

from importer.credentials import redact
from importer.errors import ExitCode, one_line
from importer.stores import json_or_none

N = TypeVar("N", int, float)

KEPT_RUNS = 200
"""How many runs `metrics-importer status` can look back on."""
KEPT_FAILURES = 10
"""How many of a run's failures are remembered."""
FORGOTTEN_AFTER_SECONDS = 30 * 86_400.0
"""A source that has brought nothing newer for so long is asked no more, or nobody cares."""
AHEAD_SECONDS = 86_400.0
"""A point that is further ahead comes of a clock that was wrong, and is no measure of what is new: days begin early in
the east, and their figures with them."""

DETAILS_VERSION = 4
"""The first schema of an outbox that has details and totals."""
SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, started REAL NOT NULL, ended REAL NOT NULL,
    exit_code INTEGER NOT NULL, points INTEGER NOT NULL, newest REAL, message TEXT NOT NULL,
    details TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE TABLE figures (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT, WITHOUT ROWID;
"""
MIGRATION = (
    "ALTER TABLE runs ADD COLUMN details TEXT NOT NULL DEFAULT '{}'",
    "CREATE TABLE figures (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT, WITHOUT ROWID",
)
"""What brings the tables of version 3 to DETAILS_VERSION."""

_RUNS = "SELECT started, ended, exit_code, points, newest, message, details FROM runs ORDER BY id DESC"
_REQUESTS = "requests/"
_NEWEST = "newest/"
_LIMIT = "limit/"


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of a run beside its outcome."""

    count: int = 1
    """How many are told as this one: searches of leexportpy and polls of cton are many."""
    failed: int | None = None
    """How many of them failed; None: the exit code tells."""
    busy_seconds: float | None = None
    """How long all of them together took; None: from the start to the end."""
    requests: Mapping[str, int] = field(default_factory=dict)
    """How many answers had each status; `none` where no answer came."""
    rate_limit_remaining: int | None = None
    """How many more requests the vendors allowed when they were asked last; None if they do not say."""
    failures: Sequence[str] = ()
    """What went wrong, a line each, without secrets: the first KEPT_FAILURES."""
    newest: Mapping[str, float] = field(default_factory=dict)
    """The newest imported point's time of each source, in seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Run:
    """One cycle of a command, for `metrics-importer status`. Times are seconds since 1970 UTC."""

    started: float
    ended: float
    exit_code: int
    points: int
    """Points that were imported, once each however many destinations they go to."""
    newest: float | None
    """The newest imported point's time; None if there was none."""
    message: str
    """What went wrong, in one line; empty if nothing did."""
    details: Details = Details()

    @property
    def failed(self) -> int:
        """How many of the runs that are told as this one failed."""
        return int(self.exit_code != ExitCode.OK) if self.details.failed is None else self.details.failed

    @property
    def busy_seconds(self) -> float:
        """How long the runs that are told as this one took together."""
        seconds = self.ended - self.started if self.details.busy_seconds is None else self.details.busy_seconds
        return max(0.0, seconds)  # a clock may be set back meanwhile


@dataclass(frozen=True, slots=True)
class Totals:
    """What all runs came to, since the outbox has been there. They never become less."""

    runs: int = 0
    failed: int = 0
    points: int = 0
    seconds: float = 0.0
    requests: Mapping[str, int] = field(default_factory=dict)
    """By the status of the answers."""
    newest: float | None = None
    """The newest point's time, in seconds since 1970 UTC."""
    newest_by_source: Mapping[str, float] = field(default_factory=dict)
    """The same of each source that has brought something lately."""
    max_bytes: Mapping[str, int] = field(default_factory=dict)
    """How much each destination may have waiting, as it was configured at the last run; no total, but known there."""


def record(connection: sqlite3.Connection, run: Run, max_bytes: Mapping[str, int] = {}) -> None:
    """Add one run to the totals and to the history, which keeps the last KEPT_RUNS and the last success.

    `max_bytes` is how much may wait in each of the lanes that are configured.
    """
    connection.execute(
        "INSERT INTO runs (started, ended, exit_code, points, newest, message, details) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*(run.started, run.ended, run.exit_code, run.points, run.newest), _line(run.message), _as_text(run.details)),
    )
    connection.execute(
        "DELETE FROM runs WHERE id <= (SELECT max(id) FROM runs) - ?"
        " AND id IS NOT (SELECT max(id) FROM runs WHERE exit_code = 0)",
        (KEPT_RUNS,),
    )
    connection.executemany(
        "INSERT INTO figures VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        list(_additions(run)),
    )
    connection.executemany(
        "INSERT INTO figures VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET"
        " value = iif(value > ?, excluded.value, max(value, excluded.value))",
        [(*newest, run.ended + AHEAD_SECONDS) for newest in _newest(run)],
    )
    connection.executemany(
        "INSERT INTO figures VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [(f"{_LIMIT}{lane}", size) for lane, size in max_bytes.items()],
    )
    connection.execute(
        "DELETE FROM figures"
        " WHERE name GLOB ?1 || '*' AND substr(name, length(?1) + 1) NOT IN (SELECT lane FROM lanes)",
        (_LIMIT,),
    )
    connection.execute(
        "DELETE FROM figures WHERE name GLOB ? AND value < ?", (f"{_NEWEST}?*", run.ended - FORGOTTEN_AFTER_SECONDS)
    )


def read_runs(connection: sqlite3.Connection) -> list[Run]:
    """Return the runs that are remembered, newest first."""
    rows = connection.execute(_RUNS if _has_details(connection) else _RUNS.replace("details", "'{}'"))
    return [
        Run(started, ended, code, points, newest, message, _from_text(details))
        for started, ended, code, points, newest, message, details in rows
    ]


def read_totals(connection: sqlite3.Connection) -> Totals:
    """Return what all runs came to; nothing yet in an outbox of a former version."""
    if not _has_details(connection):
        return Totals()
    values: dict[str, float] = dict(connection.execute("SELECT name, value FROM figures"))
    return Totals(
        int(values.get("runs", 0)),
        int(values.get("failed", 0)),
        int(values.get("points", 0)),
        values.get("seconds", 0.0),
        {status: int(count) for status, count in _below(_REQUESTS, values)},
        values.get(_NEWEST),
        {source: newest for source, newest in _below(_NEWEST, values) if source},
        {lane: int(size) for lane, size in _below(_LIMIT, values)},
    )


def _has_details(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version) >= DETAILS_VERSION


def _additions(run: Run) -> Iterator[tuple[str, float]]:
    yield "runs", run.details.count
    yield "failed", run.failed
    yield "points", run.points
    yield "seconds", run.busy_seconds
    for status, count in run.details.requests.items():
        yield f"{_REQUESTS}{status}", count


def _newest(run: Run) -> Iterator[tuple[str, float]]:
    if run.newest is not None:
        yield _NEWEST, run.newest
    for source, newest in run.details.newest.items():
        yield f"{_NEWEST}{source}", newest


def _below(prefix: str, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), value


def _line(text: str) -> str:
    return one_line(redact(text))


def _as_text(details: Details) -> str:
    failures = [_line(failure) for failure in details.failures[:KEPT_FAILURES]]
    content = {**asdict(details), "failures": failures}
    return json.dumps({key: value for key, value in content.items() if value not in (None, {}, [])})


def _from_text(text: str) -> Details:
    """Return what `_as_text` wrote, without what is not known here: it may be a later version's, or a bad disk's.

    >>> _from_text('{"failed": "some", "requests": {"200": 4, "503": null}}') == Details(requests={"200": 4})
    True
    """
    content = json_or_none(text)
    if not isinstance(content, dict):
        return Details()
    count, failures = _whole(content.get("count")), content.get("failures")
    return Details(
        count=1 if count is None else count,
        failed=_whole(content.get("failed")),
        busy_seconds=_number(content.get("busy_seconds")),
        requests=_mapping(content.get("requests"), _whole),
        rate_limit_remaining=_whole(content.get("rate_limit_remaining")),
        failures=tuple(text for text in failures if isinstance(text, str)) if isinstance(failures, list) else (),
        newest=_mapping(content.get("newest"), _number),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(cast(float, value)) if is_number and math.isfinite(cast(float, value)) else None


def _mapping(value: object, read: Callable[[object], N | None]) -> dict[str, N]:
    items = value.items() if isinstance(value, dict) else ()
    return {str(key): found for key, item in items if (found := read(item)) is not None}
