"""Text of an INI file that is not cut at commas, quotes and number signs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.config import load_ini
from importer.verbatim import quote_values

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.sampled_from(" ,#'\"=%"), max_size=40)


def statement(folder: Path, *lines: str) -> object:
    """Return what a file with these lines gives for the key `statement`."""
    path = folder / "config.ini"
    path.write_text("\n".join(lines) + "\n")
    return load_ini(path, verbatim=["statement"])["statement"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("where(a) calculate(count)", "where(a) calculate(count)"),
        ("where(status) groupby(host, path)", "where(status) groupby(host, path)"),
        ('"where(a, b)"', "where(a, b)"),
        ("'where(a, b)'", "where(a, b)"),
        ("'''where(a, 'b')'''", "where(a, 'b')"),
        ('where(a="x, y") calculate(count)', 'where(a="x, y") calculate(count)'),
        ('"where(a="x, y")"', 'where(a="x, y")'),
        ("where(a)   # what follows is a comment, as ever", "where(a)"),
        ('"where(a)" # comment', "where(a)"),
        ('where(a="x #1")', 'where(a="x #1")'),
        ("where(/a#b/)", "where(/a#b/)"),
        ("where(don't) # one apostrophe", "where(don't)"),
        ("where(a='b')", "where(a='b')"),
        ('"a", "b"', '"a", "b"'),
        ("'a, b' , \"c\" # comment", "'a, b' , \"c\""),
        ('"where("a", "b")"', 'where("a", "b")'),
        ("where(a = b)", "where(a = b)"),
        ("where(/100%/)", "where(/100%/)"),
    ],
)
def test_a_value_is_the_text_as_it_stands(tmp_path: Path, value: str, text: str) -> None:
    assert statement(tmp_path, f"  statement = {value}") == text
    assert statement(tmp_path, f'"statement"={value}') == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("https://host/path#part", "https://host/path#part"),
        ("https://host/?a=b#part # comment", "https://host/?a=b#part"),
        ("https://host/path # comment", "https://host/path"),
        ("'https://host/path#part'", "https://host/path#part"),
        ("a, b#c", ["a", "b"]),
        ("#nothing", ""),
    ],
)
def test_an_address_does_not_end_at_a_number_sign_inside_of_it(tmp_path: Path, value: str, text: object) -> None:
    path = tmp_path / "config.ini"
    path.write_text(f"push_url = {value}\nother = a#b\n")
    assert load_ini(path, addresses=["push_url"]) == {"push_url": text, "other": "a"}


def test_names_are_filled_in(tmp_path: Path) -> None:
    assert statement(tmp_path, "field = status", "statement = where(%(field)s, a)") == "where(status, a)"


def test_a_value_of_several_lines_stays_whole(tmp_path: Path) -> None:
    assert statement(tmp_path, "statement = '''where(a)", "calculate(count)'''") == "where(a)\ncalculate(count)"


def test_a_line_within_another_value_is_no_key(tmp_path: Path) -> None:
    lines = ['note = """first', "statement = not, this", '"""', "statement = where(a, b)"]
    assert statement(tmp_path, *lines) == "where(a, b)"
    assert load_ini(tmp_path / "config.ini", verbatim=["statement"])["note"] == "first\nstatement = not, this\n"


def test_other_keys_are_left_alone() -> None:
    lines = ["brokers = a:1, b:2", "# statement = a, b", "[statement]", "statements = a, b", "statement ="]
    assert quote_values(lines, keys=["statement"]) == lines


def test_a_text_that_cannot_be_quoted_is_left_to_the_parser() -> None:
    line = """statement = a ''' b \"\"\" c"""
    assert quote_values([line], keys=["statement"]) == [line]


@given(WORDS.map(str.strip))
def test_lines_keep_their_number_and_keys_theirs(text: str) -> None:
    lines = ["[a]", f"statement = {text}", "b = 1"]
    quoted = quote_values(lines, keys=["statement"])
    assert len(quoted) == 3
    assert quoted[0::2] == lines[0::2]
    assert quoted[1].startswith("statement = ")
