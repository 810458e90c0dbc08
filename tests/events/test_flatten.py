"""Nested objects are made flat, and no value is lost on the way."""

import json
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.events.flatten import MAX_DEPTH, flatten

NAMES = st.sampled_from(["a", "b", "a_b", "a_b_2", "b_2", "", "_", "é"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
OBJECTS = st.recursive(
    st.dictionaries(NAMES, SCALARS, max_size=5),
    lambda inner: st.dictionaries(NAMES, SCALARS | inner, max_size=5),
    max_leaves=20,
)


def leaves(value: object) -> list[str]:
    """Return the JSON of all that is not an object, wherever it stands."""
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    return [json.dumps(value)]


@given(OBJECTS)
def test_every_value_is_kept_once_and_no_object_is_left(nested: dict[str, object]) -> None:
    flat = flatten(nested)
    assert Counter(map(json.dumps, flat.values())) == Counter(leaves(nested))
    assert not any(isinstance(value, dict) for value in flat.values())


@given(OBJECTS)
def test_what_is_flat_stays_as_it_is(nested: dict[str, object]) -> None:
    flat = flatten(nested)
    assert flatten(flat) == flat


@given(OBJECTS)
def test_values_keep_their_order(nested: dict[str, object]) -> None:
    assert list(map(json.dumps, flatten(nested).values())) == leaves(nested)


def test_names_are_joined_and_lists_stay() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": []}, "e": 2}) == {"a_b_c": 1, "a_d": [], "e": 2}


def test_a_parent_and_another_separator_may_be_given() -> None:
    assert flatten({"a": {"b": 1}, "c": 2}, "top", ".") == {"top.a.b": 1, "top.c": 2}


def test_an_object_without_members_leaves_nothing() -> None:
    assert flatten({"a": {}, "b": {"c": {}}, "d": None}) == {"d": None}


def test_keys_that_are_not_text_become_text() -> None:
    assert flatten({7: "seven", None: {2.5: "x"}, ("a", 1): "t"}) == {"7": "seven", "None_2.5": "x", "('a', 1)": "t"}


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ({"a_b": 1, "a": {"b": 2}}, {"a_b": 1, "a_b_2": 2}),
        ({"a": {"b": 2}, "a_b": 1}, {"a_b": 1, "a_b_2": 2}),
        ({"a_b": 1, "a": {"b": 2}, "a_b_2": 3}, {"a_b": 1, "a_b_2": 3, "a_b_3": 2}),
        ({"a": {"b_c": 1}, "a_b": {"c": 2}}, {"a_b_c": 1, "a_b_c_2": 2}),
        ({"1": "text", 1: "number"}, {"1": "text", "1_2": "number"}),
    ],
)
def test_names_that_meet_are_numbered_and_a_flat_one_keeps_its_name(
    nested: dict[object, object], flat: dict[str, object]
) -> None:
    assert flatten(nested) == flat


def test_nesting_has_an_end_that_is_told() -> None:
    endless: dict[str, object] = {}
    endless["a"] = endless
    with pytest.raises(ValueError, match=f"deeper than {MAX_DEPTH}"):
        flatten(endless)


def test_what_is_given_does_not_change() -> None:
    nested = {"a": {"b": [1]}}
    flatten(nested)
    assert nested == {"a": {"b": [1]}}
