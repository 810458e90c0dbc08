"""metrics-importer show: what the embedded store holds, as a table, a plot, or an object for programs."""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.projects import add_project_option, chosen_projects, find_state
from importer.cli.text_table import NOTHING, format_number, format_table, format_time
from importer.errors import ExitCode, ImporterError, UsageError
from importer.points import Labels

if TYPE_CHECKING:
    from importer.cli.command import SubCommands
    from importer.metric_store import MetricStore, SeriesSummary

DEFAULT_ROWS = 50
PLOTTED_UNASKED = 4
"""More series than this are plotted only on request: their plots fill more than a screen."""
PLOTTED_AT_MOST = 20

_DESCRIPTION = """\
Show series of the embedded store whose names match a shell pattern, with how many
points they have, from when to when (UTC), the last value, the least and the greatest.
A few series are also plotted."""
_EXAMPLE = """\
  metrics-importer show
  metrics-importer show '*.daily.dau'
  metrics-importer show '*Bike_Shop.live.*' --last 6h --plot

--json prints {"series": [...]}; each has store, name, labels, points, first, last, last_value, minimum, maximum
and mean. Times are ISO 8601 UTC."""

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "show", help="what the embedded store holds", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="of the whole name, as * ? [abc]")
    add_project_option(parser)
    parser.add_argument("--path", type=Path, metavar="FILE", help="the store (metrics.db in the state directory)")
    parser.add_argument("--last", type=_span_seconds, metavar="SPAN", help="only this long until now: 30m, 6h, 1d, 2w")
    plot = argparse.BooleanOptionalAction
    parser.add_argument("--plot", action=plot, help=f"plot the series (up to {PLOTTED_UNASKED} of them)")
    parser.add_argument("--json", action="store_true", help="print an object for programs")
    parser.add_argument("--limit", type=_limit, metavar="N", help=f"series to show ({DEFAULT_ROWS}; with --json all)")
    parser.set_defaults(run=run)


def _span_seconds(text: str) -> int:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a time span such as 30m, 6h, 1d or 2w")
    return int(match[1]) * _UNIT_SECONDS[match[2]]


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number of 1 or more")
    return int(text)


def run(options: argparse.Namespace, *, now: float | None = None) -> ExitCode:
    """Show what the options choose; `now` is in seconds since 1970 UTC."""
    from importer.metric_store import MetricStore

    if options.json and options.plot:
        raise UsageError("--json and --plot do not go together")
    moment = time.time() if now is None else now
    start = 0.0 if options.last is None else max(0.0, moment - options.last)
    documents: list[dict[str, object]] = []
    for path in _stores(options):
        with MetricStore(path) as store:
            series = store.series(options.pattern, start=start)
            if options.json:
                documents += [_as_json(path, summary) for summary in series[: options.limit]]
            else:
                _print_series(store, series, options, start=start)
    if options.json:
        print(json.dumps({"series": documents}, indent=2, ensure_ascii=False))
    return ExitCode.OK


def _stores(options: argparse.Namespace) -> list[Path]:
    """Return the stores to look into; raises ImporterError, which says where, if there is none."""
    from importer.sinks.sqlite import DEFAULT_FILE

    if options.path is not None:
        return [options.path]
    usual = [directory / DEFAULT_FILE for directory in find_state(chosen_projects(options.project)).directories]
    stores = [path for path in usual if path.exists()]
    if not stores:
        places = ", ".join(map(str, usual)) or "no state directory exists"
        raise ImporterError(f"there is no embedded store ({places}); name another with --path")
    return stores


def _print_series(
    store: "MetricStore", series: "Sequence[SeriesSummary]", options: argparse.Namespace, *, start: float
) -> None:
    if not series:
        print(f"{store.path}: no series matches {options.pattern!r}" + (" in that time" if start else ""))
        return
    shown = series[: options.limit or DEFAULT_ROWS]
    print(series_table(shown))
    if len(shown) < len(series):
        print(f"... and {len(series) - len(shown)} more: narrow the pattern, or give a greater --limit")
    wanted = len(series) <= PLOTTED_UNASKED if options.plot is None else options.plot
    if wanted:
        _print_plots(store, shown, start=start)


def _print_plots(store: "MetricStore", series: "Sequence[SeriesSummary]", *, start: float) -> None:
    from importer.cli.metrics_importer.plot import plot

    for summary in series[:PLOTTED_AT_MOST]:
        if summary.points > 1:
            points = list(store.points(summary, start=start))
            print()
            print(plot(_title(summary), [(point.timestamp, point.value) for point in points], stream=sys.stdout))
    if len(series) > PLOTTED_AT_MOST:
        print(f"\n... and {len(series) - PLOTTED_AT_MOST} more are not plotted")


def _title(summary: "SeriesSummary") -> str:
    return f"{summary.name} {_labels_text(summary.labels)}".strip()


def series_table(series: "Sequence[SeriesSummary]") -> str:
    """Return a table of series; labels have a column if there are any, and times no more digits than they need."""
    times = _time_texts([time for summary in series for time in (summary.first, summary.last)])
    rows = [
        [
            summary.name,
            _labels_text(summary.labels) or NOTHING,
            str(summary.points),
            times[summary.first],
            _without_same_day(times[summary.last], times[summary.first]),
            *map(format_number, (summary.last_value, summary.minimum, summary.maximum)),
        ]
        for summary in series
    ]
    headers = ["NAME", "LABELS", "POINTS", "FIRST (UTC)", "LAST", "VALUE", "MIN", "MAX"]
    if not any(summary.labels for summary in series):
        headers.remove("LABELS")
        rows = [[row[0], *row[2:]] for row in rows]
    return format_table(headers, rows, right=("POINTS", "VALUE", "MIN", "MAX"))


def _time_texts(times: Sequence[float]) -> dict[float, str]:
    """Return times in UTC: as dates if all are midnights, without seconds if all are whole minutes."""
    texts = [format_time(time) for time in times]
    length = len("2016-05-03T08:05:00")
    if all(text.endswith(":00Z") for text in texts):
        length = len("2016-05-03T08:05")
    if all(text.endswith("T00:00:00Z") for text in texts):
        length = len("2016-05-03")
    return {time: text[:length].replace("T", " ") for time, text in zip(times, texts, strict=True)}


def _without_same_day(last: str, first: str) -> str:
    """Return the time of day alone where both texts have one and share the date."""
    date, _, time_of_day = last.partition(" ")
    return time_of_day if time_of_day and first.startswith(date) else last


def _labels_text(labels: Labels) -> str:
    return ",".join(f"{name}={value}" for name, value in labels)


def _as_json(path: Path, summary: "SeriesSummary") -> dict[str, object]:
    return {
        "store": str(path),
        "name": summary.name,
        "labels": dict(summary.labels),
        "points": summary.points,
        "first": format_time(summary.first),
        "last": format_time(summary.last),
        "last_value": summary.last_value,
        "minimum": summary.minimum,
        "maximum": summary.maximum,
        "mean": summary.mean,
    }
