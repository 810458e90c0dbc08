"""The section [LE] and the sections [[[query]]], as the fixtures and users' files have them."""

from pathlib import Path

import pytest

from importer.config import ObjectReader, load_ini
from importer.sources.logentries.config import (
    DEFAULT_QUERY_TIMEOUT_SECONDS,
    DEFAULT_URL,
    REGIONS,
    Account,
    Query,
    load_account,
    load_query,
)
from tests.leexport.answers import GOLDEN

LOG = "a96d464b-acf7-43c8-b133-4df8551e718d"
OTHER_LOG = "f9c6e2c1-ac7a-4a29-8faa-a8d70f96df70"
QUERY = {"logs": LOG, "statement": "where(x) calculate(count)", "query_range": "600"}


def account(keys: dict[str, object], file: Path = Path("config.ini")) -> tuple[Account, list[str]]:
    """Return the account of a section [LE], and what is wrong with it."""
    reader = ObjectReader(file, keys, where="[LE] ", accept_text=True)
    loaded = load_account(reader)
    return loaded, [f"{problem.key}: {problem.what}" for problem in reader.problems]


def query(keys: dict[str, object]) -> tuple[Query, list[str]]:
    """Return the query of a section [[[query]]], and what is wrong with it."""
    reader = ObjectReader(Path("config.ini"), keys, accept_text=True)
    loaded = load_query(reader)
    return loaded, [f"{problem.key}: {problem.what}" for problem in reader.problems]


# [LE]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"ro_api_key": "ro-key", "rw_api_key": "rw-key", "x_api_key": "x-key"}, "rw-key"),
        ({"ro_api_key": "ro-key", "rw_api_key": "", "x_api_key": "x-key"}, "ro-key"),
        ({"x_api_key": "x-key"}, "x-key"),
    ],
)
def test_the_first_key_that_is_set_is_used(keys: dict[str, object], expected: str) -> None:
    loaded, problems = account(keys)
    assert (loaded.key.reveal(), problems) == (expected, [])
    assert expected not in repr(loaded)


@pytest.mark.parametrize("name", ["rw_api_key", "ro_api_key", "x_api_key"])
def test_a_key_may_lie_in_a_file_beside_the_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("key-in-a-file\n")
    loaded, problems = account({f"{name}_file": "secret"}, tmp_path / "config.ini")
    assert (loaded.key.reveal(), problems) == ("key-in-a-file", [])


@pytest.mark.parametrize("keys", [{}, {"rw_api_key": "", "region": "eu"}])
def test_a_section_without_a_key_is_one_problem(keys: dict[str, object]) -> None:
    assert account(keys)[1] == ["[LE]: no usable key: set rw_api_key, or ro_api_key"]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "trailing "])
def test_a_key_that_no_header_can_hold_is_told_without_showing_it(key: str) -> None:
    (problem,) = account({"rw_api_key": key})[1]
    assert problem.startswith("[LE] rw_api_key: holds white space")
    assert key not in problem


def test_a_key_with_a_comma_is_one_problem() -> None:
    assert account({"rw_api_key": ["a", "b"]})[1] == ["[LE] rw_api_key: a list is not text"]


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_has_its_own_host(region: str) -> None:
    loaded, problems = account({"rw_api_key": "rw-key", "region": region})
    assert (loaded.url, problems) == (f"https://{region}.rest.logs.insight.rapid7.com", [])


def test_an_unknown_region_is_told_with_those_that_are_known() -> None:
    expected = '[LE] region: "mars" is not one of us, us2, us3, eu, ca, au, ap'
    assert account({"rw_api_key": "rw-key", "region": "mars"})[1] == [expected]


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({}, DEFAULT_URL),
        ({"url": "https://logs.example.org/"}, "https://logs.example.org"),
        ({"url": "https://logs.example.org", "region": "eu"}, "https://logs.example.org"),
        ({"url": "https://rest.logentries.com/query/logs/"}, "https://rest.logentries.com"),
        ({"url": "http://127.0.0.1:8081/query/logs"}, "http://127.0.0.1:8081"),
        (
            {"url": "https://eu.api.insight.rapid7.com/log_search/"},
            "https://eu.api.insight.rapid7.com/log_search",
        ),
        (
            {"url": "eu.api.insight.rapid7.com/log_search/query/logs/"},
            "https://eu.api.insight.rapid7.com/log_search",
        ),
    ],
)
def test_the_address_is_taken_without_the_path_of_queries(keys: dict[str, object], url: str) -> None:
    loaded, problems = account({"rw_api_key": "rw-key", **keys})
    assert (loaded.url, problems) == (url, [])


@pytest.mark.parametrize("url", ["ftp://logs.example.org", "https://me:word@logs.example.org", "https://", ["a", "b"]])
def test_an_address_that_is_none_is_one_problem(url: object) -> None:
    (problem,) = account({"rw_api_key": "rw-key", "url": url})[1]
    assert problem.startswith("[LE] url: ")


@pytest.mark.parametrize(("given", "seconds"), [(None, DEFAULT_QUERY_TIMEOUT_SECONDS), ("90", 90), ("1.5", 1.5)])
def test_how_long_a_query_may_take_can_be_set(given: str | None, seconds: float) -> None:
    loaded, problems = account({"rw_api_key": "rw-key", "query_timeout": given})
    assert (loaded.query_timeout_seconds, problems) == (seconds, [])


@pytest.mark.parametrize("given", ["0", "-1", "86401", "5 minutes"])
def test_a_time_limit_that_makes_no_sense_is_a_problem(given: str) -> None:
    (problem,) = account({"rw_api_key": "rw-key", "query_timeout": given})[1]
    assert problem == f'[LE] query_timeout: "{given}" is not a number from 1 to 86400'


# [[[query]]]


@pytest.mark.parametrize(
    "logs",
    [
        f"{LOG}:{OTHER_LOG}",
        f" {LOG} : {OTHER_LOG} ::",
        [LOG, OTHER_LOG],
        [f"{LOG} ", "", f" {OTHER_LOG}"],
        f"{LOG}, {OTHER_LOG}",
    ],
)
def test_logs_are_separated_by_colons_or_commas(logs: object) -> None:
    loaded, problems = query({**QUERY, "logs": logs})
    assert (loaded, problems) == (Query((LOG, OTHER_LOG), "where(x) calculate(count)", 600), [])


@pytest.mark.parametrize("logs", [None, "", " : ", [], ["", " "]])
def test_a_query_without_logs_is_one_problem(logs: object) -> None:
    assert query({**QUERY, "logs": logs})[1] == [
        "logs: names no log: give the keys of one or more, separated by ':'",
    ]


@pytest.mark.parametrize("key", ["statement", "query_range"])
def test_what_is_missing_is_told(key: str) -> None:
    (problem,) = query({**QUERY, key: ""})[1]
    assert problem.startswith(f"{key}: is empty")


@pytest.mark.parametrize("given", ["0", "-5", "1.5", "one hour", "2000000000", ["1", "2"]])
def test_a_range_is_a_whole_number_of_seconds(given: object) -> None:
    (problem,) = query({**QUERY, "query_range": given})[1]
    assert problem.startswith("query_range: ")
    assert problem.endswith(" is not a whole number from 1 to 1000000000")


def test_a_range_in_words_needs_no_number() -> None:
    keys = {"logs": LOG, "statement": "where(x)", "time_range": "Last 24 Hours"}
    assert query(keys) == (Query((LOG,), "where(x)", 0, "Last 24 Hours"), [])


def test_old_and_new_example_files_are_understood() -> None:
    old, new = (load_ini(GOLDEN / name, verbatim=["statement"]) for name in ("config.ini", "config_new_keys.ini"))
    assert account(_section(old, "LE"))[0].key.reveal() == "0f1e2d3c-rw-example"
    assert account(_section(new, "LE"))[0].url == "https://eu.rest.logs.insight.rapid7.com"
    search = _section(_section(new, "Searches"), "Dataset")
    expected = Query((LOG, OTHER_LOG), "where(status>=500) groupby(host, path)", 300)
    assert query(_section(search, "query")) == (expected, [])


def _section(content: dict[str, object], name: str) -> dict[str, object]:
    section = content[name]
    assert isinstance(section, dict)
    return section
