"""Paths mean what the standard says, whoever looks them up, and may be written with less."""

import jsonpath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.exporter.json_api.path import MISSING, Path, located, normalized

NAMES = st.sampled_from(["a", "b", "c d", "é", "0", "x.y", "it's"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=25,
)
CONSTANTS = st.sampled_from(["null", "true", "false", "0", "1", "-2", "1.5", "'a'", '"b"'])


def quoted(name: str) -> str:
    escaped = name.replace("'", "\\'")
    return f"['{escaped}']"


KEYS = NAMES.map(quoted) | st.integers(-3, 3).map(lambda index: f"[{index}]")
FILTERS = st.builds(
    lambda keys, operator, constant: f"[?(@{keys} {operator} {constant})]",
    st.lists(KEYS, max_size=2).map("".join),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    CONSTANTS,
)
ODD = st.sampled_from(
    ["['a','b']", "[0:2]", "..a", "[?@.a && @.b]", "[?length(@) > 1]", "[?1 == @.a]", "[?@.a == @.b]"]
)
PATHS = st.lists(KEYS | st.just("[*]") | FILTERS | ODD, max_size=4).map(lambda steps: "$" + "".join(steps))


@given(PATHS, DOCUMENTS)
def test_what_we_find_is_what_the_library_finds(path: str, document: object) -> None:
    wanted = jsonpath.compile(path, strict=True)
    found = [] if isinstance(document, str) else [(match.obj, match.parts) for match in wanted.finditer(document)]
    if isinstance(document, str) and path == "$":
        found = [(document, ())]  # which the library takes for JSON to be read
    assert [(match.value, match.parts) for match in Path(path).find(document)] == found


@given(st.lists(KEYS, max_size=4).map(lambda steps: "$" + "".join(steps)), DOCUMENTS)
def test_the_one_value_is_the_first_of_what_is_found(path: str, document: object) -> None:
    found = [match.value for match in Path(path).find(document)]
    assert Path(path).value(document) == (found[0] if found else MISSING)
    assert Path(path).finds_one


@given(PATHS)
def test_dollar_braces_and_blanks_may_be_left_out_or_put_in(path: str) -> None:
    for text in (path, f" {path} ", f"{{{path}}}", f"{{ {path} }}", *([path[1:]] if len(path) > 1 else [])):
        assert normalized(text) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("status", "$.status"),
        ("a.b[0]", "$.a.b[0]"),
        ("{ .a.b }", "$.a.b"),
        ("['a b']", "$['a b']"),
        (".", "$"),
        ("{.}", "$"),
        ("$", "$"),
    ],
)
def test_a_path_may_be_written_with_less(text: str, path: str) -> None:
    assert normalized(text) == path


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty; a path such as $.items[*].count is expected"),
        ("{ }", "is empty; a path such as $.items[*].count is expected"),
        ("$.a.", "$.a. is not a JSONPath: expected a shorthand selector"),
        ("$.items[?(@.x = 1)]", "$.items[?(@.x = 1)] is not a JSONPath: unexpected token '='"),
        ("$.a | $.b", "$.a | $.b is not a JSONPath: unexpected token '|'"),
        ("$.a ~", "$.a ~ is not a JSONPath: unexpected token '~'"),
        (
            "$[?startswith(@.a, 'x')]",
            "$[?startswith(@.a, 'x')] is not a JSONPath: function 'startswith' is not defined",
        ),
        ("{.a}{.b}", "$.a}{.b is not a JSONPath: unexpected token '}'"),
    ],
)
def test_what_is_no_path_is_told(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        Path(text)
    assert str(caught.value) == what


def test_wildcards_are_the_steps_that_can_match_many() -> None:
    assert Path("$.a[*].b[?(@.c == 1)][0]").wildcards == (1, 3)
    assert Path("$.a[0:2]['b','c']").wildcards == (1, 2)
    assert Path("$..a").is_deep
    assert not Path("$.a[*]").is_deep


def test_several_values_where_one_is_expected_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^finds 2 values where one is expected$"):
        Path("$.a[*]").value({"a": [1, 2]})
    assert Path("$.a[*]").value({"a": [1]}) == 1
    assert Path("$.a[*]").value({"a": []}) is MISSING


@pytest.mark.parametrize(
    ("condition", "found"),
    [("1 == @.a", [0]), ("@.a == @.b", [1]), ("@.a == $[0].a", [0]), ("!@.b", [0]), ("@.a > 1 && @.b", [1, 2])],
)
def test_conditions_may_ask_for_more(condition: str, found: list[int]) -> None:
    document = [{"a": 1}, {"a": 2, "b": 2}, {"a": 2, "b": 3}]
    assert [match.parts[0] for match in Path(f"$[?({condition})]").find(document)] == found


def test_text_is_never_taken_for_json() -> None:
    assert Path("$..a").find('{"a": 1}') == []
    assert Path("$.a").find('{"a": 1}') == []
    assert Path("$").value('{"a": 1}') == '{"a": 1}'


def test_a_document_nested_too_deeply_for_a_search_is_refused() -> None:
    document: object = 1
    for _ in range(300):
        document = [document]
    with pytest.raises(ValueError, match=r"^cannot be looked up: recursion limit exceeded$"):
        Path("$..a").find(document)


def test_a_place_is_written_as_a_path() -> None:
    assert located(("items", 3, "temp.c", "it's")) == "$.items[3]['temp.c'][\"it's\"]"
    assert repr(MISSING) == "MISSING"
