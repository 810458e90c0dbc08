"""Which keys a loader asks for: found out by letting it read, so that nobody has to write them twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from importer.config import REQUIRED, ObjectReader
from importer.errors import Problem

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class AskedKey:
    """A key that a loader has asked for."""

    name: str
    kind: str
    """What it holds: text, number, truth value, list, object or secret."""
    is_required: bool
    choices: tuple[str, ...] = ()
    """What it may be, where there is a choice."""


class KeyRecorder(ObjectReader):
    """A reader that notes what it is asked for; in `asked`, by name, in the order of the questions."""

    asked: dict[str, AskedKey]

    def text(self, key: str, default: Any = REQUIRED, *, allow_empty: bool = False) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "text", default)
        return super().text(key, default, allow_empty=allow_empty)

    def choice(self, key: str, choices: Sequence[str], default: Any = REQUIRED) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "text", default, choices=tuple(choices))
        return super().choice(key, choices, default)

    def integer(self, key: str, default: Any = REQUIRED, **bounds: Any) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "number", default)
        return super().integer(key, default, **bounds)

    def number(self, key: str, default: Any = REQUIRED, **bounds: Any) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "number", default)
        return super().number(key, default, **bounds)

    def boolean(self, key: str, default: Any = REQUIRED, *, accept_text: bool = False) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "truth value", default)
        return super().boolean(key, default, accept_text=accept_text)

    def texts(self, key: str, default: Any = REQUIRED, *, accept_text: bool = False) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "list", default)
        return super().texts(key, default, accept_text=accept_text)

    def mapping_of_text(self, key: str, default: Any = REQUIRED) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "object", default)
        return super().mapping_of_text(key, default)

    def secret(self, key: str, default: Any = REQUIRED, **options: Any) -> Any:
        """Return what ObjectReader does."""
        self._note(key, "secret", default)
        return super().secret(key, default, **options)

    def is_read(self, key: str) -> bool:
        """Return whether a key was looked at, even if only for what is given."""
        return key in self._known

    def _note(self, key: str, kind: str, default: object, *, choices: tuple[str, ...] = ()) -> None:
        self.__dict__.setdefault("asked", {})[key] = AskedKey(key, kind, default is REQUIRED, choices)


def destination_keys(path: Path, description: object, *, state: Path) -> KeyRecorder:
    """Return a reader of a destination's description that its sink's class has asked for all keys it knows.

    What is wrong with it is in `problems`. An unknown protocol is asked for no key.
    """
    from importer.destinations import DEFAULT_PROTOCOL, build_sink  # on use: heavy, as all that knows sinks
    from importer.sinks import PROTOCOLS

    problems: list[Problem] = []
    keys = KeyRecorder(path, description, problems=problems)
    protocol = keys.choice("protocol", PROTOCOLS, DEFAULT_PROTOCOL)
    if not problems:
        build_sink(keys, state=state, protocol=protocol)
    return keys


def secrets_in(keys: KeyRecorder) -> list[str]:
    """Return the names of secrets that stand in the description itself, not in a file that it names."""
    return [key.name for key in keys.asked.values() if key.kind == "secret" and keys.value(key.name)]
