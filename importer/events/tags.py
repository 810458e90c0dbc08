"""Which keys of an event become tags in InfluxDB, and which texts can be tags at all."""

import re
from dataclasses import dataclass
from typing import Self

from importer.events.event import Value

MAX_TAG_CHARACTERS = 1_000
NEVER_TAGS = frozenset({"event_id", "now", "datetime"})
"""Each event has others: as tags they would make a series an event, and InfluxDB 1.x takes 100,000 of a tag."""

_EVERY = "*"
_UNUSABLE = re.compile(r"\n|\\[ ,=]|\\\Z")
"""No version reads a backslash there as we mean it."""


@dataclass(frozen=True, slots=True)
class TagRule:
    """What `stats_service.tags` says; without it every text is a tag."""

    keys: frozenset[str] = frozenset()
    """Those that become tags, whatever the type of their value."""
    every_key: bool = False
    """Whether all of them do."""
    every_text: bool = True
    """Whether all do whose value is a text, and no others."""
    warnings: tuple[str, ...] = ()
    """What should be logged once."""

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return the rule that names of keys, parted by blanks or commas, are; None: every text is a tag.

        `*` is every key. Raises ValueError where no name is there.

        >>> TagRule.parse("event, app_node").keys == {"event", "app_node"}
        True
        """
        if text is None:
            return cls()
        names = dict.fromkeys(re.split(r"[\s,]+", text.strip(" \t\r\n,")))
        if names == {"": None}:
            raise ValueError("names no key; write names like: event app_node, or * for every key")
        warnings = tuple(
            f"{name} cannot be a tag: each event would be a series" for name in names if name in NEVER_TAGS
        )
        keys = frozenset(names) - NEVER_TAGS - {_EVERY}
        return cls(keys, every_key=_EVERY in names, every_text=False, warnings=warnings)

    def tags_of(self, fields: dict[str, Value]) -> dict[str, str]:
        """Return the tags among the fields of an event, in the order of the fields."""
        if self.every_text:
            return {
                name: value
                for name, value in fields.items()
                if type(value) is str and name not in NEVER_TAGS and can_be_tag(value)
            }
        names = fields.keys() - NEVER_TAGS if self.every_key else self.keys & fields.keys()
        texts = ((name, str(fields[name])) for name in fields if name in names)
        return {name: text for name, text in texts if can_be_tag(text)}


def can_be_tag(text: str) -> bool:
    r"""Return whether a text arrives as it is when it is a tag.

    >>> [can_be_tag(text) for text in ("C:\\Temp", "C:\\Temp\\", "C:\\My Files", "C:\\ ", "")]
    [True, False, True, False, False]
    """
    if not 0 < len(text) <= MAX_TAG_CHARACTERS:
        return False
    return ("\\" not in text and "\n" not in text) or _UNUSABLE.search(text) is None
