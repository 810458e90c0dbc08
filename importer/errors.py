"""The exceptions of this package, each of which tells its cause in one line, and the exit codes.

Third-party exceptions are caught where they arise and chained to one of these; only a command's `main`
turns them into a line on standard error and a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importer.points import Payload


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    """Everything was delivered or is safe in the outbox."""
    FAILED = 1
    """Something was not obtained, not kept or not accepted; the rest was."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    CONFIG = 78
    """A configuration file is missing or wrong (EX_CONFIG of sysexits.h)."""


def one_line(text: object, *, limit: int = 500) -> str:
    """Return text with white space and control characters folded to single blanks, cut at limit characters.

    >>> one_line("a\\n  b\\x1b[31m")
    'a b [31m'
    """
    printable = "".join(char if char.isprintable() else " " for char in str(text))
    folded = " ".join(printable.split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"


class ImporterError(Exception):
    """Whatever this package raises on purpose; `str()` of it is one line without secrets."""

    exit_code = ExitCode.FAILED

    @property
    def lines(self) -> tuple[str, ...]:
        """What to tell a person, line by line."""
        return (str(self),)


class Stopped(ImporterError):
    """A wait was cut short because the process was asked to stop."""

    exit_code = ExitCode.OK


class UsageError(ImporterError):
    """An option or its value is wrong in a way that argparse cannot see."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration: where it is, what is wrong, what would be right."""

    file: Path | str
    """The file (or directory) at fault."""
    what: str
    """What is wrong and what would be right; never a secret value."""
    key: str = ""
    """The key, section or entry; empty when the file as a whole is wrong."""
    line: int | None = None
    """The line, from 1, where the format tells it."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line is not None else f"{self.file}"
        return one_line(": ".join(part for part in (where, self.key, self.what) if part))


class ConfigError(ImporterError):
    """One or more mistakes in configuration files; `problems` holds each of them."""

    exit_code = ExitCode.CONFIG

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each mistake."""
        return tuple(map(str, self.problems))


class TransportError(ImporterError):
    """An HTTP exchange brought no whole answer: no connection, time-out, cut off, too large."""

    def __init__(self, host: str, reason: str, *, unreachable: bool = False) -> None:
        self.host = host
        self.reason = one_line(reason)
        self.unreachable = unreachable
        """No connection came about at all: the next request would fail the same way."""
        super().__init__(f"{host}: {self.reason}")


class SourceError(ImporterError):
    """A source did not give what was asked for."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = one_line(reason)
        super().__init__(f"{source}: {self.reason}")


class SourceUnavailable(SourceError):
    """The vendor does not answer, or asks us to come back later."""

    def __init__(self, source: str, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(source, reason)
        self.unreachable = unreachable
        """No connection came about: whatever else is asked of this host would fail too."""


class SourceRefused(SourceError):
    """The vendor refuses our credentials."""


class BadAnswer(SourceError):
    """The vendor answered, but not with what its documentation promises."""


class SinkError(ImporterError):
    """A destination did not take a payload."""

    def __init__(self, sink: str, reason: str) -> None:
        self.sink = sink
        self.reason = one_line(reason)
        super().__init__(f"{sink}: {self.reason}")


class SinkUnavailable(SinkError):
    """Not now: connection refused, time-out, 429, 5xx. The payload stays and is tried again."""

    def __init__(self, sink: str, reason: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(sink, reason)
        self.retry_after_seconds = retry_after_seconds


class SinkRefused(SinkError):
    """Not with this configuration: wrong credentials or address. The lane waits for a person."""


class Rejected(SinkError):
    """Never: the destination cannot take this payload. It is set aside with the reason."""


class PartlyRejected(Rejected):
    """The destination has all of the payload but these parts, which it can never take, each for its reason.

    The parts are set aside in the payload's place.
    """

    def __init__(self, sink: str, parts: "Sequence[tuple[Payload, str]]") -> None:
        self.parts = tuple((payload, one_line(reason)) for payload, reason in parts)
        super().__init__(sink, self.parts[-1][1])


class OutboxError(ImporterError):
    """The outbox cannot be read or written; what it held is still there."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = path
        self.reason = one_line(reason)
        super().__init__(f"{path}: {self.reason}")


class OutboxFull(OutboxError):
    """A lane has reached its bound; nothing of the transaction was kept."""
