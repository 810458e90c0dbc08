"""The text of a plug-in is read and never run."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.collector.plugin_call import MAX_CHARACTERS, Call, PluginError, made, parse_call

LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3) | st.tuples(items, items),
    max_leaves=6,
)


class Recorder:
    """Knows the name `keep`, and what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def keep(self, *arguments: Any, **keywords: Any) -> str:
        self.calls.append((arguments, keywords))
        return f"call {len(self.calls)}"

    def lookup(self, name: str) -> Callable[..., Any] | None:
        return self.keep if name == "keep" else None


@given(st.lists(LITERALS, max_size=4), st.dictionaries(st.sampled_from(["a", "b"]), LITERALS))
def test_a_call_gets_the_literals_that_the_text_holds(arguments: list[Any], keywords: dict[str, Any]) -> None:
    recorder = Recorder()
    parts = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in keywords.items())]
    call = parse_call(f"keep({', '.join(parts)})", recorder.lookup)
    assert recorder.calls == []
    assert made(call) == "call 1"
    assert repr(recorder.calls) == repr([(tuple(arguments), keywords)])


@given(LITERALS)
def test_a_literal_stands_for_itself(value: Any) -> None:
    assert repr(parse_call(repr(value), Recorder().lookup)) == repr(value)


def test_calls_stand_in_calls_and_a_comma_may_end_them() -> None:
    recorder = Recorder()
    call = parse_call("  keep(keep('a'), more=keep(-1, ), )\n", recorder.lookup)
    assert isinstance(call, Call)
    call.make()
    assert recorder.calls == [(("a",), {}), ((-1,), {}), (("call 1",), {"more": "call 2"})]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "keep",
        "keep(",
        "keep)",
        "keep() keep()",
        "keep(); keep()",
        "keep('a'\n'b')\nkeep()",
        "import os",
        "__import__('os').system('true')",
        "keep.__class__('a')",
        "keep('a'.upper())",
        "keep(keep.keep)",
        "keep('a')('b')",
        "(lambda: keep)()",
        "keep(lambda: 1)",
        "keep([x for x in 'ab'])",
        "keep({x for x in 'ab'})",
        "keep({x: 1 for x in 'ab'})",
        "keep(x for x in 'ab')",
        "keep(f'{keep()}')",
        "keep(*['a'])",
        "keep(**{'a': 1})",
        "keep(a=1, a=2)",
        "keep([keep()])",
        "keep({keep(): 1})",
        "keep({**{}})",
        "keep({1, 2})",
        "keep('a' + 'b')",
        "keep('a' * 1000000000)",
        "keep(9 ** 9 ** 9)",
        "keep(1 if 2 else 3)",
        "keep('a' or 'b')",
        "keep(not 1)",
        "keep(~1)",
        "keep(-'a')",
        "keep(--1)",
        "keep('ab'[0])",
        "keep(x := 1)",
        "keep(1 < 2)",
        "keep(...)",
        "keep(1j)",
        "keep(b'a')",
        "keep(await keep())",
        "keep(yield)",
        "keep(print)",
        "print('a')",
        "eval('1')",
        "[keep()]",
        "keep('\0')",
        "\0",
        f"keep({'9' * 5000})",
        f"keep(-{'9' * 5000})",
        "keep(0x" + "f" * (MAX_CHARACTERS),
        "keep('" + "a" * MAX_CHARACTERS + "')",
        "(" * 5000 + ")" * 5000,
        "[" * 90 + "]" * 90,
        "[" * 199 + "]" * 199,
        "keep(" * 5000 + ")" * 5000,
        "keep(" * 60 + ")" * 60,
        "-" * 9000 + "1",
        "not " * 4000 + "1",
        "keep()" + "()" * 4000,
        "keep(" + "+".join(["1"] * 4000) + ")",
        "keep(" + "a." * 4000 + "b)",
        "\ud800",
        "keep('\ud800)",
        7,
        None,
        ["keep()"],
    ],
    ids=lambda text: repr(text)[:40],
)
def test_anything_else_is_an_error_in_one_line_and_runs_nothing(text: object) -> None:
    recorder = Recorder()
    with pytest.raises(PluginError) as caught:
        made(parse_call(text, recorder.lookup))
    assert recorder.calls == []
    assert "\n" not in str(caught.value)
    assert 10 < len(str(caught.value)) <= 500


@given(st.text(alphabet="keep()[]{},.'\"=:*-1 \n\\#", max_size=40))
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    recorder = Recorder()
    try:
        parse_call(text, recorder.lookup)
    except PluginError as error:
        assert "\n" not in str(error)
    assert recorder.calls == []


def test_a_backslash_that_need_not_be_there_is_no_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_call(r"'\d'", Recorder().lookup) == "\\d"


def test_an_error_says_what_would_be_right() -> None:
    with pytest.raises(PluginError) as caught:
        parse_call("keep(print.__self__)", Recorder().lookup)
    assert str(caught.value) == (
        "plug-in 'keep(print.__self__)': Attribute is not allowed; "
        "a plug-in is a call with literals, such as ComputeIdFrom('_timestamp', 'timeSpan')"
    )
