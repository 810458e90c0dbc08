"""From a configuration file to checked values, with every mistake told at once, a line each.

    reader = ObjectReader(path, load_json(path))
    host = reader.text("host")
    port = reader.integer("port", 2003, minimum=1, maximum=65535, accept_text=True)
    reader.finish()

`finish` raises one ConfigError that holds all the mistakes; until then the getters give stand-ins for what is
wrong, so that the rest is looked at as well.
"""

import difflib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar, cast

from importer.credentials import Secret
from importer.errors import ConfigError, Problem
from importer.handed_over import credential_path
from importer.ini_file import Unusable, load_ini
from importer.stores import load_json, load_text

__all__ = ["REQUIRED", "ObjectReader", "Unusable", "load_ini", "load_json", "load_text"]


class _Required(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED
"""The default of a key that has none."""

T = TypeVar("T")
D = TypeVar("D")

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class ObjectReader:
    """Reads the keys of one JSON object or INI section, and gathers what is wrong with them.

    A key counts as not given when its value is null, or empty text (unless `text` is told to allow that).
    With `accept_text` a number or truth value may be written as text.
    """

    def __init__(
        self,
        file: Path,
        value: object,
        *,
        where: str = "",
        problems: list[Problem] | None = None,
        accept_text: bool = False,
    ) -> None:
        """Read value, found in file; `where` is put before each key in messages, as in `services.shop.`.

        Give several readers one list of problems to have them told together. `accept_text` is for all getters, and
        for INI files, which hold text alone: a list there is one with a comma in it.
        """
        self.file = file
        self.where = where
        self._accept_text = accept_text
        self.problems: list[Problem] = [] if problems is None else problems
        self._is_object = isinstance(value, dict)
        self._values = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        self._known: set[str] = set()
        self._given: dict[str, object] = {}
        if not self._is_object:
            self.problem("", f"{_shown(value)} is not an object")

    def problem(self, key: str, what: str) -> None:
        """Add a mistake: what is wrong with the value of key (or with the object itself), what would be right."""
        name = f"{self.where}{key}" if key else self.where.rstrip(". ")
        self.problems.append(Problem(self.file, what, key=name))

    def value(self, key: str) -> object:
        """Return what is given for key, whatever it is, or None."""
        self._known.add(key)
        return self._values.get(key)

    def given(self) -> dict[str, object]:
        """Return what the getters have returned until now, by key, defaults included; there may be secrets in it."""
        return dict(self._given)

    def keys_with(self, text: str) -> list[str]:
        """Return the keys whose names hold this text, in their order: for settings that are passed on to a library."""
        return [key for key in self._values if text in key]

    def text(self, key: str, default: D | _Required = REQUIRED, *, allow_empty: bool = False) -> str | D:
        """Return text."""
        if allow_empty and self.value(key) == "":
            return ""
        return self._read(key, default, _text, expected="text", stand_in="")

    def choice(self, key: str, choices: Sequence[str], default: D | _Required = REQUIRED) -> str | D:
        """Return one of the choices."""

        def parse(value: object) -> str | None:
            return value if isinstance(value, str) and value in choices else None

        return self._read(key, default, parse, expected=f"one of {', '.join(choices)}", stand_in=choices[0])

    def integer(
        self,
        key: str,
        default: D | _Required = REQUIRED,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
        accept_text: bool = False,
    ) -> int | D:
        """Return a whole number between the two bounds, both included."""

        def parse(value: object) -> int | None:
            number = _integer(value, accept_text=accept_text or self._accept_text)
            return None if number is None or not _is_between(number, minimum, maximum) else number

        expected = f"a whole number{_range(minimum, maximum)}"
        return self._read(key, default, parse, expected=expected, stand_in=minimum or 0)

    def number(
        self,
        key: str,
        default: D | _Required = REQUIRED,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        accept_text: bool = False,
    ) -> float | D:
        """Return a finite number between the two bounds, both included; a whole one stays an int."""

        def parse(value: object) -> float | None:
            number = _number(value, accept_text=accept_text or self._accept_text)
            return None if number is None or not _is_between(number, minimum, maximum) else number

        expected = f"a number{_range(minimum, maximum)}"
        return self._read(key, default, parse, expected=expected, stand_in=minimum or 0.0)

    def boolean(self, key: str, default: D | _Required = REQUIRED, *, accept_text: bool = False) -> bool | D:
        """Return true or false; as text also yes, no, on, off, 1 and 0."""

        def parse(value: object) -> bool | None:
            if isinstance(value, bool):
                return value
            is_text = isinstance(value, str) and (accept_text or self._accept_text)
            return _TRUTH.get(str(value).strip().lower()) if is_text else None

        return self._read(key, default, parse, expected="true or false", stand_in=False)

    def texts(self, key: str, default: D | _Required = REQUIRED, *, accept_text: bool = False) -> tuple[str, ...] | D:
        """Return a list of text; with `accept_text` a single text is a list of one."""

        def parse(value: object) -> tuple[str, ...] | None:
            if isinstance(value, str) and (accept_text or self._accept_text):
                return (value,)
            is_list_of_text = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return tuple(cast("list[str]", value)) if is_list_of_text else None

        nothing: tuple[str, ...] = ()
        return self._read(key, default, parse, expected="a list of text", stand_in=nothing, show=_kind)

    def mapping_of_text(self, key: str, default: D | _Required = REQUIRED) -> dict[str, str] | D:
        """Return an object whose values are text, such as `proxies`; its values are never shown."""

        def parse(value: object) -> dict[str, str] | None:
            is_mapping = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
            return cast("dict[str, str]", value) if is_mapping else None

        nothing: dict[str, str] = {}
        expected = "an object that holds text alone"
        return self._read(key, default, parse, expected=expected, stand_in=nothing, show=_kind)

    def child(self, key: str) -> "ObjectReader":
        """Return a reader of the object that key holds; it adds to the same problems. Not given: of an empty one."""
        value = self.value(key)
        return ObjectReader(
            self.file,
            {} if value is None else value,
            where=f"{self.where}{key}.",
            problems=self.problems,
            accept_text=self._accept_text,
        )

    def secret(
        self, key: str, default: D | _Required = REQUIRED, *, environ: Mapping[str, str] = os.environ
    ) -> Secret | D:
        """Return the secret that key holds, or that is in the file which `<key>_file` names.

        One line end after a file's secret is dropped. A relative file is looked for among the credentials
        that systemd hands to the process, then beside the configuration file.
        """
        twin = f"{key}_file"
        file_name = self._read(twin, None, _text, expected="the name of a file", stand_in="")
        is_given = self.value(key) not in (None, "")  # a list, given by mistake, would not go into a set
        if file_name is None and (is_given or default is not REQUIRED):
            return self._read(key, default, _secret, expected="text", stand_in=Secret(""), show=_kind)
        if file_name is None:
            self._missing(key, f"give it or {twin}")
        elif is_given:
            self.problem(key, f"is given, and {twin} too: keep one of them")
        elif file_name:
            self._given[key] = secret = self._secret_from(twin, self._credential_path(file_name, environ))
            return secret
        return Secret("")

    def unknown(self, what: str = "improper key") -> list[Problem]:
        """Return a problem for each key that nobody has asked for until now, with the key probably meant."""
        return [
            Problem(self.file, what + self._suggestion(key), key=f"{self.where}{key}")
            for key in self._values
            if key not in self._known
        ]

    def refuse_unknown(self, what: str = "improper key") -> None:
        """Count each key that nobody has asked for until now as a mistake."""
        self.problems += self.unknown(what)

    def finish(self, *, refuse_unknown: bool = True) -> None:
        """Raise ConfigError when there were mistakes, here or in readers that share our problems."""
        if refuse_unknown:
            self.refuse_unknown()
        if self.problems:
            raise ConfigError(self.problems)

    def _read(
        self,
        key: str,
        default: D | _Required,
        parse: Callable[[object], T | None],
        *,
        expected: str,
        stand_in: T,
        show: Callable[[object], str] | None = None,
    ) -> T | D:
        value = self.value(key)
        if value is None or value == "":
            if not isinstance(default, _Required):
                self._given[key] = default
                return default
            self._missing(key, f"{expected} is expected")
            return stand_in
        parsed = parse(value)
        if parsed is None:
            wrong = value.reason if isinstance(value, Unusable) else f"{(show or _shown)(value)} is not {expected}"
            self.problem(key, wrong)
            return stand_in
        self._given[key] = parsed
        return parsed

    def _missing(self, key: str, right: str) -> None:
        if self._is_object:
            self.problem(key, f"is {'empty' if key in self._values else 'missing'}; {right}")

    def _suggestion(self, key: str) -> str:
        lower = {known.lower(): known for known in sorted(self._known)}
        near = difflib.get_close_matches(key.lower(), lower, n=1)
        return f'; did you mean "{lower[near[0]]}"?' if near else ""

    def _credential_path(self, name: str, environ: Mapping[str, str]) -> Path:
        try:
            path = Path(name).expanduser()
        except RuntimeError:  # ~ of nobody: the file is told to be missing
            path = Path(name)
        return credential_path(path, beside=self.file.parent, environ=environ)

    def _secret_from(self, twin: str, path: Path) -> Secret:
        try:
            content = load_text(path).removesuffix("\n")
        except ConfigError as error:
            self.problem(twin, f"{path} {error.problems[0].what}")
            return Secret("")
        if not content:
            self.problem(twin, f"{path} is empty")
        return Secret(content)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _secret(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) else None


def _integer(value: object, *, accept_text: bool) -> int | None:
    if isinstance(value, bool):
        return None
    if accept_text and isinstance(value, str):
        return int(value) if _WHOLE_NUMBER.fullmatch(value.strip()) else None
    return value if isinstance(value, int) else None


def _number(value: object, *, accept_text: bool) -> float | None:
    whole = _integer(value, accept_text=accept_text)
    if whole is not None:
        return whole if _is_between(whole, -sys.float_info.max, sys.float_info.max) else None
    if accept_text and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def _is_between(number: float, minimum: float | None, maximum: float | None) -> bool:
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)


def _range(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of {minimum} or more"
    return "" if maximum is None else f" of {maximum} or less"


def _kind(value: object) -> str:
    """Return what kind of thing value is, for messages about what may be a secret."""
    names = {bool: "a truth value", str: "this text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: object) -> str:
    """Return value as the file has it, cut to a length fit for a message."""
    if isinstance(value, list | dict | Unusable):
        return _kind(value)
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
