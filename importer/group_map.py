"""The groups that carriers' many names are gathered in, from rules in a text file.

    # comment
    [NL]
    (?i)T-?Mobile       T-Mobile
    .*                  Other

A section holds ordered rules, each a regular expression and, as the last word of its line, a group.
"""

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from importer.errors import ConfigError, Problem
from importer.stores import load_text

logger = logging.getLogger(__name__)

OTHER = "Other"
"""The group of what no rule finds."""

_REMEMBERED_TEXTS = 10_000
"""The same labels come back every cycle; this is more than the carriers of any one country."""

_SECTION = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    group: str


class Groups:
    """The rules of one section."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._rules = tuple(rules)
        self._remembered = lru_cache(_REMEMBERED_TEXTS)(self._search)

    def find(self, text: str) -> str | None:
        """Return the group of the first rule that is found anywhere in text, or None."""
        return self._remembered(text)

    def find_or_other(self, text: str) -> str:
        """Return the group as `find` does, or `Other`, with a warning, when there is none."""
        group = self.find(text)
        if group is None:
            logger.warning("no rule of the group map fits, counted as %s: text=%s", OTHER, text)
            return OTHER
        return group

    def _search(self, text: str) -> str | None:
        return next((rule.group for rule in self._rules if rule.pattern.search(text)), None)


def load_group_map(path: Path) -> Mapping[str, Groups]:
    """Return the groups of each section of a map file.

    A section that is given twice has the rules of both, in their order. Raises ConfigError, naming the line,
    for each bad regular expression, line of one word, and rule before the first section.
    """
    sections: dict[str, list[_Rule]] = {}
    rules: list[_Rule] | None = None
    problems: list[Problem] = []
    for number, line in enumerate(load_text(path).split("\n"), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            if section := _SECTION.fullmatch(text):
                rules = sections.setdefault(_section_name(section[1]), [])
            else:
                _add_rule(rules, text)
        except ValueError as error:
            problems.append(Problem(path, str(error), line=number))
    if problems:
        raise ConfigError(problems)
    return {name: Groups(rules) for name, rules in sections.items()}


def _section_name(text: str) -> str:
    if not (name := text.strip()):
        raise ValueError("a section needs a name, as in [NL]")
    return name


def _add_rule(rules: list[_Rule] | None, text: str) -> None:
    """Raises ValueError, whose text says what is wrong."""
    regex, *rest = text.rsplit(maxsplit=1)
    if not rest:
        raise ValueError(f'"{text:.80}" is a single word; a rule is a regular expression and a group')
    if rules is None:
        raise ValueError("a rule before the first section; write a line such as [NL] above it")
    rules.append(_Rule(_compile(regex), rest[0]))


def _compile(regex: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # `[[` and `--` in a set mean today what they meant
        try:
            return re.compile(regex)
        except (re.error, OverflowError) as error:
            raise ValueError(f'"{regex:.80}" is not a regular expression: {error}') from error
        except RecursionError as error:
            raise ValueError(f'"{regex:.80}" is nested too deeply') from error
