"""An answer's body as JSON, or one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.http_client import BadJson, Response


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff", b'"\xff"', b"{", b"NaN", b"[Infinity]", b"-Infinity", b"1" * 5000, b"[" * 10**6],
    ids=["empty", "html", "not-utf-8", "not-utf-8-text", "cut", "nan", "inf", "minus-inf", "long-number", "deep"],
)
def test_what_is_no_json_is_one_error_in_one_line(body: bytes) -> None:
    with pytest.raises(BadJson) as caught:
        Response(200, {}, body).json()
    assert str(caught.value).startswith("the answer is not ")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) <= 200


def test_a_byte_order_mark_is_skipped() -> None:
    assert Response(200, {}, b"\xef\xbb\xbf[1]").json() == [1]


def test_half_an_emoji_becomes_a_question_mark() -> None:
    assert Response(200, {}, rb'{"a": "x\ud83d", "b": "\ud83d\ude00"}').json() == {"a": "x?", "b": "😀"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=10))
def test_json_comes_back_as_it_was_sent(value: object) -> None:
    assert Response(200, {}, json.dumps(value).encode()).json() == value
    assert Response(200, {}, json.dumps(value, ensure_ascii=False).encode()).json() == value


@given(st.binary())
def test_any_bytes_are_json_or_bad_json(body: bytes) -> None:
    try:
        Response(200, {}, body).json()
    except BadJson as error:
        assert str(error).isprintable()
