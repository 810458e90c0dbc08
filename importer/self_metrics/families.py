"""Figures of commands as metric families for Prometheus: `metrics_importer_...`, labelled with project and command."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from importer import __version__
from importer.exporter.family import Family, Labels, Sample, Series
from importer.outbox_view import LaneState, Run
from importer.self_metrics.figures import Figures

PREFIX = "metrics_importer_"

_Values = Callable[[Figures, float], Iterator[tuple[Labels, float]]]
"""Yields further labels and values of one command; the second argument is the time, in seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class _Definition:
    """A family: its name behind PREFIX, its kind, its help, and where its samples come from."""

    name: str
    kind: str
    text: str
    values: _Values


def families_of(commands: Sequence[Figures], *, now: float) -> list[Family]:
    """Return the families that tell of these commands; those of which there is nothing to tell are left out.

    `now` is in seconds since 1970 UTC.
    """
    return [_build_info(()), *_told(commands, now)]


def families_of_file(figures: Figures, *, now: float) -> list[Family]:
    """Return the families that tell of one command, for a file of its own; `now` is in seconds since 1970 UTC.

    node_exporter shows all files as one page, on which no series may be twice: the version is the command's, too.
    """
    return [_build_info(_labels(figures)), *_told([figures], now)]


def _told(commands: Sequence[Figures], now: float) -> list[Family]:
    families = (_family(definition, commands, now) for definition in _DEFINITIONS)
    return [family for family in families if family.samples]


def _build_info(labels: Labels) -> Family:
    series = Series(f"{PREFIX}build_info", (*labels, ("version", __version__)))
    return Family(series.name, "gauge", "The version of metrics-importer.", [Sample(series, 1.0)])


def _family(definition: "_Definition", commands: Iterable[Figures], now: float) -> Family:
    name = f"{PREFIX}{definition.name}"
    sample_name = f"{name}_total" if definition.kind == "counter" else name
    samples = [
        Sample(Series(sample_name, (*_labels(figures), *labels)), float(value))
        for figures in commands
        for labels, value in definition.values(figures, now)
    ]
    return Family(name, definition.kind, definition.text, samples)


def _labels(figures: Figures) -> Labels:
    return (("command", figures.command.name), ("project", figures.command.project))


def _one(value: Callable[[Figures], float | None]) -> _Values:
    """Return the values of a family with one sample a command, or none where there is nothing to tell."""

    def values(figures: Figures, _now: float) -> Iterator[tuple[Labels, float]]:
        found = value(figures) if figures.is_up else None
        if found is not None:
            yield (), found

    return values


def _up(figures: Figures, _now: float) -> Iterator[tuple[Labels, float]]:
    yield (), figures.is_up


def _requests(figures: Figures, _now: float) -> Iterator[tuple[Labels, float]]:
    for status, count in figures.totals.requests.items():
        yield (("status", status),), count


def _lag(figures: Figures, now: float) -> Iterator[tuple[Labels, float]]:
    for source, newest in figures.newest().items():
        yield (("source", source),), max(0.0, now - newest)


def _oldest(figures: Figures, now: float) -> Iterator[tuple[Labels, float]]:
    for lane in figures.lanes:
        yield (("destination", lane.lane),), 0.0 if lane.oldest is None else max(0.0, now - lane.oldest)


def _lanes(value: Callable[[LaneState], float]) -> _Values:
    """Return the values of a family with a sample for each destination."""

    def values(figures: Figures, _now: float) -> Iterator[tuple[Labels, float]]:
        for lane in figures.lanes:
            yield (("destination", lane.lane),), value(lane)

    return values


def _limits(figures: Figures, _now: float) -> Iterator[tuple[Labels, float]]:
    for lane, size in figures.totals.max_bytes.items():
        yield (("destination", lane),), size


def _rejects(figures: Figures, _now: float) -> Iterator[tuple[Labels, float]]:
    for lane, count in figures.rejects.items():
        yield (("destination", lane),), count


def _of_run(value: Callable[[Run], float]) -> _Values:
    """Return the values of a family with one sample for each command that has run."""
    return _one(lambda figures: None if figures.last_run is None else value(figures.last_run))


def _mean_seconds(run: Run) -> float:
    return run.busy_seconds / max(1, run.details.count)


_DEFINITIONS = (
    _Definition("up", "gauge", "Whether the outbox of the command can be read.", _up),
    _Definition("runs", "counter", "Runs, searches or polls that have ended.", _one(lambda it: it.totals.runs)),
    _Definition("failed_runs", "counter", "Those that failed in part or whole.", _one(lambda it: it.totals.failed)),
    _Definition("run_seconds", "counter", "How long all of them took together.", _one(lambda it: it.totals.seconds)),
    _Definition("points", "counter", "Points, records or events that were kept.", _one(lambda it: it.totals.points)),
    _Definition("requests", "counter", "HTTP requests by status of the answer; none: no whole answer came.", _requests),
    _Definition(
        "run_duration_seconds", "gauge", "How long the last run took; of several, on average.", _of_run(_mean_seconds)
    ),
    _Definition(
        "last_run_timestamp_seconds",
        "gauge",
        "When the last run ended, in seconds since 1970-01-01 UTC.",
        _of_run(lambda run: run.ended),
    ),
    _Definition(
        "last_run_exit_code",
        "gauge",
        "What the last run ended with; 0 if all went well.",
        _of_run(lambda run: run.exit_code),
    ),
    _Definition(
        "last_success_timestamp_seconds",
        "gauge",
        "When the last run without failure ended, in seconds since 1970-01-01 UTC.",
        _one(lambda it: it.last_success),
    ),
    _Definition("lag_seconds", "gauge", "How old the newest point of a source is.", _lag),
    _Definition(
        "rate_limit_remaining",
        "gauge",
        "How many more requests the vendor allowed at the last answer.",
        _one(lambda it: it.rate_limit_remaining),
    ),
    _Definition("backlog_payloads", "gauge", "Payloads that wait for delivery.", _lanes(lambda lane: lane.payloads)),
    _Definition("backlog_points", "gauge", "Points that wait for delivery.", _lanes(lambda lane: lane.points)),
    _Definition("backlog_bytes", "gauge", "Bytes that wait for delivery.", _lanes(lambda lane: lane.bytes)),
    _Definition("backlog_limit_bytes", "gauge", "How many bytes may wait before runs fail: outbox_max_bytes.", _limits),
    _Definition(
        "backlog_oldest_seconds", "gauge", "How long the oldest payload has been waiting; 0 if none waits.", _oldest
    ),
    _Definition("rejects", "gauge", "Payloads that a destination will never take, set aside.", _rejects),
)
