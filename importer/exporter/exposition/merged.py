"""The figures of several services as one exposition, in which no family may come twice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from importer.exporter.exposition.text import shown_name
from importer.exporter.family import Extra, Family, Sample, Series

SERVICE_LABEL = "service"


@dataclass(frozen=True, slots=True)
class _Part:
    """What one service has of a family."""

    service: str
    family: Family


def merged(services: Iterable[tuple[str, Sequence[Family]]]) -> list[Family]:
    """Return the families of all services, in the order in which they come first.

    Where several services have a family of the same name, their samples get the label `service`, unless they have one.
    If it is of another kind in one of them, no kind would be true of all: each of its samples' names is shown as a
    family of its own then, untyped. So nothing is lost but the kind.
    """
    parts: dict[str, list[_Part]] = {}
    for service, families in services:
        for family in families:
            parts.setdefault(shown_name(family.name, family.kind), []).append(_Part(service, family))
    return [family for group in parts.values() for family in _joined(group)]


def _joined(parts: Sequence[_Part]) -> Iterator[Family]:
    first = parts[0].family
    if len(parts) == 1:
        yield first
        return
    is_shared = len({part.service for part in parts}) > 1
    labelled = [_labelled(part) if is_shared else part.family for part in parts]
    extras = {series: extra for family in labelled for series, extra in family.extras.items()}
    samples = [sample for family in labelled for sample in family.samples]
    if {(family.kind, family.name) for family in labelled} == {(first.kind, first.name)}:
        yield replace(first, samples=samples, extras=extras)
        return
    for name in dict.fromkeys(sample.series.name for sample in samples):
        named = [sample for sample in samples if sample.series.name == name]
        yield Family(name, "untyped", first.help, named, extras=extras)


def _labelled(part: _Part) -> Family:
    samples: list[Sample] = []
    extras: dict[Series, Extra] = {}
    for series, value in part.family.samples:
        labelled = _with_service(series, part.service)
        samples.append(Sample(labelled, value))
        if series in part.family.extras:
            extras[labelled] = part.family.extras[series]
    return replace(part.family, samples=samples, extras=extras)


def _with_service(series: Series, service: str) -> Series:
    if any(name == SERVICE_LABEL for name, _ in series.labels):
        return series
    return Series(series.name, (*series.labels, (SERVICE_LABEL, service)))
