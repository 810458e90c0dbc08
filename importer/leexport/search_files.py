"""Where searches stand: under [Searches] of config.ini, and of each file of searches.d beside it.

A file of searches.d looks as config.ini would if there were nothing in it but its searches:

    [Searches]
        [[Requests]]
            [[[query]]]
                ...
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from importer.config import load_ini
from importer.drop_ins import drop_in_files
from importer.errors import ConfigError, Problem

DIRECTORY = "searches.d"
SUFFIX = ".ini"
SEARCHES = "Searches"

Section = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SearchLines:
    """A search as a file has it."""

    file: Path
    name: str
    section: Section

    @property
    def key(self) -> str:
        """Return where it stands in its file."""
        return f"[{SEARCHES}] [[{self.name}]]"


def load_search_ini(path: Path) -> dict[str, object]:
    """Return what config.ini, or a file of searches.d, holds; raises ConfigError as `load_ini` does."""
    return load_ini(path, verbatim=["statement"], addresses=["push_url", "url", "pushgateway"])


def section_of(content: Section, name: str) -> dict[str, object]:
    """Return a section; an empty one if it is not there."""
    section = content.get(name)
    return cast("dict[str, object]", section) if isinstance(section, dict) else {}


def searches_in(path: Path, content: Section) -> list[SearchLines]:
    """Return the searches that the content of a file holds, in their order."""
    members = section_of(content, SEARCHES).items()
    return [SearchLines(path, name, cast(Section, value)) for name, value in members if _is_search(name, value)]


def drop_in_paths(config: Path) -> list[Path]:
    """Return the files of searches.d beside a configuration file, by name; raises ConfigError if it cannot be read."""
    return drop_in_files(config.parent / DIRECTORY, SUFFIX)


def load_search_file(path: Path) -> list[SearchLines]:
    """Return the searches of a file of searches.d.

    Raises ConfigError for what cannot be parsed, for anything but searches, and where there is none.
    """
    content = load_search_ini(path)
    problems = [
        Problem(path, f"is not for this file, which holds [{SEARCHES}] alone", key=_shown(name, value))
        for name, value in content.items()
        if name != SEARCHES
    ]
    found = searches_in(path, content)
    if not found:
        problems.append(Problem(path, "holds no search: each is a [[section]] in it", key=f"[{SEARCHES}]"))
    if problems:
        raise ConfigError(problems)
    return found


def load_search_files(config: Path, known: Sequence[SearchLines]) -> list[SearchLines]:
    """Return the searches of all files of searches.d beside a configuration file, which has the `known` ones.

    Raises ConfigError with every file that is of no use, and every search that is named twice.
    """
    problems: list[Problem] = []
    found: list[SearchLines] = []
    for path in drop_in_paths(config):
        try:
            found += load_search_file(path)
        except ConfigError as error:
            problems += error.problems
    problems += _named_twice([*known, *found])
    if problems:
        raise ConfigError(problems)
    return found


def _named_twice(searches: Sequence[SearchLines]) -> Iterator[Problem]:
    first: dict[str, SearchLines] = {}
    for search in searches:
        other = first.setdefault(search.name, search)
        if other is not search:
            yield Problem(search.file, f"is in {other.file}, too; give one of them another name", key=search.key)


def _shown(name: str, value: object) -> str:
    return f"[{name}]" if isinstance(value, dict) else name


def _is_search(name: str, value: object) -> bool:
    """Whether a member of [Searches] is one: ConfigObj takes values for `%(name)s` from a section [[DEFAULT]]."""
    if not isinstance(value, dict):
        return False
    return name != "DEFAULT" or any(isinstance(member, dict) for member in value.values())
