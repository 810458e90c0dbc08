"""The page of commands and destinations tells of every protocol and every command that there is."""

import re

from importer.leexport.outlet import SERVICES
from importer.sinks import PROTOCOLS
from tests.commands import ROOT
from tests.end_to_end.test_matrix import COMMANDS

PAGE = (ROOT / "docs" / "systems" / "destinations.rst").read_text()


def section(title: str) -> str:
    """Return what stands below a heading, up to the next one."""
    (found,) = re.findall(rf"^{title}\n-+\n(.*?)(?=^[^\n]+\n-+\n|\Z)", PAGE, re.M | re.S)
    return str(found)


def test_every_protocol_has_a_row() -> None:
    _, _, rows, _ = re.split(r"^=[= ]+$", section("What arrives"), flags=re.M)
    assert sorted(re.findall(r"^``(\w+)`` ", rows, re.M)) == sorted(PROTOCOLS)


def test_what_comes_twice_is_told_of_every_protocol_that_keeps_points() -> None:
    told = set(re.findall(r"``(\w+)``", section("What comes twice")))
    assert told == set(PROTOCOLS) - {"dummy"}


def test_every_command_of_the_matrix_is_named() -> None:
    assert [name for name in (*COMMANDS, "stats-service") if f"``{name}``" not in PAGE] == []


def test_every_service_of_searches_that_is_a_protocol_of_another_name_is_named() -> None:
    others = set(SERVICES) - set(PROTOCOLS) - {"geckoboard"}
    assert [name for name in others if f"service ``{name}``" not in PAGE] == []
