"""Figures of a command as points for its own destinations: `<metric_root>.importer.<command>.<name>`."""

from collections.abc import Iterator

from importer.points import Point
from importer.self_metrics.figures import Figures

SEGMENT = "importer"
"""Stands between the root and the command's name."""


def points_of(figures: Figures, metric_root: str, *, now: float) -> list[Point]:
    """Return the points of a command at a time in seconds since 1970 UTC; what is not known is left out."""
    start = (metric_root, SEGMENT, figures.command.name)
    values = [*_counters(figures), *_run(figures), *_backlog(figures, now)]
    return [Point((*start, *path), value, int(now)) for path, value in values]


def _counters(figures: Figures) -> Iterator[tuple[tuple[str, ...], float]]:
    totals = figures.totals
    yield ("runs",), totals.runs
    yield ("failed_runs",), totals.failed
    yield ("points",), totals.points
    for status, count in totals.requests.items():
        yield ("requests", status), count


def _run(figures: Figures) -> Iterator[tuple[tuple[str, ...], float]]:
    run = figures.last_run
    if run is not None:
        yield ("duration_seconds",), round(run.busy_seconds / max(1, run.details.count), 3)
    if figures.rate_limit_remaining is not None:
        yield ("rate_limit_remaining",), figures.rate_limit_remaining


def _backlog(figures: Figures, now: float) -> Iterator[tuple[tuple[str, ...], float]]:
    oldest, newest = figures.oldest_waiting(), figures.totals.newest
    yield ("backlog_payloads",), sum(lane.payloads for lane in figures.lanes)
    yield ("backlog_points",), sum(lane.points for lane in figures.lanes)
    yield ("backlog_bytes",), sum(lane.bytes for lane in figures.lanes)
    yield ("backlog_age_seconds",), 0 if oldest is None else max(0, round(now - oldest))
    yield ("rejects",), sum(figures.rejects.values())
    if newest is not None:
        yield ("lag_seconds",), max(0, round(now - newest))
