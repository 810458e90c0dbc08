"""From an INI file, as ConfigObj reads it, to plain dicts; what is wrong with it in words of ours."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from importer.errors import ConfigError, Problem
from importer.stores import load_text
from importer.verbatim import quote_values

if TYPE_CHECKING:
    from configobj import ConfigObjError

_HEADER = re.compile(r"\s*(\[+)")


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands for an INI value that cannot be interpolated: a mistake only if somebody reads that key."""

    reason: str
    """What is wrong with it, for a Problem."""


def load_ini(
    path: Path,
    *,
    list_values: bool = True,
    interpolation: bool = True,
    verbatim: Collection[str] = (),
    addresses: Collection[str] = (),
) -> dict[str, object]:
    """Return what a ConfigObj file holds: text, lists of text (with `list_values`), and sections as dicts.

    With `interpolation` each `%(name)s` is filled in; where that fails the value is an Unusable. The values of the
    `verbatim` keys are text as it stands, commas and all; those of the `addresses` do not end at a `#` inside of them
    (see `importer.verbatim`).
    Raises ConfigError, with the line, for what `load_text` refuses and for each parse error.
    """
    import configobj  # here, since most commands read no INI file

    lines = quote_values(load_text(path).split("\n"), keys=verbatim, addresses=addresses)
    try:
        parsed = configobj.ConfigObj(lines, list_values=list_values, interpolation=interpolation)
        return _plain(parsed)
    except configobj.ConfigObjError as error:
        mistakes = _own_mistakes(error.errors, lines)
        raise ConfigError([Problem(path, _ini_mistake(each), line=each.line_number) for each in mistakes]) from error
    except RecursionError as error:
        raise ConfigError(Problem(path, "is nested too deeply")) from error


class _IniSection(Protocol):
    """What we use of configobj.Section."""

    scalars: list[str]
    sections: list[str]

    def __getitem__(self, key: str) -> object: ...


def _plain(section: _IniSection) -> dict[str, object]:
    values = {key: _interpolated(section, key) for key in section.scalars}
    return values | {key: _plain(cast(_IniSection, section[key])) for key in section.sections}


def _interpolated(section: _IniSection, key: str) -> object:
    from configobj import InterpolationError

    try:
        return section[key]
    except InterpolationError as error:
        return Unusable(str(error))


def _own_mistakes(errors: Sequence["ConfigObjError"], lines: Sequence[str]) -> Iterator["ConfigObjError"]:
    """Yield the errors that do not follow from another one.

    ConfigObj passes over the header of a section that was given before, and takes what follows for the contents of
    the section above.
    """
    depths = {number: len(match[1]) for number, line in enumerate(lines, start=1) if (match := _HEADER.match(line))}
    end = 0
    for error in errors:
        number = error.line_number or 0
        if 0 < number < end:
            continue
        yield error
        if number in depths:
            following = (other for other, depth in depths.items() if other > number and depth <= depths[number])
            end = next(following, len(lines) + 1)


def _ini_mistake(error: Exception) -> str:
    """ConfigObj's own text quotes the line, which may hold a secret."""
    return {
        "NestingError": "section brackets do not match the section above",
        "DuplicateError": "this key or section was given before",
    }.get(type(error).__name__, "is neither [section] nor key = value")
