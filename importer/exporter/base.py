"""What every service promises, whoever wrote it: a poll that says what went wrong, and families to show."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from importer.exporter.family import Family


class FaultKind(StrEnum):
    """The kinds by which faults are counted: values of a label."""

    CONNECTION = "connection"
    """No connection came about, or it was cut off."""
    TIMEOUT = "timeout"
    STATUS = "status"
    """The vendor answered with an HTTP status that is none of success."""
    ANSWER = "answer"
    """The answer is not JSON, or too large."""
    MISSING = "missing"
    """The answer has no such key or item."""
    VALUE = "value"
    """What was found is not a number, or not one that this metric can take."""
    CODE = "code"
    """A user's method raised an exception of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that went wrong in a poll."""

    kind: FaultKind
    reason: str
    """One line without secrets, which names the metric if it is about one: the log has it after the service's name."""
    metric: str = ""
    """Empty where the poll as a whole failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a poll came to."""

    faults: Sequence[Fault] = ()
    """Empty where all went well."""
    retry_after_seconds: float | None = None
    """For how long the vendor does not want to be asked again."""


class Service(Protocol):
    """Something that is polled, by one thread at a time."""

    name: str
    """Its key in the configuration."""

    def poll(self) -> Outcome:
        """Ask once, and let the answer become values. Raises Stopped, and nothing that vendor or user can cause."""

    def families(self) -> Sequence[Family]:
        """Return what there is to show after the last poll, in the order of the configuration: no series without value.

        Called between polls.
        """

    def close(self) -> None:
        """Give back connections, and what was registered elsewhere."""
