"""What a vendor's configuration is made of: questions, and the files that the answers become."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from importer.cli.metrics_importer.init.answers import Answers, Question, TypedSecret, Value
from importer.cli.metrics_importer.init.files import PlannedFile
from importer.cli.metrics_importer.projects import ConfigFile, chosen_projects
from importer.sinks import PROTOCOLS

Content = dict[str, Value]
"""Answers by key; a secret has a file, by its twin KEY_file."""


@dataclass(frozen=True, slots=True)
class Given:
    """All that was answered."""

    values: Content
    store: Mapping[str, object] | None
    """The description of the store; None where there is to be none, or one is there."""
    state: Path
    """Where relative paths of stores begin."""
    directory: Path
    """Where the files will be."""
    notes: list[str] = field(default_factory=list)
    """What has to be told once all is written."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A kind of configuration that can be written."""

    name: str
    project: str
    """Whose directory it is for."""
    what: str
    """In a few words."""
    questions: tuple[Question, ...]
    build: Callable[[Given], Sequence[PlannedFile]]
    """Returns the files; raises UsageError."""
    next_steps: Callable[[Content], Sequence[str]]
    """Returns command lines to be tried next; {directory} stands for that of the files.

    {environment} stands for what lets a command find it."""
    more: Callable[[Content, Answers], Sequence[Question]] = lambda _values, _answers: ()
    """Returns questions that follow from the first answers, and from flags."""
    stores: tuple[str, ...] = PROTOCOLS
    """Protocols that it can deliver to."""
    default_store: Callable[[Content], str | None] = lambda _values: "sqlite"
    """Returns what is offered; None: no store is needed."""
    main_file: str = ""
    """The file without which there is no such configuration, where its name does not depend on answers."""
    store_file: str = ""
    """Where the store is described, if others may share that file: it is left as it is unless a store is named."""


def ask_all(questions: Sequence[Question], answers: Answers, *, prefix: str) -> tuple[Content, list[PlannedFile]]:
    """Return the answers, and the files of secrets that were typed, named by a prefix and their key."""
    content: Content = {}
    files: list[PlannedFile] = []
    for question in questions:
        if question.kind != "secret":
            value = answers.value(question)
            if value is not None:
                content[question.key] = value
            continue
        secret = answers.secret(question)
        if isinstance(secret, TypedSecret):
            name = f"{prefix}-{question.key.rpartition('.')[2]}"
            files.append(PlannedFile(f"{question.folder}{name}", f"{secret.secret.reveal()}\n", is_secret=True))
            secret = name
        if secret is not None:
            content[f"{question.key}_file"] = secret
    return content, files


def as_json(content: object) -> str:
    """Return what a JSON file holds."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def checked_json(project: str, name: str, content: object, *, state: Path, at: str = "") -> PlannedFile:
    """Return a file that `metrics-importer check` knows by its name; written `at` another place if that is said."""
    return checked(project, name, as_json(content), state=state, at=at)


def checked(project: str, name: str, content: str, *, state: Path, at: str = "", is_kept: bool = False) -> PlannedFile:
    """Return the same of any format."""
    file = _config_file(project, name)
    return PlannedFile(at or name, content, lambda path: _check(file, path, state), is_kept=is_kept, is_known=True)


def _check(file: ConfigFile, path: Path, state: Path) -> None:
    """Read a file with the drop-ins beside it; raises ConfigError."""
    drop_ins = file.drop_ins
    check = drop_ins.check_together if drop_ins is not None and drop_ins.files(path.parent) else file.check
    check(path, state)


def described_store(vendor: Vendor, directory: Path) -> str:
    """Return the file, or the directory of drop-ins, where others may have described the store; empty if none has.

    Raises ConfigError for such a directory that cannot be read.
    """
    if not vendor.store_file:
        return ""
    if (directory / vendor.store_file).exists():
        return vendor.store_file
    drop_ins = _config_file(vendor.project, vendor.store_file).drop_ins
    return drop_ins.directory if drop_ins is not None and drop_ins.files(directory) else ""


def _config_file(project: str, name: str) -> ConfigFile:
    (chosen,) = chosen_projects(project)
    return next(file for file in chosen.config_files() if file.name == name)


def with_keys(content: Content, *keys: str) -> Content:
    """Return those of some keys, or of their twins, that were answered."""
    wanted = {name for key in keys for name in (key, f"{key}_file")}
    return {key: value for key, value in content.items() if key in wanted}
