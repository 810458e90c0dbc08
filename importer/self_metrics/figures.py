"""What is known of one command at one moment, as its outbox tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from importer.errors import ExitCode
from importer.outbox_view import LaneState, OutboxView, Run, Totals


@dataclass(frozen=True, slots=True)
class Command:
    """Which command is spoken of."""

    project: str
    name: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What an outbox tells of its command. Times are seconds since 1970 UTC."""

    command: Command
    is_up: bool = True
    """Whether the outbox can be read; there is nothing else if it cannot."""
    last_run: Run | None = None
    last_success: float | None = None
    """When the newest run without failure ended."""
    rate_limit_remaining: int | None = None
    """What the vendors said when they were asked last."""
    totals: Totals = field(default_factory=Totals)
    lanes: Sequence[LaneState] = ()
    rejects: Mapping[str, int] = field(default_factory=dict)
    """Rejected payloads of each destination, those that have none included."""

    def oldest_waiting(self) -> float | None:
        """Return when the payload that waits longest was kept, None if nothing waits."""
        return min((lane.oldest for lane in self.lanes if lane.oldest is not None), default=None)

    def newest(self) -> Mapping[str, float]:
        """Return the newest point's time of each source; of a command that tells of no sources, that of `all`."""
        if self.totals.newest_by_source or self.totals.newest is None:
            return self.totals.newest_by_source
        return {"all": self.totals.newest}


def figures_of(command: Command, view: OutboxView) -> Figures:
    """Return what an outbox tells of the command that keeps it; raises OutboxError."""
    runs, lanes = view.runs(), view.lanes()
    rejects = dict(view.rows("SELECT lane, count(*) FROM rejects GROUP BY lane"))
    remaining = (run.details.rate_limit_remaining for run in runs)
    return Figures(
        command,
        last_run=runs[0] if runs else None,
        last_success=next((run.ended for run in runs if run.exit_code == ExitCode.OK), None),
        rate_limit_remaining=next((told for told in remaining if told is not None), None),
        totals=view.totals(),
        lanes=lanes,
        rejects={lane.lane: 0 for lane in lanes} | rejects,
    )
