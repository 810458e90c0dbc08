"""What cton shows of a service beside the service's own figures: whether it is up, and how old the figures are."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from importer import __version__
from importer.exporter.base import FaultKind, Outcome
from importer.exporter.family import Family, Labels, Sample, Series

PREFIX = "collectington_"


class Vitals:
    """Counts the polls of one service; may be asked by another thread."""

    def __init__(
        self,
        service: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._labels: Labels = (("service", service),)
        self._clock = clock
        self._lock = threading.Lock()
        self._is_up = False
        self._last_success: float | None = None
        self._duration_seconds: float | None = None
        self._failures = 0
        self._faults: Counter[FaultKind] = Counter()

    def count(self, outcome: Outcome, duration_seconds: float) -> None:
        """Note what a poll that has just ended came to."""
        with self._lock:
            self._is_up = not outcome.faults
            self._duration_seconds = duration_seconds
            self._failures += bool(outcome.faults)
            self._faults.update(fault.kind for fault in outcome.faults)
            if self._is_up:
                self._last_success = self._clock()

    @property
    def duration_seconds(self) -> float:
        """How long the last poll took; 0.0 before there is one."""
        return self._duration_seconds or 0.0

    def families(self) -> list[Family]:
        """Return the families as they are now."""
        with self._lock:
            return list(self._families())

    def _families(self) -> Iterator[Family]:
        yield self._family("up", "Whether the last poll was wholly good.", self._is_up)
        if self._last_success is not None:
            yield self._family(
                "last_success_timestamp_seconds",
                "When the last wholly good poll ended, in seconds since 1970-01-01 UTC.",
                self._last_success,
            )
            yield self._family(
                "data_age_seconds",
                "How long ago the last wholly good poll ended.",
                max(0.0, self._clock() - self._last_success),
            )
        if self._duration_seconds is not None:
            yield self._family("poll_duration_seconds", "How long the last poll took.", self._duration_seconds)
        yield self._family("poll_failures", "Polls that were not wholly good.", self._failures, kind="counter")
        yield Family(
            f"{PREFIX}errors",
            "counter",
            "What went wrong in polls, by its kind.",
            [self._sample("errors_total", self._faults[kind], ("kind", kind.value)) for kind in FaultKind],
        )

    def _family(self, name: str, text: str, value: float, *, kind: str = "gauge") -> Family:
        suffix = "_total" if kind == "counter" else ""
        return Family(f"{PREFIX}{name}", kind, text, [self._sample(f"{name}{suffix}", value)])

    def _sample(self, name: str, value: float, *labels: tuple[str, str]) -> Sample:
        return Sample(Series(f"{PREFIX}{name}", (*self._labels, *labels)), float(value))


def build_info() -> Family:
    """Return which version is at work: the same for all services."""
    series = Series(f"{PREFIX}build_info", (("version", __version__),))
    return Family(f"{PREFIX}build_info", "gauge", "The version of metrics-importer.", [Sample(series, 1.0)])
