"""Records that are alike but for their numbers made into one.

An aggregation is a field's name with a function from the records to the field's new value.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from importer.errors import ImporterError, one_line

Item = TypeVar("Item")
Documents = Sequence[Mapping[str, Any]]
Aggregation = tuple[str, Callable[[Documents], Any]]

OWN_FIELDS = frozenset({"_id", "humanId"})
"""They differ between records that are alike."""


class BadRecord(ImporterError, ValueError):
    """A record lacks what a plug-in needs, or holds something else."""


def group(items: Iterable[Item], key: Callable[[Item], Hashable]) -> Iterator[list[Item]]:
    """Yield the items that have the same key, in lists: the groups and what is in them in the order of `items`."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    yield from groups.values()


def likeness(document: Mapping[str, Any], aggregated: frozenset[str]) -> Hashable:
    """Return what two records have in common that can be made into one, whatever their values are."""
    return frozenset((name, repr(value)) for name, value in document.items() if name not in aggregated | OWN_FIELDS)


def make_aggregate(documents: Documents, aggregations: Iterable[Aggregation]) -> dict[str, Any]:
    """Return the first record with the aggregations of all of them."""
    return {**documents[0], **{name: aggregate(documents) for name, aggregate in aggregations}}


def aggregate_count(key: str) -> Aggregation:
    """Return the sum of a field.

    >>> make_aggregate([{"visits": 100}, {"visits": 40}], [aggregate_count("visits")])
    {'visits': 140}
    """
    return key, lambda documents: sum(number_of(document, key) for document in documents)


def aggregate_rate(rate_key: str, count_key: str) -> Aggregation:
    """Return the mean of a rate, weighted by a count; 0 where nothing was counted."""

    def mean(documents: Documents) -> float:
        total = sum(number_of(document, count_key) for document in documents)
        if not total:
            return 0
        return sum(number_of(document, rate_key) * number_of(document, count_key) for document in documents) / total

    return rate_key, mean


def number_of(document: Mapping[str, Any], key: str) -> float:
    """Return the number that a field holds; raises BadRecord if it holds none."""
    value = document.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    what = f"holds {value!r:.100}" if key in document else "is in none of its fields"
    raise BadRecord(one_line(f"{key!r:.100} {what}: only numbers can be aggregated"))
