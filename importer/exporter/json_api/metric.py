"""One metric of a config-only service: from a document to samples, bad items left out and counted."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from importer.exporter.base import Fault, FaultKind
from importer.exporter.family import Labels
from importer.exporter.json_api.number import NumberReader
from importer.exporter.json_api.path import Match, Path, located
from importer.exporter.json_api.template import LookUpError, Template

TYPES = ("gauge", "counter", "summary", "histogram", "untyped")
AGGREGATES = ("count", "sum", "min", "max", "avg", "first", "last")


class Reading(NamedTuple):
    """A number and the labels that it belongs to, these in the order of their names."""

    labels: Labels
    number: float


class _Skipped:
    """How many items were skipped for what, and why the first of them was."""

    def __init__(self) -> None:
        self.counts: Counter[FaultKind] = Counter()
        self.first: dict[FaultKind, str] = {}

    def add(self, match: Match, error: LookUpError) -> None:
        """Count an item: `$.items[3].count is missing`."""
        kind = _kind(error)
        self.counts[kind] += 1
        if kind not in self.first:
            self.first[kind] = f"{located(match.parts)}{'' if error.is_relative else ': '}{error}"


@dataclass(frozen=True, slots=True)
class MetricRule:
    """How a metric is found in an answer."""

    name: str
    """As it was written."""
    kind: str
    """One of TYPES."""
    help: str
    path: Path
    labels: Mapping[str, Template] = field(default_factory=dict)
    """In the order of their names."""
    keys: Sequence[str] = ()
    """Labels of the keys that the path's wildcards have matched, one each."""
    value: Template | float | None = None
    """Looked up in each item that the path finds; None: what the path finds is the value."""
    aggregate: str | None = None
    """One of AGGREGATES, or None."""
    by: Mapping[str, Template] = field(default_factory=dict)
    """Labels that are looked up in each item: what is aggregated are the items that have the same ones."""
    number: NumberReader = field(default_factory=NumberReader)
    buckets: tuple[float, ...] = ()
    """Of a histogram; empty for the usual ones."""
    allow_missing_key: bool = False
    """What is missing, or null, is no fault."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of all labels, in the order in which they are shown."""
        return tuple(sorted((*self.labels, *self.keys, *self.by)))

    @property
    def is_observed(self) -> bool:
        """Whether the readings of all polls add up, rather than each poll standing for itself."""
        return self.kind in ("summary", "histogram")

    def read(self, document: object) -> tuple[list[Reading], list[Fault]]:
        """Return the readings, and one fault at the most of each kind."""
        try:
            matches = self.path.find(document)
        except ValueError as error:
            return [], [self._fault(FaultKind.VALUE, f"{self.path.text} {error}")]
        if self.by and (matches or self.aggregate == "count"):
            return self._grouped(matches, document)
        if self.aggregate == "count":
            return self._one(len(matches) * self.number.scale, document, [])
        if not matches:
            silent = self.allow_missing_key
            return [], [] if silent else [self._fault(FaultKind.MISSING, f"nothing found at {self.path.text}")]
        skipped = _Skipped()
        readings = list(self._readings(matches, document, skipped))
        faults = list(self._faults(skipped, len(matches)))
        if self.aggregate is not None:
            numbers = [reading.number for reading in readings]
            return self._one(_aggregated(self.aggregate, numbers), document, faults) if numbers else ([], faults)
        doubles = None if self.is_observed else self._doubles(readings)
        return ([], [*faults, doubles]) if doubles else (readings, faults)

    def _readings(self, matches: Sequence[Match], document: object, skipped: "_Skipped") -> Iterator[Reading]:
        """Yield the readings of items, and put down why the others have none."""
        for match in matches:
            try:
                number = self._number(match, document)
                labels = () if self.aggregate else self._labels(match, document)
            except LookUpError as error:
                skipped.add(match, error)
            else:
                yield Reading(labels, number)

    def _grouped(self, matches: Sequence[Match], document: object) -> tuple[list[Reading], list[Fault]]:
        """Return a reading for each group of items; there are none where there are no items to count."""
        skipped = _Skipped()
        groups: dict[Labels, list[float]] = {}
        for match in matches:
            try:
                labels = tuple((name, template.label(match.value, document)) for name, template in self.by.items())
                number = self.number.scale if self.aggregate == "count" else self._number(match, document)
            except LookUpError as error:
                skipped.add(match, error)
            else:
                groups.setdefault(labels, []).append(number)
        readings: list[Reading] = []
        faults = list(self._faults(skipped, len(matches)))
        for labels, numbers in groups.items():
            ones, wrong = self._one(_aggregated(self.aggregate, numbers), document, [])
            if wrong:
                return [], [*faults, *wrong]
            readings += [Reading(tuple(sorted((*labels, *one.labels))), one.number) for one in ones]
        return readings, faults

    def _number(self, match: Match, document: object) -> float:
        if isinstance(self.value, Template):
            return self._read(self.value.value(match.value, document), self.value.error)
        if self.value is not None:
            return self._read(self.value, _item_error)
        if match.value is None:
            raise LookUpError(" is null", is_missing=True, is_relative=True)
        return self._read(match.value, _item_error)

    def _read(self, value: object, make_error: Callable[[str], LookUpError]) -> float:
        try:
            return self.number.read(value)
        except ValueError as error:
            raise make_error(str(error)) from error

    def _labels(self, match: Match, document: object) -> Labels:
        pairs = [(name, template.label(match.value, document)) for name, template in self.labels.items()]
        if self.keys:
            pairs += zip(self.keys, [str(match.parts[step]) for step in self.path.wildcards], strict=True)
            pairs.sort()
        return tuple(pairs)

    def _faults(self, skipped: "_Skipped", count: int) -> Iterator[Fault]:
        for kind, first in skipped.first.items():
            if kind is FaultKind.MISSING and self.allow_missing_key:
                continue
            several = f"{skipped.counts[kind]} of {count} items skipped, the first: " if count > 1 else ""
            yield self._fault(kind, several + first)

    def _one(self, number: float, document: object, faults: list[Fault]) -> tuple[list[Reading], list[Fault]]:
        """Return the only reading, whose labels are looked up in the document."""
        try:
            labels = sorted((name, template.label(document, document)) for name, template in self.labels.items())
        except LookUpError as error:
            if error.is_missing and self.allow_missing_key:
                return [], faults
            return [], [*faults, self._fault(_kind(error), str(error))]
        return [Reading(tuple(labels), number)], faults

    def _doubles(self, readings: Sequence[Reading]) -> Fault | None:
        """Return a fault if readings have equal labels."""
        counts = Counter(reading.labels for reading in readings)
        if len(counts) == len(readings):
            return None
        ((labels, count),) = counts.most_common(1)
        if not labels:
            what = f"{self.path.text} finds {count} values; tell them apart by labels or keys, or give an aggregate"
        else:
            what = f"{count} items have the same labels: {', '.join(f'{name}={value}' for name, value in labels)}"
        return self._fault(FaultKind.VALUE, what)

    def _fault(self, kind: FaultKind, reason: str) -> Fault:
        return Fault(kind, f"{self.name}: {reason}", self.name)


def _kind(error: LookUpError) -> FaultKind:
    return FaultKind.MISSING if error.is_missing else FaultKind.VALUE


def _item_error(reason: str) -> LookUpError:
    return LookUpError(f" {reason}", is_relative=True)


def _aggregated(how: str | None, numbers: Sequence[float]) -> float:
    """Return one number for several; a count is the sum of what each item counts for."""
    if how in ("first", "last"):
        return numbers[0 if how == "first" else -1]
    if how in ("min", "max"):
        return min(numbers) if how == "min" else max(numbers)
    total = sum(numbers)
    return total / len(numbers) if how == "avg" else total
