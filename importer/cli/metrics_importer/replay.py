"""metrics-importer replay: send what the embedded store holds to another destination."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.projects import REPLAY, add_project_option
from importer.cli.metrics_importer.replay_options import (
    Places,
    end_time,
    find_places,
    find_sinks,
    start_time,
    whole_seconds,
)
from importer.cli.progress import Progress
from importer.cli.text_table import count_of, format_duration, format_time
from importer.errors import ExitCode, ImporterError, Stopped, UsageError

if TYPE_CHECKING:
    from threading import Event

    from importer.cli.command import SubCommands
    from importer.metric_history import Extent, MetricHistory
    from importer.outbox import Outbox
    from importer.replay import Outcome, Range, Replay, Saved
    from importer.sinks.base import PointSink

PATIENCE_SECONDS = 60

_DESCRIPTION = """\
Send a range of the embedded store to another destination, oldest points first, with the
names and labels that the commands would have sent. What ends it, a store that is away too,
loses nothing: the same command goes on where it stopped, and once all is sent, with what
came in since. --again sends all of it once more. Times are UTC.

Exit code: 0 everything was delivered, 1 it was not, 2 wrong usage, 78 a wrong file."""
_EXAMPLE = """\
  metrics-importer replay --from 2026-01-01 --config /etc/apteligent-importer/graphite.json
  metrics-importer replay --from 2026-01-01 --to 2026-01-31 --name '*.daily.*' \\
    --destination '{"protocol": "plain", "host": "carbon.example.org", "port": 2003}' --dry-run"""


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be sent, and where to."""

    history: "MetricHistory"
    wanted: "Range"
    sinks: "Sequence[PointSink]"
    places: Places


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "replay", help="send what the embedded store holds elsewhere", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=start_time,
        metavar="TIME",
        help="a day or 2026-01-31T06:30, the first one (the oldest)",
    )
    parser.add_argument(
        "--to", dest="end", type=end_time, metavar="TIME", help="the last day, or a time that is left out (no end)"
    )
    parser.add_argument("--name", default="*", metavar="PATTERN", help="of the whole name, as * ? [abc]")
    add_project_option(parser)
    parser.add_argument("--database", type=Path, metavar="FILE", help="the store (metrics.db in the state directory)")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--destination", metavar="FILE|JSON", help="a description as in graphite.json")
    target.add_argument("--config", type=Path, metavar="FILE", help="a graphite.json; the store itself is left out")
    parser.add_argument(
        "--wait",
        type=whole_seconds,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help=f"how long a destination that is away is waited for ({PATIENCE_SECONDS})",
    )
    parser.add_argument("--again", action="store_true", help="begin at the beginning, whatever was sent")
    parser.add_argument("--dry-run", action="store_true", help="send nothing, show what would be sent")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> ExitCode:
    """Send what the options choose; raises ImporterError."""
    from importer.metric_history import MetricHistory  # on use: --help need not wait for what it imports
    from importer.replay import Range
    from importer.service import Signals

    if options.start is not None and options.end is not None and options.start >= options.end:
        raise UsageError("--to is not after --from")
    wanted = Range(options.start, options.end, options.name)
    places = find_places(options)
    sinks = find_sinks(options, places)
    if options.dry_run:  # Ctrl-C ends it at once: there is nothing to be kept
        with MetricHistory(places.database, wanted.pattern) as history:
            return _preview(_Task(history, wanted, sinks, places), again=options.again)
    with (
        Signals(exit_code=ExitCode.FAILED) as signals,
        MetricHistory(places.database, wanted.pattern, stopping=signals.stop.is_set) as history,
    ):
        task = _Task(history, wanted, sinks, places)
        return _replay(task, signals.stop, patience_seconds=options.wait, again=options.again)


def _preview(task: _Task, *, again: bool) -> ExitCode:
    """Print what a replay would send; with several destinations each has a line with its name before its chunk."""
    from importer.replay import CHUNK_POINTS

    done = _done(task, again=again)
    end = task.wanted.until
    extent = task.history.extent(done.position, end=end)
    _tell_plan(extent, task.sinks, done.points, waiting=0, verb="would send")
    for chunk in task.history.chunks(done.position, end=end, max_points=CHUNK_POINTS):
        for sink in task.sinks:
            if len(task.sinks) > 1:
                print(f"# {sink.lane}")
            for line in sink.preview(chunk.points):
                print(line)
    return ExitCode.OK


def _done(task: _Task, *, again: bool) -> "Saved":
    """Return how far earlier runs came, without making an outbox."""
    from importer.outbox_view import OutboxView
    from importer.replay import Saved, replay_key, saved

    if again or not task.places.outbox.exists():
        return Saved(task.wanted.before)
    with OutboxView.open(task.places.outbox) as view:
        return saved(view, replay_key(task.history.lane, task.wanted, task.sinks), task.wanted)


def _replay(task: _Task, stop: "Event", *, patience_seconds: float, again: bool) -> ExitCode:
    from importer.outbox import Outbox
    from importer.replay import Replay

    began = time.time()
    with Outbox(task.places.outbox) as outbox:
        damage, outbox.damage = outbox.damage, ""
        replay = Replay(
            task.history, outbox, task.sinks, wanted=task.wanted, stop=stop, patience_seconds=patience_seconds
        )
        if again:
            replay.start_over()
        extent = _extent(replay)
        _tell_plan(extent, task.sinks, replay.sent_before, waiting=replay.waiting, verb="sending")
        _tell_left(replay)
        total = extent.points + replay.waiting
        with Progress(REPLAY, unit="points", total=total) as progress:
            outcome = replay.run(progress=progress.add)
        code = _tell_outcome(outcome, total, damage, seconds=time.time() - began)
        _record(outbox, outcome, code, began)
    return code


def _extent(replay: "Replay") -> "Extent":
    """Return how much is left; raises ImporterError, also where a signal came first."""
    try:
        return replay.extent()
    except Stopped as error:
        raise ImporterError("asked to stop; nothing was sent") from error


def _tell_plan(extent: "Extent", sinks: "Sequence[PointSink]", before: int, *, waiting: int, verb: str) -> None:
    where = ", ".join(sink.lane for sink in sinks)
    parts = [f"{verb} nothing more" if before else f"{verb} nothing"]
    if extent.points:
        amount = f"{count_of(extent.points, 'point')} of {extent.series} series"
        parts = [f"{verb} {amount}, {format_time(extent.first)} to {format_time(extent.last)}"]
    if waiting:
        parts.append(f"and {count_of(waiting, 'point')} kept by an earlier run")
    after = f"; {count_of(before, 'point')} went before" if before else ""
    print(f"{REPLAY}: {', '.join(parts)}, to {where}{after}", flush=True)


def _tell_left(replay: "Replay") -> None:
    for state in replay.left:
        what = f"{count_of(state.points, 'point')} of an earlier replay wait for {state.lane}"
        print(f"metrics-importer: warning: {what}; see 'metrics-importer outbox list'", file=sys.stderr)


def _tell_outcome(outcome: "Outcome", total: int, damage: str, *, seconds: float) -> ExitCode:
    from importer.cli.command import tell

    failures = [*outcome.rejections, *([damage] if damage else [])]
    if outcome.failure:
        failures.append(f"{REPLAY}: {outcome.failure}; {outcome.points} of {total} points were delivered")
        failures[-1] += ", the same command goes on from there"
    else:
        print(f"{REPLAY}: {count_of(outcome.points, 'point')} delivered in {format_duration(seconds)}", flush=True)
    for failure in failures:
        tell("metrics-importer", failure)
    return ExitCode.FAILED if failures else ExitCode.OK


def _record(outbox: "Outbox", outcome: "Outcome", code: ExitCode, began: float) -> None:
    from importer.http_counts import PROCESS_COUNTS
    from importer.outbox import Details, Run

    details = Details(requests=PROCESS_COUNTS.take().by_status, failures=outcome.rejections)
    message = outcome.failure or "; ".join(outcome.rejections)
    outbox.record_run(Run(began, time.time(), code, outcome.points, None, message, details))
