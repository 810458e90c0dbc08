"""What the tests of the outbox's file share."""

import sqlite3
from contextlib import closing
from pathlib import Path

from importer.outbox import Lane, Outbox
from importer.points import Payload
from tests.outbox_children import LANE

PAGE_BYTES = 4096
PAYLOADS = 30
CURSORS = {"a": 1, "b": 2, "c": 3}
TINY_DISK = ("unshare", "--user", "--map-root-user", "--mount", "--")


def payload(number: int) -> Payload:
    return Payload(b"%03d|" % number * (2500 if number % 10 == 0 else 400), 2, "format", f"key {number}")


def commit(outbox: Outbox, *numbers: int) -> None:
    with outbox.transaction() as transaction:
        transaction.add(LANE, map(payload, numbers))


def waiting(outbox: Outbox) -> list[int]:
    """Take what waits out of the outbox; return the payloads' numbers."""
    numbers = []
    while (stored := outbox.oldest(LANE)) is not None:
        number = int(stored.payload.data[:3])
        assert stored.payload == payload(number)
        numbers.append(number)
        outbox.delivered(stored)
    return numbers


def recount(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT lane, count(*), sum(points), sum(length(data)) FROM payloads").fetchall()


def assert_totals_are_right(outbox: Outbox, path: Path) -> None:
    counted = [row for row in recount(path) if row[0] is not None]
    assert [(lane.lane, lane.payloads, lane.points, lane.bytes) for lane in outbox.lanes()] == counted


def set_aside(path: Path) -> Path:
    (aside,) = (each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith(("-wal", "-shm")))
    return aside


def files(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if not each.name.endswith(".lock")}


def make_older(path: Path, version: int) -> None:
    """Turn a file into one of a former version."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE figures")
        connection.execute("ALTER TABLE runs DROP COLUMN details")
        if version < 3:
            connection.execute("ALTER TABLE lanes DROP COLUMN retried")
            connection.execute("ALTER TABLE rejects DROP COLUMN family")
        if version == 1:
            connection.execute("ALTER TABLE rejects DROP COLUMN replace_key")
        connection.execute(f"PRAGMA user_version = {version}")


def reject_oldest(outbox: Outbox, lane: str = LANE) -> None:
    stored = outbox.oldest(lane)
    assert stored is not None
    outbox.reject(stored, "bad")


def configured(lane: str) -> Lane:
    return Lane(lane, "memory")


def drain(outbox: Outbox, lane: str) -> list[bytes]:
    taken = []
    while (stored := outbox.oldest(lane)) is not None:
        outbox.delivered(stored)
        taken.append(stored.payload.data)
    return taken
