"""Points committed to the outbox, durably: encoded, queued and their cursors moved."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Figure, at_least, measured
from importer.outbox import Lane, Outbox
from importer.points import Point
from importer.sinks.graphite import GraphiteSink

POINTS = 400_000
COMMIT = 20_000
"""As many as a job commits at a time."""
ROUNDS = 3


def run() -> Iterator[Figure]:
    """Measure committing, and committing and deleting again."""
    sink = GraphiteSink(host="127.0.0.1", port=1)
    points = [
        Point(("apteligent", f"App {n % 3000}", "live", "appLoads"), n * 0.37, 1_462_231_500 + n // 3000 * 10)
        for n in range(POINTS)
    ]
    committed, emptied = zip(*(_round(sink, points) for _ in range(ROUNDS)), strict=True)
    yield at_least("outbox, committed durably", POINTS / min(committed), "points/s", 200_000)
    yield Figure("outbox, emptied again payload by payload", POINTS / min(emptied), "points/s")


def _round(sink: GraphiteSink, points: list[Point]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder, Outbox(Path(folder) / "bench.outbox") as outbox:
        outbox.configure([Lane(sink.lane, sink.family)])
        with measured() as commit:
            for start in range(0, POINTS, COMMIT):
                with outbox.transaction() as transaction:
                    transaction.add(sink.lane, sink.encode(points[start : start + COMMIT]))
                    transaction.move_cursor("bench", start)
        with measured() as empty:
            while (stored := outbox.oldest(sink.lane)) is not None:
                outbox.delivered(stored)
    return commit.wall, empty.wall
