"""Carriers' names are gathered in groups by the rules of a map file."""

import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import ConfigError
from importer.group_map import OTHER, load_group_map

SAMPLE = r"""# Carriers by country
[NL]
(?i)KPN             KPN
(?i)T-?Mobile       T-Mobile
.*                  Other

[IT]
\d{2,}              Other
3(?!G)              Three
(?i)TIM             Telecom
"""


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return write(tmp_path / "carrier.map", SAMPLE)


@pytest.mark.parametrize(
    ("section", "text", "group"),
    [
        ("NL", "KPN NL", "KPN"),
        ("NL", "nl kpn", "KPN"),
        ("NL", "tmobile of KPN", "KPN"),
        ("NL", "TMOBILE", "T-Mobile"),
        ("NL", "", "Other"),
        ("IT", "3 ITA", "Three"),
        ("IT", "3G", None),
        ("IT", "22201", "Other"),
        ("IT", "I TIM", "Telecom"),
    ],
)
def test_the_first_rule_that_is_found_anywhere_wins(sample: Path, section: str, text: str, group: str | None) -> None:
    groups = load_group_map(sample)[section]
    assert groups.find(text) == group
    assert groups.find(text) == group


def test_sections_stand_for_themselves(sample: Path) -> None:
    assert list(load_group_map(sample)) == ["NL", "IT"]


def test_comments_and_blank_lines_are_ignored_anywhere(tmp_path: Path) -> None:
    path = write(
        tmp_path / "carrier.map",
        "\n  # one word\n[NL]  \n# a comment of several words\n\n  (?i)KPN\t KPN  \n   \n#x y\n.* Rest\n"
        " [New Zealand]\n[UK]\na A\n",
    )
    groups = load_group_map(path)
    assert list(groups) == ["NL", "New Zealand", "UK"]
    assert groups["NL"].find("kpn") == "KPN"
    assert groups["NL"].find("x") == "Rest"
    assert groups["New Zealand"].find("x") is None
    assert groups["UK"].find("xax") == "A"


def test_a_regular_expression_may_hold_blanks_and_brackets(tmp_path: Path) -> None:
    groups = load_group_map(write(tmp_path / "m", "[NL]\n[Tt] Mobile  NL  T-Mobile\n[ab] [cd]\n"))["NL"]
    assert groups.find("t Mobile  NL") == "T-Mobile"
    assert groups.find("tMobile  NL") == "[cd]"


def test_a_section_that_is_given_twice_has_the_rules_of_both(tmp_path: Path) -> None:
    groups = load_group_map(write(tmp_path / "m", "[NL]\na A\n[UK]\na X\n[ NL ]\n. B\n"))["NL"]
    assert (groups.find("a"), groups.find("b")) == ("A", "B")


def test_there_is_no_limit_to_the_rules_of_a_section(tmp_path: Path) -> None:
    rules = "".join(f"^carrier{number}$ group{number}\n" for number in range(2000))
    groups = load_group_map(write(tmp_path / "m", f"[NL]\n{rules}"))["NL"]
    assert groups.find("carrier1999") == "group1999"


def test_an_empty_map_has_no_sections(tmp_path: Path) -> None:
    assert load_group_map(write(tmp_path / "m", "# none yet\n")) == {}


def test_what_no_rule_finds_is_other_and_warned_of(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    groups = load_group_map(sample)["IT"]
    assert groups.find_or_other("I TIM") == "Telecom"
    assert caplog.records == []
    assert groups.find_or_other("Vodafone") == OTHER == "Other"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Vodafone" in caplog.text


def test_a_rule_may_say_other_without_a_warning(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_group_map(sample)["NL"].find_or_other("Vodafone") == "Other"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("[NL]\n\n(KPN KPN\n", 3, '"(KPN" is not a regular expression: missing )'),
        ("[NL]\nKPN(?i) KPN\n", 2, '"KPN(?i)" is not a regular expression: global flags'),
        ("[NL]\na{99999999999} KPN\n", 2, "is not a regular expression: the repetition number is too large"),
        ("[NL]\n" + "(" * 20_000 + " KPN\n", 2, "is nested too deeply"),
        ("[NL]\n# x\nKPN\n", 3, '"KPN" is a single word'),
        ("[NL\nKPN KPN\n", 1, '"[NL" is a single word'),
        ("# x\nKPN KPN\n[NL]\n", 2, "a rule before the first section"),
        ("[]\n", 1, "a section needs a name"),
        ("[ ]\n", 1, "a section needs a name"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, content: str, line: int, what: str) -> None:
    path = write(tmp_path / "carrier.map", content)
    with pytest.raises(ConfigError) as caught:
        load_group_map(path)
    first = str(caught.value.problems[0])
    assert first.startswith(f"{path}:{line}: ")
    assert what in first


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "carrier.map", "a b\n[NL]\nx\n( y\n")
    with pytest.raises(ConfigError) as caught:
        load_group_map(path)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 4]


def test_a_missing_map_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_group_map(tmp_path / "carrier.map")


@pytest.mark.parametrize("regex", ["[[a]", "[!--a]", "[a||b]", "[a&&b]", "[a~~b]"])
def test_a_set_that_python_frowns_upon_goes_without_comment(tmp_path: Path, regex: str) -> None:
    assert load_group_map(write(tmp_path / "m", f"[NL]\n{regex} A\n"))["NL"].find("a") == "A"


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Zs", "Cc")), min_size=1)
NAMES = WORDS.filter(lambda name: not set("[]") & set(name))
RULES = st.tuples(WORDS.filter(lambda word: not word.startswith("#")), WORDS)
NOISE = st.sampled_from(["", "  ", "# comment", "#x", "\t# [NL]"])


@given(sections=st.dictionaries(NAMES, st.lists(RULES, max_size=5), max_size=4), data=st.data())
def test_every_rule_is_read_back_in_its_section(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, list[tuple[str, str]]], data: st.DataObject
) -> None:
    lines: list[str] = []
    for name, rules in sections.items():
        lines.append(f"[{name}]")
        for word, group in rules:
            lines += [data.draw(NOISE), f" {re.escape(word)}{data.draw(st.sampled_from([' ', chr(9)]))}{group} "]
    path = tmp_path_factory.mktemp("map", numbered=True) / "carrier.map"
    path.write_bytes("\n".join(lines).encode())
    groups = load_group_map(path)
    assert list(groups) == list(sections)
    for name, rules in sections.items():
        for word, _ in rules:
            assert groups[name].find(word) == next(group for other, group in rules if other in word)


@given(content=st.text(st.sampled_from("[]#()*+?{}\\ab \n\t9,|"), max_size=60))
def test_no_file_content_gives_another_error_than_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    path = write(tmp_path_factory.mktemp("junk", numbered=True) / "carrier.map", content)
    try:
        groups = load_group_map(path)
    except ConfigError as error:
        assert str(path) in str(error)
    else:
        assert all(section.find("") in {None, section.find("")} for section in groups.values())
