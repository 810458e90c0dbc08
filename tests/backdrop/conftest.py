"""A simulated Backdrop with one data set, and patience that does not wait."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from importer.backdrop.base import PATIENT
from importer.requests_backoff import Backoff
from importer.simulators.backdrop import BackdropSimulator

TOKEN = "token-of-monitoring"


@dataclass
class Waits:
    """The pauses that were wanted, each the longest possible, and none of them made."""

    seconds: list[float] = field(default_factory=list)

    @property
    def backoff(self) -> Backoff:
        return replace(PATIENT, uniform=lambda _shortest, longest: longest, sleep=self.seconds.append)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def simulator() -> Iterator[BackdropSimulator]:
    with BackdropSimulator() as simulator:
        simulator.add_data_set("tax-disc", "monitoring", token=TOKEN)
        yield simulator
