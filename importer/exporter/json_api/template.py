"""Text with paths in it, such as `site-{$.site}`: what a label or a value of a config-only service is made from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from importer.exporter.json_api.path import MISSING, Path


class LookUpError(Exception):
    """What a path should find is missing or cannot be used; says which path, and what is wrong, in a few words."""

    def __init__(self, reason: str, *, is_missing: bool = False, is_relative: bool = False) -> None:
        super().__init__(reason)
        self.is_missing = is_missing
        """Nothing or null was found."""
        self.is_relative = is_relative
        """The path begins at the item: `.count is missing`."""


@dataclass(frozen=True, slots=True)
class _LookUp:
    path: Path
    is_absolute: bool
    """Whether it begins at the document in place of the item."""

    @property
    def text(self) -> str:
        """The path for messages, without the `$` if it begins at an item."""
        return self.path.text if self.is_absolute else self.path.text[1:]

    def value(self, item: object, document: object) -> object:
        """Return what is found, which is neither missing nor null; raises LookUpError."""
        try:
            value = self.path.value(document if self.is_absolute else item)
        except ValueError as error:
            raise self.error(str(error)) from error
        if value is MISSING or value is None:
            raise self.error("is null" if value is None else "is missing", is_missing=True)
        return value

    def label(self, item: object, document: object) -> str:
        """Return what is found as text; raises LookUpError."""
        value = self.value(item, document)
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list):
            raise self.error(f"is {'an object' if isinstance(value, dict) else 'a list'}, not text")
        return json.dumps(value)

    def error(self, reason: str, *, is_missing: bool = False) -> LookUpError:
        """Return the error that says so about this path."""
        return LookUpError(f"{self.text} {reason}", is_missing=is_missing, is_relative=not self.is_absolute)


class Template:
    """A text whose `{path}`s are looked up: `{.x}` in an item, `{$.x}` in the whole document.

    Raises ValueError, with what is wrong, for text that is none.
    """

    def __init__(self, text: str, *, in_document: bool = False) -> None:
        """With `in_document` there are no items: `{.x}` is `{$.x}`."""
        self.text = text
        self._parts = tuple(_parts(text, in_document=in_document))
        self._only = self._parts[0] if len(self._parts) == 1 else None
        self.looks_up = any(isinstance(part, _LookUp) for part in self._parts)
        """Whether there is a path in it."""
        self._constant = None if self.looks_up else text

    def value(self, item: object, document: object) -> object:
        """Return what a single path finds, as it is; else the text; raises LookUpError."""
        if isinstance(self._only, _LookUp):
            return self._only.value(item, document)
        return self.label(item, document)

    def label(self, item: object, document: object) -> str:
        """Return the text, numbers and true as JSON writes them; raises LookUpError."""
        if self._constant is not None:
            return self._constant
        if isinstance(self._only, _LookUp):
            return self._only.label(item, document)
        return "".join([part if isinstance(part, str) else part.label(item, document) for part in self._parts])

    def error(self, reason: str) -> LookUpError:
        """Return the error that says so about what the template has found."""
        return self._only.error(reason) if isinstance(self._only, _LookUp) else LookUpError(f"{self.text} {reason}")


def _parts(text: str, *, in_document: bool) -> Iterator[str | _LookUp]:
    rest = text
    while rest:
        literal, brace, rest = rest.partition("{")
        if literal:
            yield literal
        if brace:
            length = _path_length(rest)
            path = rest[:length].strip()
            yield _LookUp(Path(path), in_document or path.startswith("$"))
            rest = rest[length + 1 :]


def _path_length(text: str) -> int:
    """Return where the brace is that ends a path, one in quotes does not; raises ValueError if there is none."""
    quote, is_escaped = "", False
    for index, character in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif quote:
            is_escaped = character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "}":
            return index
    raise ValueError(f"{{{text} has no closing brace")
