"""Values are checked, and all mistakes of a file are told at once, a line each, without secrets."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import credentials
from importer.config import ObjectReader, Unusable, load_ini
from importer.credentials import Redactor, Secret
from importer.errors import ConfigError, Problem

FILE = Path("/etc/shop/shop.json")


@pytest.fixture(autouse=True)
def _fresh_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_redactor", Redactor())


def mistakes(reader: ObjectReader) -> list[str]:
    """Return what `finish` raises, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        reader.finish()
    lines = [str(problem) for problem in caught.value.problems]
    assert all(line.startswith(f"{reader.file}: ") for line in lines)
    return [line.removeprefix(f"{reader.file}: ") for line in lines]


def mistake(value: object, read: Callable[[ObjectReader], object]) -> str:
    """Return the one mistake there is when `key` has this value and is read so."""
    reader = ObjectReader(FILE, {"key": value})
    read(reader)
    (only,) = mistakes(reader)
    return only


def test_good_values_are_given_back() -> None:
    given = {
        "host": "127.0.0.1",
        "port": 2003,
        "ratio": 0.5,
        "on": True,
        "protocol": "plain",
        "proxies": {"https": "http://proxy.example"},
        "logs": ["a", "b"],
        "odd": [1, {}],
    }
    reader = ObjectReader(FILE, given)
    assert reader.text("host") == "127.0.0.1"
    assert reader.integer("port", minimum=1, maximum=65535) == 2003
    assert reader.number("ratio") == 0.5
    assert reader.boolean("on") is True
    assert reader.choice("protocol", ["plain", "pickle"]) == "plain"
    assert reader.mapping_of_text("proxies") == {"https": "http://proxy.example"}
    assert reader.texts("logs") == ("a", "b")
    assert reader.value("odd") == [1, {}]
    reader.finish()


@pytest.mark.parametrize("given", [{}, {"key": None}, {"key": ""}])
def test_defaults_stand_for_what_is_not_given(given: dict[str, object]) -> None:
    reader = ObjectReader(FILE, given)
    assert reader.text("key", "a") == "a"
    assert reader.text("key", None) is None
    assert reader.integer("key", 5, maximum=3) == 5
    assert reader.number("key", 0.5) == 0.5
    assert reader.boolean("key", False) is False
    assert reader.choice("key", ["a"], None) is None
    assert reader.mapping_of_text("key", {}) == {}
    assert reader.texts("key", ()) == ()
    assert reader.secret("key", None) is None
    reader.finish()


def test_empty_text_may_be_allowed() -> None:
    reader = ObjectReader(FILE, {"prefix": ""})
    assert reader.text("prefix", "x", allow_empty=True) == ""
    assert reader.text("suffix", "x", allow_empty=True) == "x"
    reader.finish()


READERS: dict[str, Callable[[ObjectReader], object]] = {
    "text": lambda reader: reader.text("key"),
    "a whole number": lambda reader: reader.integer("key"),
    "a number": lambda reader: reader.number("key"),
    "true or false": lambda reader: reader.boolean("key"),
    "one of plain, pickle": lambda reader: reader.choice("key", ["plain", "pickle"]),
    "an object that holds text alone": lambda reader: reader.mapping_of_text("key"),
    "a list of text": lambda reader: reader.texts("key"),
}


@pytest.mark.parametrize("expected", READERS)
def test_a_missing_key_is_told_with_what_it_should_be(expected: str) -> None:
    reader = ObjectReader(FILE, {})
    READERS[expected](reader)
    assert mistakes(reader) == [f"key: is missing; {expected} is expected"]


@pytest.mark.parametrize(("value", "state"), [("", "empty"), (None, "empty")])
def test_an_empty_value_is_told_apart_from_a_missing_key(value: object, state: str) -> None:
    assert mistake(value, READERS["text"]) == f"key: is {state}; text is expected"


@pytest.mark.parametrize(
    ("value", "expected", "shown"),
    [
        (5, "text", "5"),
        (True, "text", "true"),
        (["a"], "text", "a list"),
        ({"a": 1}, "text", "an object"),
        (True, "a whole number", "true"),
        (2.0, "a whole number", "2.0"),
        ("2003", "a whole number", '"2003"'),
        (False, "a number", "false"),
        ("2.5", "a number", '"2.5"'),
        (10**400, "a number", "1" + "0" * 58 + "…"),
        (math.inf, "a number", "Infinity"),
        ("true", "true or false", '"true"'),
        (1, "true or false", "1"),
        ("Plain", "one of plain, pickle", '"Plain"'),
        (["plain"], "one of plain, pickle", "a list"),
        ("http://me:sesame@proxy", "an object that holds text alone", "this text"),
        ({"https": None}, "an object that holds text alone", "an object"),
        ("a", "a list of text", "this text"),
        (["a", 1], "a list of text", "a list"),
        ("x" * 100, "a whole number", '"' + "x" * 58 + "…"),
    ],
)
def test_a_wrong_value_is_told_with_what_would_be_right(value: object, expected: str, shown: str) -> None:
    assert mistake(value, READERS[expected]) == f"key: {shown} is not {expected}"


@pytest.mark.parametrize(
    ("minimum", "maximum", "value", "phrase"),
    [
        (1, 5, 0, " from 1 to 5"),
        (1, 5, 6, " from 1 to 5"),
        (1, None, 0, " of 1 or more"),
        (None, 5, 6, " of 5 or less"),
    ],
)
def test_a_number_out_of_bounds_is_told_with_the_bounds(
    minimum: int | None, maximum: int | None, value: int, phrase: str
) -> None:
    integer = mistake(value, lambda reader: reader.integer("key", minimum=minimum, maximum=maximum))
    number = mistake(value + 0.0, lambda reader: reader.number("key", minimum=minimum, maximum=maximum))
    assert integer == f"key: {value} is not a whole number{phrase}"
    assert number == f"key: {value}.0 is not a number{phrase}"


@pytest.mark.parametrize("value", [1, 5, "1", " 5 ", "+5"])
def test_bounds_are_included_and_text_may_be_accepted(value: object) -> None:
    reader = ObjectReader(FILE, {"key": value})
    number = reader.integer("key", minimum=1, maximum=5, accept_text=True)
    assert number in {1, 5}
    assert reader.number("key", minimum=1, maximum=5, accept_text=True) == number
    reader.finish()


@pytest.mark.parametrize("value", ["abc", "5.0", "0x10", "1_000", "٣", "5 mins", "9" * 30, "--1"])
def test_text_that_is_no_whole_number_is_a_mistake(value: str) -> None:
    assert "is not a whole number" in mistake(value, lambda reader: reader.integer("key", accept_text=True))


@pytest.mark.parametrize(("value", "number"), [("2.5", 2.5), (".5", 0.5), ("5.", 5.0), ("-1e3", -1000.0), ("7", 7)])
def test_a_number_may_be_text(value: str, number: float) -> None:
    assert ObjectReader(FILE, {"key": value}).number("key", accept_text=True) == number


@pytest.mark.parametrize("value", ["nan", "inf", "1_0", "1e999", "", ".", "abc", "1,5"])
def test_text_that_is_no_number_is_a_mistake(value: str) -> None:
    assert "number" in mistake(value, lambda reader: reader.number("key", accept_text=True))


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("true", True),
        ("Yes", True),
        (" on ", True),
        ("1", True),
        ("false", False),
        ("NO", False),
        ("off", False),
        ("0", False),
    ],
)
def test_a_truth_value_may_be_text(value: str, truth: bool) -> None:
    assert ObjectReader(FILE, {"key": value}).boolean("key", accept_text=True) is truth


def test_a_single_text_may_be_a_list_of_one() -> None:
    assert ObjectReader(FILE, {"key": "a"}).texts("key", accept_text=True) == ("a",)


def test_what_is_no_object_is_one_mistake() -> None:
    reader = ObjectReader(FILE, ["a"])
    reader.text("host")
    reader.secret("password")
    assert mistakes(reader) == ["a list is not an object"]


def test_all_mistakes_are_told_at_once() -> None:
    reader = ObjectReader(FILE, {"prot": 5, "port": "abc"})
    reader.text("host")
    reader.integer("port", 2003)
    reader.problem("port", "is used by another")
    with pytest.raises(ConfigError) as caught:
        reader.finish()
    assert [problem.key for problem in caught.value.problems] == ["host", "port", "port", "prot"]
    assert str(caught.value).count(str(FILE)) == 4


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("hotsname", 'improper key; did you mean "hostname"?'),
        ("HOSTNAME", 'improper key; did you mean "hostname"?'),
        ("passwordfile", 'improper key; did you mean "password_file"?'),
        ("colour", "improper key"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_probably_meant(key: str, what: str) -> None:
    reader = ObjectReader(FILE, {"hostname": "a", key: "sesame"})
    reader.text("hostname")
    reader.secret("password", None)
    assert mistakes(reader) == [f"{key}: {what}"]


def test_unknown_keys_may_be_left_to_the_caller() -> None:
    reader = ObjectReader(FILE, {"hots": 1}, where="services.shop.")
    reader.text("host", None)
    assert reader.unknown("nobody reads this key") == [
        Problem(FILE, 'nobody reads this key; did you mean "host"?', key="services.shop.hots")
    ]
    reader.finish(refuse_unknown=False)


def test_an_inner_object_is_told_with_its_place() -> None:
    reader = ObjectReader(FILE, {"services": {"shop": {"prot": 1}, "web": 5}})
    services = reader.child("services")
    shop = services.child("shop")
    shop.integer("port")
    shop.refuse_unknown()
    services.child("web").integer("port")
    services.child("none").integer("port", None)
    assert mistakes(reader) == [
        "services.shop.port: is missing; a whole number is expected",
        'services.shop.prot: improper key; did you mean "port"?',
        "services.web: 5 is not an object",
    ]


def test_readers_may_share_their_problems() -> None:
    problems: list[Problem] = []
    for number, item in enumerate(({"host": 1}, {"host": 2})):
        ObjectReader(FILE, item, where=f"[{number}].", problems=problems).text("host")
    assert [str(problem) for problem in problems] == [
        f"{FILE}: [0].host: 1 is not text",
        f"{FILE}: [1].host: 2 is not text",
    ]


def test_a_secret_is_read_from_its_key() -> None:
    reader = ObjectReader(FILE, {"password": "open sesame"})
    assert reader.secret("password") == Secret("open sesame")
    reader.finish()


@pytest.mark.parametrize(
    ("content", "secret"),
    [("open sesame\n", "open sesame"), ("open sesame", "open sesame"), (" a\r\n", " a"), ("a\n\n", "a\n")],
)
def test_a_secret_is_read_from_the_file_that_its_twin_names(tmp_path: Path, content: str, secret: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    reader = ObjectReader(FILE, {"password_file": str(tmp_path / "secret"), "password": ""})
    assert reader.secret("password").reveal() == secret
    reader.finish()


def test_a_relative_secret_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("sesame")
    reader = ObjectReader(tmp_path / "shop.json", {"password_file": "secret"})
    assert reader.secret("password", environ={"CREDENTIALS_DIRECTORY": "/nowhere"}).reveal() == "sesame"


def test_a_relative_secret_file_may_be_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/secret").write_text("handed over")
    (tmp_path / "secret").write_text("beside")
    reader = ObjectReader(tmp_path / "shop.json", {"password_file": "secret"})
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    assert reader.secret("password", environ=environ).reveal() == "handed over"


def test_a_secret_file_may_lie_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret").write_text("sesame")
    assert ObjectReader(FILE, {"password_file": "~/secret"}).secret("password").reveal() == "sesame"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "password: is missing; give it or password_file"),
        ({"password": ""}, "password: is empty; give it or password_file"),
        ({"password": 12345}, "password: a number is not text"),
        ({"password": ["sesame"]}, "password: a list is not text"),
        ({"password": {"sesame": 1}}, "password: an object is not text"),
        ({"password": True}, "password: a truth value is not text"),
        ({"password_file": 5}, "password_file: 5 is not text"),
        ({"password": "sesame", "password_file": "x"}, "password: is given, and password_file too: keep one of them"),
        ({"password": ["sesame"], "password_file": "x"}, "password: is given, and password_file too: keep one of them"),
        ({"password_file": "/nowhere/secret"}, "password_file: /nowhere/secret does not exist"),
        (
            {"password_file": "~nobody-of-this-name/secret"},
            "password_file: /etc/shop/~nobody-of-this-name/secret does not exist",
        ),
        ({"password_file": "/"}, "password_file: / cannot be read: Is a directory"),
        ({"password_file": "/dev/null"}, "password_file: /dev/null is empty"),
        ({"password_file": "a\0b"}, "password_file: /etc/shop/a b is not the name of a file"),
    ],
)
def test_a_mistake_about_a_secret_is_told_without_it(given: dict[str, object], expected: str) -> None:
    reader = ObjectReader(FILE, given)
    reader.secret("password", environ={})
    reported = mistakes(reader)
    assert reported == [
        expected.replace("is not text", "is not the name of a file") if "_file: 5" in expected else expected
    ]
    assert "sesame" not in str(reported)
    assert "12345" not in str(reported)


def test_a_secret_with_a_default_is_still_checked() -> None:
    assert mistake(5, lambda reader: reader.secret("key", None)) == "key: a number is not text"


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_whatever_a_value_is_it_is_given_back_or_told(value: object) -> None:
    for read in [*READERS.values(), lambda reader: reader.secret("key"), lambda reader: reader.child("key")]:
        reader = ObjectReader(FILE, {"key": value})
        read(reader)
        try:
            reader.finish()
        except ConfigError as error:
            assert str(error).startswith(f"{FILE}: key: ")
            assert str(error).isprintable()


def ini(tmp_path: Path, content: str, **options: bool) -> dict[str, object]:
    path = tmp_path / "config.ini"
    path.write_text(content, encoding="utf-8")
    return load_ini(path, **options)


def test_an_ini_file_gives_nested_sections(tmp_path: Path) -> None:
    content = """
top = 1  # a comment
[LE]
    key = 'ü # not a comment'
[Searches]
    [[Per minute]]
        [[[query]]]
        logs = a:b, c
        statement = "where(x) calculate(count)"
        empty =
"""
    query = {"logs": ["a:b", "c"], "statement": "where(x) calculate(count)", "empty": ""}
    assert ini(tmp_path, content) == {
        "top": "1",
        "LE": {"key": "ü # not a comment"},
        "Searches": {"Per minute": {"query": query}},
    }


def test_lists_and_interpolation_can_be_left_out(tmp_path: Path) -> None:
    content = "a = x, y\nformat = %(asctime)s\n"
    assert ini(tmp_path, content, list_values=False, interpolation=False) == {"a": "x, y", "format": "%(asctime)s"}


def test_values_are_interpolated_from_their_section_and_those_around_it(tmp_path: Path) -> None:
    content = "host = a.example\n[DEFAULT]\nport = 80\n[x]\nport = 81\nurl = http://%(host)s:%(port)s, %(host)s\n"
    assert ini(tmp_path, content)["x"] == {"port": "81", "url": ["http://a.example:81", "a.example"]}


@pytest.mark.parametrize("value", ["%(nobody)s", "a, %(nobody)s", "%(bad)s"])
def test_a_value_that_cannot_be_interpolated_is_a_mistake_only_where_it_is_read(tmp_path: Path, value: str) -> None:
    values = ini(tmp_path, f"good = 1\nbad = {value}\n")
    assert isinstance(values["bad"], Unusable)
    reader = ObjectReader(FILE, values)
    assert reader.integer("good", accept_text=True) == 1
    reader.finish(refuse_unknown=False)
    reader.text("bad")
    (only,) = mistakes(reader)
    assert only.startswith("bad: ")
    assert "interpolation" in only


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("[LE]\n    a = 1\n[Services\n", [3]),
        ("[LE]\nopen-sesame\n", [2]),
        ("[LE]\na = 1\n a = 2\n", [3]),
        ("[LE]\n[LE]\n", [2]),
        ("[a]\n[[[b]]]\n", [2]),
        ("[a]\n[[b]\n", [2]),
        ("a = 'open-sesame\n", [1]),
        ("a = 1\na = 2\nopen-sesame\n", [2, 3]),
    ],
)
def test_each_parse_error_is_told_with_its_line_and_without_its_text(
    tmp_path: Path, content: str, lines: list[int]
) -> None:
    with pytest.raises(ConfigError) as caught:
        ini(tmp_path, content)
    assert [problem.line for problem in caught.value.problems] == lines
    assert "sesame" not in str(caught.value)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ini(tmp_path, "a = x\u2028y\x0cz\r\nwrong\r\n")
    assert [problem.line for problem in caught.value.problems] == [2]


def test_an_ini_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_ini(tmp_path / "config.ini")


def test_sections_without_end_are_told(tmp_path: Path) -> None:
    content = "\n".join("[" * depth + "a" + "]" * depth for depth in range(1, 1500))
    with pytest.raises(ConfigError, match="nested too deeply"):
        ini(tmp_path, content)


@given(content=st.text(st.sampled_from("[]=#'\"%()s,ab \n\t\\"), max_size=60))
def test_no_ini_content_gives_another_error_than_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    directory = tmp_path_factory.mktemp("ini", numbered=True)
    try:
        ini(directory, content)
    except ConfigError as error:
        assert str(directory) in str(error)
