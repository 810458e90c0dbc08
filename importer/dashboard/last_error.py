"""What went wrong lately: failed runs and rejected payloads, with what repeats itself told once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from importer.cli.text_table import count_of, format_time
from importer.errors import ExitCode, one_line
from importer.outbox_view import Reject, Run

SHOWN_ERRORS = 50


@dataclass(frozen=True, slots=True)
class LastError:
    """Something that went wrong, once or over and over."""

    time: float
    """When it did so last, in seconds since 1970 UTC."""
    first: float
    """When it did so first, among what is remembered."""
    count: int
    command: str
    kind: str
    text: str

    def as_json(self) -> dict[str, object]:
        """Return it as /api/status has it."""
        return {
            "time": format_time(self.time),
            "first": format_time(self.first),
            "count": self.count,
            "command": self.command,
            "kind": self.kind,
            "text": self.text,
        }


def errors_of(command: str, runs: Sequence[Run], rejects: Sequence[Reject]) -> list[LastError]:
    """Return what went wrong with a command, newest first; runs and rejects are given newest first, too."""
    found: dict[tuple[str, str], LastError] = {}
    for time, kind, text in (*_of_runs(runs), *_of_rejects(rejects)):
        known = found.get((kind, text))
        found[kind, text] = (
            LastError(time, time, 1, command, kind, text)
            if known is None
            else replace(known, first=time, count=known.count + 1)
        )
    return newest_first(found.values())


def newest_first(errors: Iterable[LastError]) -> list[LastError]:
    """Return the last SHOWN_ERRORS of some errors."""
    return sorted(errors, key=lambda error: error.time, reverse=True)[:SHOWN_ERRORS]


def _of_runs(runs: Sequence[Run]) -> Iterator[tuple[float, str, str]]:
    for run in runs:
        is_failed = run.exit_code != ExitCode.OK
        texts = run.details.failures or ([run.message or "no reason was recorded"] if is_failed else [])
        for text in texts:
            yield run.ended, f"exit {run.exit_code}" if is_failed else "failed", one_line(text)


def _of_rejects(rejects: Sequence[Reject]) -> Iterator[tuple[float, str, str]]:
    for reject in rejects:
        text = f"{count_of(reject.points, 'point')} for {reject.lane}: {reject.reason}"
        yield reject.rejected, "rejected", one_line(text)
