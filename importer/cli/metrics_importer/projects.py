"""What metrics-importer looks at: the projects, their commands, and where these keep outboxes and configuration."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from importer.drop_ins import drop_in_files
from importer.errors import Problem, UsageError
from importer.paths import DirectoryFinder, Places, apteligent_places, leexport_places, service_places

if TYPE_CHECKING:
    from importer.sinks.base import Sink

Probe = Callable[[], str]
"""Asks a vendor or a store that a file names, and returns what it found, a line; raises ImporterError."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What is left to say and to try about a configuration file without mistakes."""

    warnings: tuple[Problem, ...] = ()
    """What a person should know, and what stops no command of today."""
    probes: tuple[Probe, ...] = ()


def probes_of(sinks: "Iterable[Sink]") -> tuple[Probe, ...]:
    """Return a probe of each sink, which closes it again."""
    return tuple(partial(_probe, sink) for sink in sinks)


def _probe(sink: "Sink") -> str:
    with closing(sink):
        return sink.check()


Check = Callable[[Path, Path], Checked]
"""Reads the file at the first path; the second is the state directory. Raises ConfigError."""


@dataclass(frozen=True, slots=True)
class DropIns:
    """The directory whose files add to a configuration file."""

    directory: str
    """Its name; it lies beside the file."""
    suffix: str
    """How the names of its files end."""
    check: Check
    """Reads one of its files, without the others."""
    check_together: Check
    """Reads the configuration file with all of them; the file itself may be missing if it can."""
    is_content: Callable[[str], bool] = lambda _text: False
    """Whether a text is such a file's, whatever its name and directory."""

    def files(self, directory: Path) -> list[Path]:
        """Return its files, by name, where it lies in this directory; raises ConfigError if it cannot be read."""
        return drop_in_files(directory / self.directory, self.suffix)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file of a project, known by its name."""

    name: str
    check: Check
    """Reads the file, without its drop-ins."""
    commands: tuple[str, ...] = ()
    """Those that cannot run without it."""
    is_content: Callable[[str], bool] = lambda _text: False
    """Whether a text is such a file's, whatever its name."""
    drop_ins: DropIns | None = None
    is_shared: bool = False
    """Whether all projects have such a file; by itself it does not make one of them configured."""


def _check_self_metrics(path: Path, _state: Path) -> Checked:
    from importer.self_metrics.settings import read_settings  # on use, like the files of a project

    directory = read_settings(path).textfile
    if directory is None or directory.is_dir():
        return Checked()
    return Checked((Problem(path, f"{directory} is not a directory yet", key="textfile"),))


_SELF_METRICS = ConfigFile("self-metrics.json", _check_self_metrics, is_shared=True)
"""The same for every project: see `importer.self_metrics`."""


@dataclass(frozen=True, slots=True)
class Project:
    """A family of commands that share directories and configuration files."""

    name: str
    """Names the directories."""
    commands: tuple[str, ...]
    """Those that keep an outbox, each in a file `<command>.outbox` of the state directory."""
    files: str
    """`module:name` of its ConfigFiles, imported on use."""
    places: Callable[[], Places] = field(default=apteligent_places)
    """Where it looks for its directories."""

    def finder(self) -> DirectoryFinder:
        """Return the look-up of this project's directories; raises UsageError for a name that cannot be one."""
        return DirectoryFinder(self.name, self.places())

    def config_files(self) -> Sequence[ConfigFile]:
        """Return the configuration files that the project knows."""
        module_name, _, name = self.files.partition(":")
        files: Sequence[ConfigFile] = getattr(import_module(module_name), name)
        return [*files, _SELF_METRICS]


_APTELIGENT = Project(
    "apteligent-importer",
    ("dailyjobs", "livestats", "groupedby", "servicestats", "pingdom"),
    "importer.cli.apteligent.files:FILES",
)

_LEEXPORT = Project("leexportpy", ("leexportpy",), "importer.cli.leexport.files:FILES", leexport_places)

_STATS_SERVICE = Project(
    "stats-service",
    ("stats-service", "stats-service-consume"),
    "importer.cli.stats_service.files:FILES",
    service_places,
)

_CTON = Project("collectington", ("cton",), "importer.cli.cton.files:FILES", service_places)

_PP_COLLECTOR = Project("pp-collector", ("pp-collector",), "importer.cli.pp_collector.files:FILES", service_places)

PROJECTS = {project.name: project for project in (_APTELIGENT, _LEEXPORT, _CTON, _PP_COLLECTOR, _STATS_SERVICE)}
"""Every project by its usual name."""

REPLAY = "replay"
"""A sub-command of metrics-importer that keeps an outbox in the state directory whose store it reads."""


@dataclass(frozen=True, slots=True)
class OutboxFile:
    """Where a command keeps its outbox; the file exists."""

    project: str
    command: str
    path: Path

    def damaged(self) -> list[Path]:
        """Return the damaged files that were set aside beside it, oldest first."""
        found = self.path.parent.glob(f"{self.path.name}.damaged-*")
        return sorted(path for path in found if not path.name.endswith(("-wal", "-shm")))


@dataclass(slots=True)
class StateFiles:
    """What was found in the state directories of some projects."""

    directories: list[Path] = field(default_factory=list)
    outboxes: list[OutboxFile] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What was passed over, and may hide an outbox."""


def add_project_option(parser: argparse.ArgumentParser) -> None:
    """Give a parser the option -p, whose value `chosen_projects` takes."""
    parser.add_argument("-p", "--project", metavar="NAME", help=f"look at this project alone ({', '.join(PROJECTS)})")


def chosen_projects(name: str | None) -> list[Project]:
    """Return the project of a name, or all for None. One with a name of the user's own is as the first of all."""
    if name is None:
        return list(PROJECTS.values())
    return [PROJECTS.get(name) or replace(_APTELIGENT, name=name)]


def find_state(projects: Sequence[Project]) -> StateFiles:
    """Return the state directories that exist and the outboxes in them; makes nothing.

    Raises UsageError for a project name that cannot be one, and ConfigError for a makeshift directory that is unsafe.
    """
    found = StateFiles()
    for project in projects:
        finder = project.finder()
        directory = finder.existing_state()
        if directory is not None:
            known = {outbox.path for outbox in found.outboxes}  # projects may share a directory, and so a replay
            found.outboxes += [outbox for outbox in _outboxes(project, directory) if outbox.path not in known]
            if directory not in found.directories:
                found.directories.append(directory)
        found.warnings += [warning for warning in finder.warnings if warning not in found.warnings]
    return found


def find_outboxes(options: argparse.Namespace) -> list[OutboxFile]:
    """Return the outboxes that -p and -c choose; raises UsageError where -c names a command that has none."""
    projects = chosen_projects(options.project)
    outboxes = find_state(projects).outboxes
    if options.command is None:
        return outboxes
    chosen = [outbox for outbox in outboxes if outbox.command == options.command]
    if not chosen:
        names = ", ".join(outbox.command for outbox in outboxes) or "no command"
        raise UsageError(f"no outbox of {options.command}; there is one of: {names}")
    return chosen


def _outboxes(project: Project, directory: Path) -> Iterator[OutboxFile]:
    for command in (*project.commands, REPLAY):
        path = directory / f"{command}.outbox"
        if path.exists():
            yield OutboxFile(project.name, command, path)
