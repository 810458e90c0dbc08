"""metrics-importer check: are the configuration files right, and does what they name answer?"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.projects import (
    Check,
    Checked,
    ConfigFile,
    DropIns,
    Project,
    add_project_option,
    chosen_projects,
)
from importer.errors import ConfigError, ExitCode, ImporterError, Problem, UsageError
from importer.paths import DirectoryFinder
from importer.stores import load_text

if TYPE_CHECKING:
    from importer.cli.command import SubCommands

_DESCRIPTION = """\
Read configuration files and say what is wrong with them: those that are found, or the
given ones, which are known by their names (graphite.json, or a temporary name that
holds it, such as .graphite.json.abc123: for puppet's validate_cmd), that of leexportpy
also by its sections [LE] and [Searches], that of stats-service by [app:main]. A file in
graphite.d, searches.d or services.d is known by its directory, and checked alone; what is
found is checked together with them.

Prints `ok FILE`, or on standard error a line for each mistake: FILE:LINE: key: what.
Exit code: 0 no mistakes, 1 something did not answer (--online), 78 a mistake or nothing
to check."""
_EXAMPLE = """\
  metrics-importer check --online
  metrics-importer check /tmp/graphite.json20161122-1234-abc"""


@dataclass(frozen=True, slots=True)
class _Target:
    """A file to be checked."""

    check: Check
    path: Path
    """What the check is given, whether it is there or not."""
    files: Sequence[Path]
    """What is read, if there is no mistake."""
    finder: DirectoryFinder


@dataclass(slots=True)
class _Result:
    """What came out, from the least grave to the gravest."""

    codes: set[ExitCode] = field(default_factory=lambda: {ExitCode.OK})

    def good(self, line: str) -> None:
        print(line, flush=True)  # in step with standard error where both go to one file

    def bad(self, line: object, code: ExitCode) -> None:
        self.codes.add(code)
        self.tell(line)

    def tell(self, line: object) -> None:
        from importer.credentials import redact

        print(redact(str(line)), file=sys.stderr)


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "check", help="find mistakes in configuration files", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="check these files alone")
    add_project_option(parser)
    parser.add_argument("--online", action="store_true", help="also log in at vendors and connect to destinations")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> ExitCode:
    """Check what the options name, or all that is found."""
    projects = chosen_projects(options.project)
    result = _Result()
    targets = _given(options.files, projects) if options.files else list(_found(projects, result))
    for target in targets:
        checked = _check(target, result, online=options.online)
        if options.online:
            _probe(checked, result)
    return max(result.codes)


def _given(paths: Sequence[Path], projects: Sequence[Project]) -> list[_Target]:
    """Return the files of the command line; raises UsageError for one that neither content nor name tells."""
    known = [(file, project.finder()) for project in projects for file in project.config_files()]
    targets = []
    for path in paths:
        fitting = _fitting(path, known)
        if fitting is None:
            names = ", ".join(sorted({file.name for file, _ in known}))
            raise UsageError(f"{path}: not the name of a configuration file; known are: {names}")
        check, finder = fitting
        targets.append(_Target(check, path, [path], finder))
    return targets


def _fitting(path: Path, known: Sequence[tuple[ConfigFile, DirectoryFinder]]) -> tuple[Check, DirectoryFinder] | None:
    """Return how to check a file: by its directory if that is one for drop-ins, by its content, by its name."""
    drop_ins = [(file.drop_ins, finder) for file, finder in known if file.drop_ins is not None]
    text = _text(path)
    for one, finder in drop_ins:
        if path.absolute().parent.name == one.directory:
            return one.check, finder
    fitting = [(file, finder) for file, finder in known if file.is_content(text)]
    fitting = fitting or [(file, finder) for file, finder in known if file.name in path.name]
    if fitting:
        file, finder = max(fitting, key=lambda fit: len(fit[0].name))
        return file.check, finder
    return next(((one.check, finder) for one, finder in drop_ins if one.is_content(text)), None)


def _text(path: Path) -> str:
    """Return what is in a file, an empty text for one that cannot be read."""
    try:
        return load_text(path)
    except ConfigError:
        return ""


def _found(projects: Sequence[Project], result: _Result) -> Iterator[_Target]:
    """Yield the files of each project that is configured; raises ConfigError when none is."""
    unconfigured: list[Problem] = []
    checked: set[Path] = set()
    for project in projects:
        finder, files = project.finder(), project.config_files()
        try:
            directory = finder.config()
        except ConfigError as error:
            unconfigured += error.problems
            continue
        finally:
            for warning in finder.warnings:
                result.tell(f"warning: {warning}")
        targets = {file.name: _found_target(file, directory, finder) for file in files}
        present = [target for target in targets.values() if target.files]
        if not any(targets[file.name].files for file in files if not file.is_shared):
            unconfigured.append(_nothing_in(directory, project, files))
            continue
        _tell_absent(project, directory, [file for file in files if not targets[file.name].files], result)
        yield from (target for target in present if target.path not in checked)
        checked |= {target.path for target in present}
    if len(unconfigured) == len(projects):
        raise ConfigError(unconfigured)


def _found_target(file: ConfigFile, directory: Path, finder: DirectoryFinder) -> _Target:
    """Return what is to be checked of a file and its drop-ins; without files where there is none of them."""
    path = directory / file.name
    own = [path] if os.path.lexists(path) else []
    drop_ins = _drop_ins_of(file.drop_ins, directory) if file.drop_ins else []
    check = file.drop_ins.check_together if file.drop_ins and drop_ins else file.check
    return _Target(check, path, [*own, *drop_ins], finder)


def _drop_ins_of(drop_ins: DropIns, directory: Path) -> list[Path]:
    try:
        return drop_ins.files(directory)
    except ConfigError:  # the check will say so, unless the whole directory is closed to us
        return [directory / drop_ins.directory] if os.access(directory, os.X_OK) else []


def _nothing_in(directory: Path, project: Project, files: Sequence[ConfigFile]) -> Problem:
    if not os.access(directory, os.X_OK):
        return Problem(directory, "cannot be looked into: permission denied")
    names = ", ".join(file.name for file in files)
    return Problem(directory, f"holds no configuration file of {project.name}: {names}")


def _tell_absent(project: Project, directory: Path, absent: Sequence[ConfigFile], result: _Result) -> None:
    """Tell which commands lack which files: a mistake if no command of the project is left that can run."""
    lacking = {command for file in absent for command in file.commands}
    for file in absent:
        commands = ", ".join(command for command in project.commands if command in file.commands)
        if not commands:
            continue
        if lacking >= set(project.commands):
            result.bad(Problem(directory / file.name, f"does not exist; needed by {commands}"), ExitCode.CONFIG)
        else:
            result.good(f"absent {directory / file.name}: needed by {commands}")


def _check(target: _Target, result: _Result, *, online: bool) -> Checked:
    """Tell what is wrong with a file, and return what is left to be tried."""
    try:
        checked = target.check(target.path, _state(target.finder, online=online))
    except ConfigError as error:
        for problem in error.problems:
            result.bad(problem, error.exit_code)
        return Checked()
    for path in target.files:
        result.good(f"ok {path}")
    for warning in checked.warnings:
        result.tell(f"warning: {warning}")
    return checked


def _state(finder: DirectoryFinder, *, online: bool) -> Path:
    """Return the state directory; where there is none, only what is tried for real makes one."""
    return finder.state() if online else finder.existing_state() or Path()


def _probe(checked: Checked, result: _Result) -> None:
    for probe in checked.probes:
        try:
            result.good(f"ok {probe()}")
        except ImporterError as error:
            result.bad(error, ExitCode.FAILED)
