"""What an outbox tells about the command that keeps it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from importer.cli.metrics_importer.projects import OutboxFile
from importer.errors import ExitCode, OutboxError
from importer.outbox_salvage import BUSY_SECONDS
from importer.outbox_view import LaneState, OutboxView, Run


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """What an outbox tells about its command."""

    outbox: OutboxFile
    runs: Sequence[Run] = ()
    """Newest first; the last success is among them, however long ago it was."""
    lanes: Sequence[LaneState] = ()
    rejects: Mapping[str, int] = field(default_factory=dict)
    """Rejected payloads of each lane that has some."""
    damaged: Sequence[Path] = ()
    error: str = ""
    """Why the outbox cannot be read; empty if it can."""

    @property
    def last_run(self) -> Run | None:
        """The newest run, None if there was none."""
        return self.runs[0] if self.runs else None

    @property
    def last_success(self) -> float | None:
        """When the newest run without failure ended, in seconds since 1970 UTC."""
        return next((run.ended for run in self.runs if run.exit_code == ExitCode.OK), None)

    @property
    def newest_point(self) -> float | None:
        """The time of the newest point that the remembered runs imported."""
        return max((run.newest for run in self.runs if run.newest is not None), default=None)

    @property
    def oldest_waiting(self) -> float | None:
        """When the payload that waits longest was kept."""
        return min((lane.oldest for lane in self.lanes if lane.oldest is not None), default=None)

    @property
    def healthy(self) -> bool:
        """Whether nobody has to look."""
        failed = self.last_run is not None and self.last_run.exit_code != ExitCode.OK
        return not (self.error or failed or self.rejects or self.damaged)


def read_status(outbox: OutboxFile, *, busy_seconds: float = BUSY_SECONDS) -> CommandStatus:
    """Return what an outbox tells; one that cannot be read, or is locked for busy_seconds, has an `error`."""
    damaged = outbox.damaged()
    try:
        with OutboxView.open(outbox.path, busy_seconds=busy_seconds) as view:
            rejects = Counter(reject.lane for reject in view.rejects())
            return CommandStatus(outbox, view.runs(), view.lanes(), rejects, damaged)
    except OutboxError as error:
        return CommandStatus(outbox, damaged=damaged, error=str(error))
