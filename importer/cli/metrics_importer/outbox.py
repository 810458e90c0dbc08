"""metrics-importer outbox: see what was not delivered, and decide about what a store has rejected."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.projects import OutboxFile, add_project_option, find_outboxes
from importer.cli.text_table import count_of, format_age, format_bytes, format_table
from importer.errors import ExitCode, OutboxError, UsageError

if TYPE_CHECKING:
    from importer.cli.command import Parser, SubCommands
    from importer.outbox_view import LaneState, Reject

_DESCRIPTION = """\
List what waits in the outboxes of the commands, and what was rejected: payloads that a
store said it can never take. These are kept until they are queued again or dropped."""
_EXAMPLE = """\
  metrics-importer outbox list
  metrics-importer outbox retry --all
  metrics-importer outbox drop 12 13"""
_LIST_EXAMPLE = "  metrics-importer outbox list -c livestats"
_RETRY = "Queue rejected payloads again, behind what waits; the command's next run sends them."
_RETRY_EXAMPLE = "  metrics-importer outbox retry 12 13"
_DROP = "Forget rejected payloads for good, or with --lane all that waits for one destination."
_DROP_EXAMPLE = """\
  metrics-importer outbox drop 12
  metrics-importer outbox drop -c livestats --lane plain://127.0.0.1:2003 --yes"""


def add_command(commands: "SubCommands") -> None:
    """Add this command, with its actions, to metrics-importer."""
    parser = commands.add_parser(
        "outbox", help="list, retry or drop what was not delivered", description=_DESCRIPTION, example=_EXAMPLE
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="list what waits and what was rejected", description=_DESCRIPTION, example=_LIST_EXAMPLE
    )
    _add_choice(listing, show)
    retrying = actions.add_parser("retry", help="queue rejects again", description=_RETRY, example=_RETRY_EXAMPLE)
    _add_choice(retrying, retry)
    _add_ids(retrying)
    dropping = actions.add_parser("drop", help="forget rejects or a lane", description=_DROP, example=_DROP_EXAMPLE)
    _add_choice(dropping, drop)
    _add_ids(dropping)
    dropping.add_argument("--lane", metavar="LANE", help="drop all that waits for this destination (needs --yes)")
    dropping.add_argument("--yes", action="store_true", help="yes, lose it")


def _add_choice(parser: "Parser", run: Callable[[argparse.Namespace], ExitCode]) -> None:
    add_project_option(parser)
    parser.add_argument("-c", "--command", metavar="NAME", help="look at this command's outbox alone")
    parser.set_defaults(run=run)


def _add_ids(parser: "Parser") -> None:
    parser.add_argument("ids", nargs="*", type=_reject_id, metavar="ID", help="a reject's number in the list")
    parser.add_argument("--all", action="store_true", help="all rejects")


def _reject_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not the number of a reject")
    return int(text)


def show(options: argparse.Namespace, *, now: float | None = None) -> ExitCode:
    """List what waits and what was rejected; `now` is in seconds since 1970 UTC."""
    moment = time.time() if now is None else now
    code = ExitCode.OK
    waiting: list[tuple[OutboxFile, LaneState]] = []
    rejected: list[tuple[OutboxFile, Reject]] = []
    for outbox in find_outboxes(options):
        try:
            lanes, rejects = _read(outbox)
        except OutboxError as error:  # of one command: the others are listed
            print(f"metrics-importer: {error}", file=sys.stderr)
            code = ExitCode.FAILED
            continue
        waiting += [(outbox, lane) for lane in lanes if lane.payloads]
        rejected += [(outbox, reject) for reject in rejects]
    print(_waiting_table(waiting, moment) if waiting else "Nothing waits to be delivered.")
    print()
    print(_reject_table(rejected, moment) if rejected else "Nothing was rejected.")
    return code


def _read(outbox: OutboxFile) -> "tuple[list[LaneState], list[Reject]]":
    from importer.outbox_view import OutboxView

    with OutboxView.open(outbox.path) as view:
        return view.lanes(), view.rejects()


def _waiting_table(waiting: "Sequence[tuple[OutboxFile, LaneState]]", now: float) -> str:
    headers = ["WAITING IN", "LANE", "PAYLOADS", "POINTS", "BYTES", "AGE", "REASON"]
    rows = [
        [
            outbox.command,
            lane.lane,
            str(lane.payloads),
            str(lane.points),
            format_bytes(lane.bytes),
            format_age(lane.oldest, now),
            lane.problem or "not tried yet",
        ]
        for outbox, lane in waiting
    ]
    return format_table(headers, rows, right=("PAYLOADS", "POINTS", "BYTES"))


def _reject_table(rejected: "Sequence[tuple[OutboxFile, Reject]]", now: float) -> str:
    headers = ["REJECTED IN", "ID", "LANE", "POINTS", "BYTES", "AGE", "REASON"]
    rows = [
        [
            outbox.command,
            str(reject.id),
            reject.lane,
            str(reject.points),
            format_bytes(reject.bytes),
            format_age(reject.rejected, now),
            reject.reason,
        ]
        for outbox, reject in rejected
    ]
    return format_table(headers, rows, right=("ID", "POINTS", "BYTES"))


def retry(options: argparse.Namespace) -> ExitCode:
    """Queue the chosen rejects again."""
    from importer.outbox import Outbox

    for file, ids in _chosen_rejects(options).items():
        with Outbox(file.path) as outbox:
            count = outbox.retry(ids)
        print(f"{file.command}: {count_of(count, 'payload')} queued again; the next run sends them")
    return ExitCode.OK


def drop(options: argparse.Namespace) -> ExitCode:
    """Forget the chosen rejects, or what waits in a lane."""
    from importer.outbox import Outbox

    if options.lane is not None:
        return _drop_lane(options)
    for file, ids in _chosen_rejects(options).items():
        with Outbox(file.path) as outbox:
            count = outbox.drop_rejects(ids)
        print(f"{file.command}: {count_of(count, 'rejected payload')} dropped")
    return ExitCode.OK


def _chosen_rejects(options: argparse.Namespace) -> dict[OutboxFile, list[int]]:
    """Return the rejects that the options name, by outbox; raises UsageError unless each is in exactly one."""
    if options.all == bool(options.ids):
        raise UsageError("give the IDs of rejects, or --all")
    known = {outbox: [reject.id for reject in _read(outbox)[1]] for outbox in find_outboxes(options)}
    if options.all:
        if not any(known.values()):
            print("Nothing was rejected.")
        return {outbox: ids for outbox, ids in known.items() if ids}
    chosen: dict[OutboxFile, list[int]] = {}
    for wanted in dict.fromkeys(options.ids):
        owners = [outbox for outbox, ids in known.items() if wanted in ids]
        if not owners:
            raise UsageError(f"there is no reject {wanted}; see: metrics-importer outbox list")
        chosen.setdefault(_only(owners, f"reject {wanted}"), []).append(wanted)
    return chosen


def _drop_lane(options: argparse.Namespace) -> ExitCode:
    from importer.outbox import Outbox

    if options.all or options.ids:
        raise UsageError("--lane is about what waits: drop rejects by a command of its own")
    lanes = {outbox: _read(outbox)[0] for outbox in find_outboxes(options)}
    owners = [outbox for outbox, states in lanes.items() if options.lane in {state.lane for state in states}]
    if not owners:
        known = sorted({state.lane for states in lanes.values() for state in states})
        raise UsageError(f"no lane {options.lane!r:.100}; there are: {', '.join(known) or 'none'}")
    file = _only(owners, f"lane {options.lane}")
    state = next(state for state in lanes[file] if state.lane == options.lane)
    loss = f"{count_of(state.payloads, 'payload')}, {count_of(state.points, 'point')}, {format_bytes(state.bytes)}"
    if not options.yes:
        raise UsageError(f"{file.command}: {loss} wait for {options.lane} and would be lost; add --yes to drop them")
    with Outbox(file.path) as outbox:
        outbox.drop_lane(options.lane)
    print(f"{file.command}: dropped {loss} that waited for {options.lane}")
    return ExitCode.OK


def _only(owners: Sequence[OutboxFile], what: str) -> OutboxFile:
    if len(owners) > 1:
        names = ", ".join(owner.command for owner in owners)
        raise UsageError(f"{what} is in the outboxes of {names}: choose one with -c")
    return owners[0]
