"""What metrics-importer status prints: tables for people, an object for programs."""

from collections.abc import Sequence

from importer.cli.metrics_importer.command_status import CommandStatus
from importer.cli.text_table import NOTHING, count_of, format_age, format_bytes, format_table, format_time
from importer.errors import ExitCode, one_line
from importer.outbox_view import LaneState, Run


def as_json(statuses: Sequence[CommandStatus], *, healthy: bool, now: float) -> dict[str, object]:
    """Return the object that --json prints."""
    return {
        "time": format_time(now),
        "healthy": healthy,
        "commands": [_command_json(status, now) for status in statuses],
    }


def _command_json(status: CommandStatus, now: float) -> dict[str, object]:
    newest = status.newest_point
    return {
        "project": status.outbox.project,
        "command": status.outbox.command,
        "outbox": str(status.outbox.path),
        "healthy": status.healthy,
        "error": status.error,
        "last_run": None if status.last_run is None else _run_json(status.last_run),
        "last_success": _time(status.last_success),
        "newest_point": _time(newest),
        "lag_seconds": None if newest is None else now - newest,
        "waiting": {
            "payloads": sum(lane.payloads for lane in status.lanes),
            "points": sum(lane.points for lane in status.lanes),
            "bytes": sum(lane.bytes for lane in status.lanes),
            **_oldest_json(status.oldest_waiting, now),
        },
        "rejects": sum(status.rejects.values()),
        "damaged_files": [str(path) for path in status.damaged],
        "lanes": [_lane_json(lane, status.rejects.get(lane.lane, 0), now) for lane in _all_lanes(status)],
    }


def _run_json(run: Run) -> dict[str, object]:
    return {
        "started": format_time(run.started),
        "ended": format_time(run.ended),
        "exit_code": run.exit_code,
        "points": run.points,
        "message": run.message,
    }


def _lane_json(lane: LaneState, rejects: int, now: float) -> dict[str, object]:
    return {
        "lane": lane.lane,
        "payloads": lane.payloads,
        "points": lane.points,
        "bytes": lane.bytes,
        **_oldest_json(lane.oldest, now),
        "rejects": rejects,
        "problem": lane.problem,
    }


def _oldest_json(oldest: float | None, now: float) -> dict[str, object]:
    return {"oldest": _time(oldest), "oldest_age_seconds": None if oldest is None else now - oldest}


def _time(timestamp: float | None) -> str | None:
    return None if timestamp is None else format_time(timestamp)


def _all_lanes(status: CommandStatus) -> list[LaneState]:
    """Return the lanes, and those that only rejects remember."""
    known = {lane.lane for lane in status.lanes}
    gone = [LaneState(lane, "", 0, 0, 0, None, "") for lane in status.rejects if lane not in known]
    return [*status.lanes, *gone]


def as_text(statuses: Sequence[CommandStatus], *, now: float) -> str:
    """Return tables of the commands and of the lanes that want attention, and a line for whatever is wrong."""
    parts = [_command_table(statuses, now)]
    lanes = _lane_table(statuses, now)
    if lanes:
        parts.append(lanes)
    notes = "\n".join(note for status in statuses for note in _notes(status))
    return "\n\n".join(filter(None, [*parts, notes]))


def _command_table(statuses: Sequence[CommandStatus], now: float) -> str:
    headers = ["COMMAND", "LAST RUN", "AGE", "RESULT", "POINTS", "LAST OK", "LAG", "WAITING", "REJECTS"]
    rows = [_command_row(status, now) for status in statuses]
    if len({status.outbox.project for status in statuses}) > 1:
        headers.insert(0, "PROJECT")
        rows = [[status.outbox.project, *row] for status, row in zip(statuses, rows, strict=True)]
    return format_table(headers, rows, right=("POINTS", "WAITING", "REJECTS"))


def _command_row(status: CommandStatus, now: float) -> list[str]:
    last = status.last_run
    if last is None:
        what = ["unreadable" if status.error else "never", NOTHING, NOTHING, NOTHING]
    else:
        result = "ok" if last.exit_code == ExitCode.OK else f"exit {last.exit_code}"
        what = [format_time(last.started), format_age(last.started, now), result, str(last.points)]
    waiting = sum(lane.points for lane in status.lanes)
    return [
        status.outbox.command,
        *what,
        format_age(status.last_success, now),
        format_age(status.newest_point, now),
        str(waiting),
        str(sum(status.rejects.values())),
    ]


def _lane_table(statuses: Sequence[CommandStatus], now: float) -> str:
    """Return a table of the lanes where something waits, was rejected or went wrong; empty if there are none."""
    rows = [
        [
            status.outbox.command,
            lane.lane,
            str(lane.payloads),
            str(lane.points),
            format_bytes(lane.bytes),
            format_age(lane.oldest, now),
            str(status.rejects.get(lane.lane, 0)),
            lane.problem or NOTHING,
        ]
        for status in statuses
        for lane in _all_lanes(status)
        if lane.payloads or lane.problem or status.rejects.get(lane.lane)
    ]
    headers = ["COMMAND", "LANE", "PAYLOADS", "POINTS", "BYTES", "OLDEST", "REJECTS", "PROBLEM"]
    return format_table(headers, rows, right=("PAYLOADS", "POINTS", "BYTES", "REJECTS")) if rows else ""


def _notes(status: CommandStatus) -> list[str]:
    notes = [status.error] if status.error else []
    command = status.outbox.command
    if status.last_run is not None and status.last_run.exit_code != ExitCode.OK:
        notes.append(f"{command}: last run failed: {status.last_run.message or 'no reason was recorded'}")
    if status.rejects:
        count = count_of(sum(status.rejects.values()), "payload")
        notes.append(f"{command}: {count} rejected; see: metrics-importer outbox list -c {command}")
    notes += [f"{path}: damaged, what could be read of it was saved; remove it to end this" for path in status.damaged]
    return [one_line(note) for note in notes]
