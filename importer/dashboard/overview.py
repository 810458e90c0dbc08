"""What the page says at a glance: commands with their state, destinations with their backlog, what went wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from importer.cli.metrics_importer.command_status import CommandStatus
from importer.cli.metrics_importer.status_report import as_json
from importer.cli.text_table import count_of, format_duration, format_time
from importer.dashboard.expectation import Expectation, expected
from importer.dashboard.last_error import LastError, errors_of, newest_first
from importer.errors import ExitCode, one_line
from importer.outbox_view import Reject, Run

SHOWN_RUNS = 30


@dataclass(frozen=True, slots=True)
class Watched:
    """A command, and what its outbox tells beside its status."""

    status: CommandStatus
    rejects: Sequence[Reject] = ()
    """Those that were set aside last, newest first."""

    max_bytes: Mapping[str, int] = field(default_factory=dict)
    """How much may wait for each destination, as far as it is known."""

    def errors(self) -> list[LastError]:
        """Return what went wrong with it lately, newest first."""
        return errors_of(self.status.outbox.command, self.status.runs, self.rejects)

    @property
    def expectation(self) -> Expectation | None:
        """When the next run is to be expected."""
        return expected([run.started for run in self.status.runs])


@dataclass(frozen=True, slots=True)
class _Note:
    """Something that a person should know."""

    severity: str
    """`error`: somebody has to act. `warning`: it is coped with, for now."""
    command: str
    text: str


def overview(watched: Sequence[Watched], *, warnings: Sequence[str], now: float) -> dict[str, object]:
    """Return the object that /api/status answers with; `now` is in seconds since 1970 UTC, its times are ISO 8601 UTC.

    It is that of `metrics-importer status --json`, with more of each command and three lists beside the commands.
    `warnings` tell what was passed over, and may hide an outbox.
    """
    statuses = [each.status for each in watched]
    notes = [note for each in watched for note in _notes(each, now)]
    notes += [_Note("error", "", one_line(warning)) for warning in warnings]
    healthy = all(note.severity != "error" for note in notes)
    content = as_json(statuses, healthy=healthy, now=now)
    described = cast(list[dict[str, object]], content["commands"])
    content["commands"] = [_described(one, each, now) for one, each in zip(described, watched, strict=True)]
    content["headline"] = _headline(watched, notes)
    content["notes"] = [
        {"severity": note.severity, "command": note.command, "text": note.text} for note in _gravest_first(notes)
    ]
    errors = (error for each in watched for error in each.errors())
    content["errors"] = [error.as_json() for error in newest_first(errors)]
    return content


def _described(described: Mapping[str, object], watched: Watched, now: float) -> dict[str, object]:
    """Return what `status --json` says of a command, and more."""
    expectation = watched.expectation
    lanes = cast(list[dict[str, object]], described["lanes"])
    return {
        **described,
        "lanes": [{**lane, "max_bytes": watched.max_bytes.get(str(lane["lane"]))} for lane in lanes],
        "state": _state(watched, now),
        "interval_seconds": None if expectation is None else expectation.interval_seconds,
        "next_run": None if expectation is None else format_time(expectation.next_run),
        "runs": [_run(run) for run in watched.status.runs[:SHOWN_RUNS]],
    }


def _run(run: Run) -> dict[str, object]:
    return {
        "started": format_time(run.started),
        "seconds": round(max(0.0, run.ended - run.started), 3),
        "exit_code": run.exit_code,
        "points": run.points,
    }


def _state(watched: Watched, now: float) -> str:
    """Return the gravest thing that can be said of a command, in one word."""
    status, run, expectation = watched.status, watched.status.last_run, watched.expectation
    said = {
        "unreadable": bool(status.error),
        "failed": run is not None and run.exit_code != ExitCode.OK,
        "rejects": bool(status.rejects),
        "damaged": bool(status.damaged),
        "late": expectation is not None and expectation.is_late(now),
        "waiting": any(lane.payloads and lane.problem for lane in status.lanes),
        "ok": run is not None,
    }
    return next((state for state, is_so in said.items() if is_so), "idle")


def _notes(watched: Watched, now: float) -> Iterator[_Note]:
    """Yield what is wrong with a command: in the words of a sentence that begins with its name."""
    status, command = watched.status, watched.status.outbox.command
    if status.error:
        yield _Note("error", command, f"its outbox cannot be read: {one_line(status.error)}")
    run = status.last_run
    if run is not None and run.exit_code != ExitCode.OK:
        yield _Note("error", command, f"last run failed: {one_line(run.message) or 'no reason was recorded'}")
    if status.rejects:
        rejected = count_of(sum(status.rejects.values()), "payload")
        yield _Note("error", command, f"{rejected} rejected; see: metrics-importer outbox list -c {command}")
    for path in status.damaged:
        yield _Note("error", command, f"{path} was damaged; what could be read of it was saved; remove it to end this")
    expectation = watched.expectation
    if expectation is not None and expectation.is_late(now):
        usual = format_duration(expectation.interval_seconds)
        since = format_time(status.runs[0].started)
        yield _Note("warning", command, f"no run since {since}; usually there is one every {usual}")
    for lane in status.lanes:
        if lane.payloads and lane.problem:
            waiting = f"{count_of(lane.points, 'point')} wait for {lane.lane}"
            yield _Note("warning", command, f"{waiting}: {one_line(lane.problem)}")


def _gravest_first(notes: Iterable[_Note]) -> list[_Note]:
    return sorted(notes, key=lambda note: note.severity != "error")


def _headline(watched: Sequence[Watched], notes: Sequence[_Note]) -> str:
    if not watched and not notes:
        return "No command has run yet"
    errors = sum(note.severity == "error" for note in notes)
    if errors:
        return f"{count_of(errors, 'problem')} to look at"
    if notes:
        return f"Working, with {count_of(len(notes), 'warning')}"
    return "All well"
