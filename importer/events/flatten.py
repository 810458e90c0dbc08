"""Nested objects made flat, by one rule for the stats client and the stats service."""

from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 100
"""Objects within objects; an object that holds itself would never come to an end."""


def flatten(d: Mapping[Any, object], parent_key: str = "", sep: str = "_") -> dict[str, object]:
    """Return d with the members of nested objects under the names on the way to them, joined by sep.

    Lists stay as they are; an object without members leaves nothing. No value hides another one: where two names
    are the same, one that was flat already stays, and the others get the first free number from 2 on.
    Raises ValueError for objects nested deeper than MAX_DEPTH.

    >>> flatten({"a": {"b": {"c": 1}, "d": []}, "e": 2})
    {'a_b_c': 1, 'a_d': [], 'e': 2}
    >>> flatten({"a": {"b": 2}, "a_b": 1})
    {'a_b_2': 2, 'a_b': 1}
    """
    found = list(_members(d, parent_key, sep, depth=1))
    names = {name for name, _, _ in found}
    flat_already = {name for name, _, depth in found if depth == 1}
    numbers: dict[str, int] = {}
    flat: dict[str, object] = {}
    for name, value, depth in found:
        is_free = name not in flat and (depth == 1 or name not in flat_already)
        flat[name if is_free else _numbered(name, sep, names, numbers)] = value
    return flat


def _numbered(name: str, sep: str, names: set[str], numbers: dict[str, int]) -> str:
    """Return name with the next number that makes it unlike all names, and remember both: many may be the same."""
    while True:
        numbers[name] = numbers.get(name, 1) + 1
        numbered = f"{name}{sep}{numbers[name]}"
        if numbered not in names:
            names.add(numbered)
            return numbered


def _members(d: Mapping[Any, object], parent_key: str, sep: str, *, depth: int) -> Iterator[tuple[str, object, int]]:
    """Yield name, value and depth of all that is not an object itself, in the order in which it stands."""
    if depth > MAX_DEPTH:
        raise ValueError(f"objects are nested deeper than {MAX_DEPTH}")
    for key, value in d.items():
        name = f"{parent_key}{sep}{key}" if parent_key else str(key)
        if isinstance(value, Mapping):
            yield from _members(value, name, sep, depth=depth + 1)
        else:
            yield name, value, depth
