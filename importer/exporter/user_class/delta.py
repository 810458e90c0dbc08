"""From running totals to steps: what each metric method of an instance said last, and what it has grown by since."""

import logging
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

from importer.exporter.user_class.exceptions import BadValue

logger = logging.getLogger(__name__)

LabelSet = tuple[tuple[str, str], ...]
"""Names and values of labels, by name; empty where a metric has none."""
Number = Any
"""Whatever can be compared and subtracted: vendors' figures come back as they are."""


class DeltaMemory:
    """The last value of each metric method, and of each of its label sets.

    What a metric has learned since `begin` can be taken back: its value may turn out to be of no use.

    >>> memory = DeltaMemory({"previous_orders": 0})
    >>> memory.step("previous_orders", 410), memory.step("previous_orders", 455), memory.step("previous_orders", 455)
    (410, 45, 0)
    """

    def __init__(self, seeds: Mapping[str, Number]) -> None:
        """`seeds` are the values to begin with, by method; it is asked as long as there is nothing else."""
        self._seeds = seeds
        self._last: dict[tuple[str, LabelSet], Number] = {}
        self._undo: dict[str, list[tuple[tuple[str, LabelSet], Number | None]]] = {}
        self._metric = ""

    def begin(self, metric: str) -> str:
        """Let what follows be learned for this metric; return the one before."""
        former, self._metric = self._metric, metric
        return former

    def settle(self) -> None:
        """Keep all that was learned."""
        self._undo.clear()

    def settle_metric(self, metric: str) -> None:
        """Keep what was learned for a metric."""
        self._undo.pop(metric, None)

    def take_back(self, metric: str, labels: LabelSet | None = None) -> None:
        """Forget what was learned for a metric since `settle`: of one label set, or of all."""
        for key, former in reversed(self._undo.get(metric, [])):
            if labels is not None and key[1] != labels:
                continue
            if former is None:
                self._last.pop(key, None)
            else:
                self._last[key] = former
        self._undo[metric] = [entry for entry in self._undo.get(metric, []) if labels not in (None, entry[0][1])]

    def take_back_all(self) -> None:
        """Forget what was learned for all metrics since `settle`."""
        for metric in list(self._undo):
            self.take_back(metric)

    def step(self, method: str, value: object, labels: LabelSet = ()) -> Number:
        """Return by how much a value is above the last one; all of it where it has fallen: it began anew.

        Raises BadValue for what is not a number; the last value stays.
        """
        number = as_number(value)
        key = (method, labels)
        known = self._last.get(key)
        previous = known if known is not None else 0 if labels else self._seeds.get(method, 0)
        self._undo.setdefault(self._metric, []).append((key, known))
        self._last[key] = number
        if number < previous:
            shown = self._metric or method.removeprefix("previous_")
            logger.warning("%s: has fallen from %s to %s: taken as begun anew", shown, previous, number)
            return number
        return number - previous


def steps(memory: DeltaMemory, method: str, entries: Sequence[object], names: Sequence[str]) -> list[object]:
    """Return labelled entries with their steps in place of their values; those of no use as they are.

    `names` are the labels; none: all whose values are text.
    """
    return [_stepped(memory, method, entry, names) for entry in entries]


def label_set(entry: Mapping[str, object], names: Sequence[str]) -> LabelSet:
    """Return the labels of an entry; raises KeyError for one that it does not have."""
    return tuple(sorted((name, str(entry[name])) for name in names))


def as_number(value: object) -> Number:
    """Return a value that can be counted on; raises BadValue for text, for NaN and what is endless.

    >>> as_number(410)
    410
    """
    number = float(value) if isinstance(value, Decimal) else value
    if not isinstance(number, Real):
        raise BadValue(f"{value!r:.80} is not a number")
    try:
        is_finite = math.isfinite(number)
    except OverflowError:  # an integer that no float can hold
        is_finite = False
    if not is_finite:
        raise BadValue(f"{value!r:.80} cannot be counted on")
    return number


def _stepped(memory: DeltaMemory, method: str, entry: object, names: Sequence[str]) -> object:
    if not isinstance(entry, Mapping):
        return entry
    labels = list(names) or [key for key, value in entry.items() if isinstance(value, str)]
    values = [key for key in entry if key not in labels]
    try:
        step = memory.step(method, entry[values[0]], label_set(entry, labels))
    except (KeyError, IndexError, BadValue):  # told when it is applied
        return entry
    return {**entry, values[0]: step}
