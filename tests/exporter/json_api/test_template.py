"""Templates put together what labels and values are, and say what they could not find."""

import pytest

from importer.exporter.json_api.template import LookUpError, Template

DOCUMENT = {"site": "lyon"}
ITEM = {
    "name": "a",
    "on": True,
    "count": 3,
    "ratio": 2.5,
    "big": 10**20,
    "none": None,
    "list": [],
    "object": {},
    "}": 7,
}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("test", "test"),
        ("", ""),
        ("{.name}", "a"),
        ("{name}", "a"),
        ("site-{$.site}", "site-lyon"),
        ("{.name}/{ .count }:x", "a/3:x"),
        ("{.on}", "true"),
        ("{.ratio}", "2.5"),
        ("{.big}", "100000000000000000000"),
        ("{.['}']}", "7"),
        ("a}b", "a}b"),
    ],
)
def test_paths_in_braces_are_looked_up(text: str, label: str) -> None:
    text = text.replace("{.[", "{[")
    assert Template(text).label(ITEM, DOCUMENT) == label


def test_a_single_path_gives_the_value_as_it_is() -> None:
    assert Template("{.count}").value(ITEM, DOCUMENT) == 3
    assert Template("{.list}").value(ITEM, DOCUMENT) == []
    assert Template("{.count}.5").value(ITEM, DOCUMENT) == "3.5"


def test_without_items_all_is_looked_up_in_the_document() -> None:
    assert Template("{.site}", in_document=True).label(5, DOCUMENT) == "lyon"


@pytest.mark.parametrize(
    ("text", "reason", "is_missing"),
    [
        ("{.nix}", ".nix is missing", True),
        ("{.none}", ".none is null", True),
        ("x{['a b']}", "['a b'] is missing", True),
        ("{$.nix}", "$.nix is missing", True),
        ("{.list}", ".list is a list, not text", False),
        ("{.object}", ".object is an object, not text", False),
        ("{.*}", ".* finds 9 values where one is expected", False),
    ],
)
def test_what_cannot_be_looked_up_is_told(text: str, reason: str, is_missing: bool) -> None:
    with pytest.raises(LookUpError) as caught:
        Template(text).label(ITEM, DOCUMENT)
    assert (str(caught.value), caught.value.is_missing) == (reason, is_missing)
    assert caught.value.is_relative is not text.startswith("{$")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{.a", "{.a has no closing brace"),
        ("{['}]", "{['}] has no closing brace"),
        ("x {}", "is empty; a path such as $.items[*].count is expected"),
        ("{.a.}", "$.a. is not a JSONPath: expected a shorthand selector"),
    ],
)
def test_what_is_no_template_is_told(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        Template(text)
    assert str(caught.value) == what


def test_a_quote_in_a_key_may_be_escaped() -> None:
    assert Template(r"{['it\'s}']}!").label({"it's}": "so"}, None) == "so!"
