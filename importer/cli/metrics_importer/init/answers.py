"""What `metrics-importer init` is told: by flags, and where they leave something open, by a person at a terminal."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from importer.credentials import Secret
from importer.errors import ImporterError, UsageError, one_line

STORE = "store."
"""Begins the names of keys of the store, where the vendor has keys of the same name."""

Value = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True)
class Question:
    """A key that a configuration needs, or may have."""

    key: str
    what: str
    """For people: what it is."""
    kind: str = "text"
    """What it holds: text, number, truth value, list, or secret."""
    default: Value | None = None
    """What is written when nothing is said; None: something has to be said, unless it is optional."""
    is_optional: bool = False
    choices: tuple[str, ...] = ()
    folder: str = ""
    """Where the file that names a secret lies, below the configuration directory; with a slash at its end."""


@dataclass(frozen=True, slots=True)
class TypedSecret:
    """A secret that has to be put into a file of its own."""

    secret: Secret


class Terminal:
    """A person who can be asked. Raises ImporterError when it is interrupted or has ended."""

    def ask(self, prompt: str) -> str:
        """Return a line that is typed, without white space around."""
        return self._answered(lambda: input(f"{prompt}: "))

    def ask_secret(self, prompt: str) -> str:
        """Return a line that is typed and not shown."""
        from getpass import getpass  # on use: it is for terminals alone

        return self._answered(lambda: getpass(f"{prompt} (not shown): "))

    def tell(self, line: str) -> None:
        """Show a line."""
        print(one_line(line), file=sys.stderr)

    def _answered(self, read: Callable[[], str]) -> str:
        while True:
            try:
                text = read().strip()
                text.encode()  # in some locales Python reads any bytes
                return text
            except UnicodeError:
                self.tell("that is not UTF-8; type it again")
            except (EOFError, KeyboardInterrupt) as error:
                print(file=sys.stderr)
                raise ImporterError("interrupted; nothing was written") from error


def terminal() -> Terminal | None:
    """Return who can be asked; None where standard input or output is no terminal."""
    return Terminal() if sys.stdin.isatty() and sys.stdout.isatty() else None


def parse_value(text: str, kind: str) -> Value:
    """Return what a text means for a key of a kind; raises ValueError, saying what would be right.

    >>> [parse_value(*pair) for pair in (("500", "number"), ("a, b", "list"), ("yes", "truth value"))]
    [500, ['a', 'b'], True]
    """
    if kind == "number":
        try:
            return int(text) if text.lstrip("+-").isdigit() else float(text)
        except ValueError as error:
            raise ValueError("is not a number") from error
    if kind == "truth value":
        truths = {"true": True, "yes": True, "false": False, "no": False}
        if text.lower() not in truths:
            raise ValueError("is not true or false")
        return truths[text.lower()]
    if kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


@dataclass
class Answers:
    """The flags, by key, and who can be asked beside; what is taken from them is noted."""

    texts: Mapping[str, str]
    """Of --set."""
    secret_files: Mapping[str, str]
    """Of --secret-file; `-` is standard input."""
    person: Terminal | None = None
    missing: list[str] = field(default_factory=list)
    """The flags that would have to be given."""
    _used: set[str] = field(default_factory=set)
    _prefixes: Sequence[str] = ("",)

    def of_store(self) -> "Answers":
        """Return the answers for the store: a key may have the prefix `store.`, to tell it from the vendor's."""
        return Answers(self.texts, self.secret_files, self.person, self.missing, self._used, _prefixes=(STORE, ""))

    def left(self) -> list[str]:
        """Return the keys that flags give and nobody has taken, without the prefix of the store."""
        names = (name for name in (*self.texts, *self.secret_files) if name not in self._used)
        return list(dict.fromkeys(name.removeprefix(STORE) for name in names))

    def given_beginning(self, prefix: str) -> list[str]:
        """Return the keys that begin so, which flags give and nobody has taken."""
        found = [key for key in (*self.texts, *self.secret_files) if key.startswith(prefix) and len(key) > len(prefix)]
        return [key for key in dict.fromkeys(found) if key not in self._used]

    def value(self, question: Question) -> Value | None:
        """Return the answer to a question about what is no secret; None for an optional one that has none.

        Raises UsageError for a flag that is no answer; notes in `missing` what cannot be asked.
        """
        name = self._flag(self.texts, question.key)
        if name is not None:
            self._used.add(name)
            return self._parsed(question, self.texts[name])
        if self.person is not None:
            return self._asked(question, self.person)
        if question.default is None and not question.is_optional:
            self.missing.append(f"--set {self._prefixes[0]}{question.key}=...")
        return question.default

    def secret(self, question: Question) -> str | TypedSecret | None:
        """Return a secret, or the file where it is; None for an optional one that is not there. Raises as `value`."""
        name = self._flag(self.secret_files, question.key)
        if name is not None:
            self._used.add(name)
            path = self.secret_files[name]
            return TypedSecret(_from_standard_input()) if path == "-" else _lasting(path, question.key)
        if self._flag(self.texts, question.key) is not None:
            what = f"--set {question.key}: everybody can see a command line"
            raise UsageError(f"{what}; give --secret-file {self._prefixes[0]}{question.key}=FILE")
        if self.person is not None:
            text = self._asked_secret(question, self.person)
            return TypedSecret(Secret(text)) if text else None
        if not question.is_optional:
            self.missing.append(f"--secret-file {self._prefixes[0]}{question.key}=FILE")
        return None

    def typed(self, question: Question, text: str, person: Terminal) -> Value | None:
        """Return what a person has typed as an answer; None, once that is told, for what is none."""
        try:
            return self._parsed(question, text)
        except UsageError as error:
            person.tell(str(error).removeprefix("--set "))
            return None

    def finish(self) -> None:
        """Raise UsageError, in one line, for what is missing, or else for flags that nothing has asked for."""
        if self.missing:
            raise UsageError(f"missing: {', '.join(dict.fromkeys(self.missing))}")
        unused = [key for key in (*self.texts, *self.secret_files) if key not in self._used]
        if unused:
            raise UsageError(f"not known here: {', '.join(unused)}")

    def _flag(self, flags: Mapping[str, str], key: str) -> str | None:
        names = (f"{prefix}{key}" for prefix in self._prefixes)
        return next((name for name in names if name in flags and name not in self._used), None)

    def _parsed(self, question: Question, text: str) -> Value:
        try:
            value = parse_value(text, question.kind)
        except ValueError as error:
            raise UsageError(f"--set {question.key}: {text!r:.60} {error}") from error
        if question.choices and value not in question.choices:
            raise UsageError(f"--set {question.key}: {text!r:.60} is not one of {', '.join(question.choices)}")
        return value

    def _asked(self, question: Question, person: Terminal) -> Value | None:
        """Ask until there is an answer."""
        hint = f" ({', '.join(question.choices)})" if question.choices else ""
        shown = ", ".join(question.default) if isinstance(question.default, list) else question.default
        default = f" [{shown}]" if shown is not None else " [none]" if question.is_optional else ""
        while True:
            text = person.ask(f"{question.what}{hint}{default}")
            if not text and (question.is_optional or question.default is not None):
                return question.default
            if text and (value := self.typed(question, text, person)) is not None:
                return value

    def _asked_secret(self, question: Question, person: Terminal) -> str:
        while True:
            text = person.ask_secret(f"{question.what}{' [none]' if question.is_optional else ''}")
            if text or question.is_optional:
                return text


def _lasting(name: str, key: str) -> str:
    """Return the whole path of a file; raises UsageError for one of a shell's, as `<(...)`, which ends with it."""
    path = Path(name).absolute()
    if path.is_relative_to("/dev") or path.is_relative_to("/proc"):
        raise UsageError(f"--secret-file {key}: {path} does not last; give {key}=- and the secret as standard input")
    return str(path)


def _from_standard_input() -> Secret:
    text = sys.stdin.readline().rstrip("\n")
    if not text:
        raise UsageError("--secret-file: standard input is empty")
    return Secret(text)
