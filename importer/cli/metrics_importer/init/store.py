"""The description of a store that `metrics-importer init` writes: what is asked is what its sink reads."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from importer.cli.metrics_importer.asked_keys import AskedKey, KeyRecorder, destination_keys
from importer.cli.metrics_importer.init.answers import Answers, Question, Terminal, TypedSecret, Value
from importer.credentials import Secret
from importer.errors import Problem, UsageError

_KEY_AND_VALUE = re.compile(r"([A-Za-z0-9_.]+)\s*=\s*(.+)")
_NAMELESS = Path("the store")


class StoreQuestions:
    """Asks for the keys of one store, until its sink has nothing to complain of."""

    def __init__(self, protocol: str, answers: Answers, *, state: Path, secret_file: str) -> None:
        """Relative paths begin at `state`; typed secrets go into files named by `secret_file`, with {key} in it."""
        self.description: dict[str, object] = {"protocol": protocol}
        self.secrets: dict[str, Secret] = {}
        """Typed secrets, by the names of the files that they have to be put into."""
        self._answers = answers
        self._state = state
        self._secret_file = secret_file

    def ask(self) -> dict[str, object]:
        """Return the description. Raises UsageError for flags that are no answers; those that lack are noted."""
        self._take_given()
        for key in self._required():
            self._put(key, is_optional=False)
        person = self._answers.person
        if person is not None:
            self._mend(person)
            self._offer(person)
        elif not self._answers.missing and (problems := self._problems()):
            raise UsageError("; ".join(map(_said, problems)))
        return self.description

    def _keys(self, more: Mapping[str, object] = MappingProxyType({})) -> KeyRecorder:
        """Return what the sink asks for, given what there is until now; typed secrets count as given."""
        content: dict[str, object] = dict(more)
        for name, value in self.description.items():
            if isinstance(value, str) and value in self.secrets:
                content[name.removesuffix("_file")] = self.secrets[value].reveal()
            else:
                content[name] = value
        return destination_keys(_NAMELESS, content, state=self._state)

    def _asked(self) -> dict[str, AskedKey]:
        return {name: key for name, key in self._keys().asked.items() if name != "protocol"}

    def _known(self, name: str) -> AskedKey | None:
        """Return a key that the sink reads, if only when it is given; None if it never does."""
        if name in self.description:
            return self._asked().get(name)
        keys = self._keys({name: "-"})
        return keys.asked.get(name) or (AskedKey(name, "text", is_required=False) if keys.is_read(name) else None)

    def _take_given(self) -> None:
        """Take what flags say of any key."""
        for name in self._answers.left():
            key = self._known(name)
            if key is not None:
                self._put(key, is_optional=False)

    def _names(self) -> list[str]:
        """Return the keys that the sink reads, and those of which it reads the one that is given."""
        return list(dict.fromkeys([*self._asked(), *_WAYS.get(str(self.description["protocol"]), ())]))

    def _required(self) -> list[AskedKey]:
        there = {name.removesuffix("_file") for name in self.description}
        return [key for name, key in self._asked().items() if key.is_required and name not in there]

    def _problems(self) -> list[Problem]:
        return self._keys().problems

    def _mend(self, person: Terminal) -> None:
        """Ask again for what the sink complains of; `other=value` answers with another key."""
        while problems := self._problems():
            problem = problems[0]
            person.tell(_said(problem))
            known = self._asked()
            if problem.key not in known:
                self._take_line(person.ask("key=value"), person)
                continue
            self.description = {name: value for name, value in self.description.items() if name != problem.key}
            question = Question(problem.key, f"{problem.key}, or another key=value", is_optional=True)
            if known[problem.key].kind == "secret":
                self._put(known[problem.key], is_optional=False)
            elif answer := self._answers.value(question):
                text = str(answer)
                self._take_line(text if _KEY_AND_VALUE.fullmatch(text) else f"{problem.key}={text}", person)

    def _offer(self, person: Terminal) -> None:
        """Let a person give keys that need not be there, one after the other."""
        while True:
            there = {name.removesuffix("_file") for name in self.description}
            more = [name for name in self._names() if name not in there]
            if not more:
                return
            person.tell(f"it may have, too: {', '.join(more)}")
            line = person.ask("key=value, the name of a secret alone, or Enter to go on")
            if not line:
                return
            before = dict(self.description)
            self._take_line(line, person)
            if problems := self._problems():
                person.tell(_said(problems[0]))
                if not _is_about_a_pair(problems[0]):
                    self.description = before

    def _take_line(self, line: str, person: Terminal) -> None:
        name, _, text = (part.strip() for part in line.partition("="))
        key = self._known(name) if name else None
        if key is None:
            person.tell(f"{name or line}: is not a key of this store")
        elif key.kind == "secret":
            self._put(key, is_optional=True)
        elif text:
            self._store(key, self._answers.typed(_question(key, is_optional=True), text, person))

    def _put(self, key: AskedKey, *, is_optional: bool) -> None:
        question = _question(key, is_optional=is_optional)
        if key.kind != "secret":
            self._store(key, self._answers.value(question))
            return
        answer = self._answers.secret(question)
        if isinstance(answer, TypedSecret):
            name = self._secret_file.format(key=key.name.replace(".", "-"))
            self.secrets[name] = answer.secret
            answer = name
        if answer is not None:
            self.description[f"{key.name}_file"] = answer

    def _store(self, key: AskedKey, value: Value | None) -> None:
        if value is not None:
            self.description[key.name] = value


_WAYS = {"prometheus": ("port", "pushgateway", "textfile")}
"""Keys of which a sink reads the one that is given, and does not ask for the others."""


def _question(key: AskedKey, *, is_optional: bool) -> Question:
    return Question(key.name, key.name, key.kind, is_optional=is_optional, choices=key.choices)


def _said(problem: Problem) -> str:
    return f"{problem.key}: {problem.what}" if problem.key else problem.what


def _is_about_a_pair(problem: Problem) -> bool:
    """Whether another key has to be given yet, for the one that was."""
    return "goes with" in problem.what or "together" in problem.what
