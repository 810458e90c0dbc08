"""dailyjobs, livestats, groupedby and servicestats: crash analytics of mobile apps to Graphite and other stores.

And pingdom, which shares their files: response time and uptime of checks.
"""

import argparse
from collections.abc import Sequence
from datetime import date

from importer.cli.command import Parser, run_command
from importer.errors import ExitCode, UsageError

DEFAULT_PROJECT = "apteligent-importer"
DEFAULT_THREADS = 16
FIRST_DAY = date(1970, 1, 2)
"""The first day whose midnight has a time stamp in every zone."""

_DESCRIPTIONS = {
    "dailyjobs": "Import eight figures of each app for each day that is over, such as daily active users.",
    "livestats": "Import each app's loads, crashes and exceptions, in buckets of ten seconds.",
    "groupedby": "Import the day's running totals of each app by version and by group of carriers.",
    "servicestats": "Import what each app measured of the web services that it calls.",
    "pingdom": "Import response time and status of each check of Pingdom, and the uptime of each hour.",
}
_EXAMPLES = {
    "dailyjobs": "  dailyjobs --once --from 2016-05-01 --to 2016-05-07",
    "livestats": "  livestats -q -i 1",
    "groupedby": "  groupedby --once --dry-run",
    "servicestats": "  servicestats -p my-project",
    "pingdom": "  pingdom --once --from 2026-05-01 --to 2026-05-07",
}


def dailyjobs(argv: Sequence[str] | None = None) -> int:
    """Run the command of this name with argv (None: the process's arguments); return its exit code."""
    parser = _parser("dailyjobs")
    _add_days(parser)
    return run_command(parser, lambda options: _run("dailyjobs", options), argv)


def livestats(argv: Sequence[str] | None = None) -> int:
    """Run the command of this name with argv (None: the process's arguments); return its exit code."""
    parser = _parser("livestats")
    parser.add_argument(
        "-i", "--interval", type=_interval, default=2, metavar="N", help="minutes between two cycles, 1 to 5 (2)"
    )
    return run_command(parser, lambda options: _run("livestats", options), argv)


def groupedby(argv: Sequence[str] | None = None) -> int:
    """Run the command of this name with argv (None: the process's arguments); return its exit code."""
    return run_command(_parser("groupedby"), lambda options: _run("groupedby", options), argv)


def servicestats(argv: Sequence[str] | None = None) -> int:
    """Run the command of this name with argv (None: the process's arguments); return its exit code."""
    return run_command(_parser("servicestats"), lambda options: _run("servicestats", options), argv)


def pingdom(argv: Sequence[str] | None = None) -> int:
    """Run the command of this name with argv (None: the process's arguments); return its exit code."""
    parser = _parser("pingdom")
    _add_days(parser)
    return run_command(parser, _run_pingdom, argv)


def _add_days(parser: Parser) -> None:
    days = parser.add_mutually_exclusive_group()
    days.add_argument("--date", type=_day, metavar="YYYY-MM-DD", help="with --once: import this day, again if need be")
    days.add_argument("--from", type=_day, metavar="YYYY-MM-DD", dest="first", help="import all days from this one")
    parser.add_argument("--to", type=_day, metavar="YYYY-MM-DD", dest="last", help="with --from: the last such day")


def _parser(name: str) -> Parser:
    parser = Parser(name, _DESCRIPTIONS[name], example=_EXAMPLES[name])
    parser.add_argument(
        "-p", "--project", default=DEFAULT_PROJECT, metavar="NAME", help=f"name of the directories ({DEFAULT_PROJECT})"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="log at level INFO, not DEBUG")
    parser.add_argument("--once", action="store_true", help="make one cycle now, then exit")
    parser.add_argument("--dry-run", action="store_true", help="make one cycle, print what would be sent, keep nothing")
    parser.add_argument(
        "--threads", type=_threads, default=DEFAULT_THREADS, metavar="N", help=f"requests at a time ({DEFAULT_THREADS})"
    )
    return parser


def _interval(text: str) -> int:
    return _whole_number(text, minimum=1, maximum=5)


def _threads(text: str) -> int:
    return _whole_number(text, minimum=1, maximum=256)


def _whole_number(text: str, *, minimum: int, maximum: int) -> int:
    if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number from {minimum} to {maximum}")
    return int(text)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day < FIRST_DAY or day.isoformat() != text:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a date such as 2016-05-02")
    return day


def _run(name: str, options: argparse.Namespace) -> ExitCode:
    first_and_last = _days(options) if name == "dailyjobs" else None
    from importer.cli.apteligent.command import run  # on use: what it imports need not be waited for by --help

    return run(name, options, days=first_and_last)


def _run_pingdom(options: argparse.Namespace) -> ExitCode:
    days = _days(options)
    from importer.cli.apteligent.pingdom import run  # on use, as above

    return run(options, days=days)


def _days(options: argparse.Namespace) -> tuple[date, date] | None:
    """Return the first and last day that the options name, None if they name none; raises UsageError."""
    if options.date is not None:
        if not (options.once or options.dry_run):
            raise UsageError(f"--date {options.date} goes with --once")
        if options.last is not None:
            raise UsageError(f"--to {options.last} goes with --from")
        return options.date, options.date
    if options.first is None:
        if options.last is not None:
            raise UsageError(f"--to {options.last} goes with --from")
        return None
    last = options.last or date.max
    if options.first > last:
        raise UsageError(f"--from {options.first} is after --to {last}")
    return options.first, last
