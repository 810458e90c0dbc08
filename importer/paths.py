"""The one look-up of configuration, cache, log, state and run directories, the same for every command."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from importer.errors import ConfigError, Problem, UsageError, one_line


class Kind(Enum):
    """What a directory is for, with the variables that name it: the user's, and the one systemd sets."""

    CONFIG = ("configuration", "CONFIG_DIR", "CONFIGURATION_DIRECTORY")
    CACHE = ("cache", "CACHE_DIR", "CACHE_DIRECTORY")
    LOG = ("log", "LOG_DIR", "LOGS_DIRECTORY")
    STATE = ("state", "STATE_DIR", "STATE_DIRECTORY")
    RUN = ("run", "PID_DIR", "RUNTIME_DIRECTORY")

    def __init__(self, label: str, variable: str, systemd_variable: str) -> None:
        self.label = label
        self.variable = variable
        self.systemd_variable = systemd_variable


Places = Mapping[Kind, tuple[str, ...]]
"""Where a command looks when no variable tells, first to last.

`{project}` is filled in; a place begins with `~/` (home), `./` (working directory) or `/`.
"""

_STATE_PLACES = ("/var/lib/{project}",)


def apteligent_places(platform: str = sys.platform) -> Places:
    """Return the places where the Apteligent commands have always looked; macOS has its own."""
    if platform == "darwin":
        return {
            Kind.CONFIG: ("~/Library/{project}", "~/.{project}", "./config", "/etc/{project}"),
            Kind.CACHE: ("./cache", "~/Library/Caches/{project}"),
            Kind.LOG: ("./log", "~/Library/Logs/{project}"),
            Kind.STATE: _STATE_PLACES,
        }
    return {
        Kind.CONFIG: ("~/.{project}", "./config", "/etc/{project}"),
        Kind.CACHE: ("./cache", "/var/cache/{project}"),
        Kind.LOG: ("./log", "/var/log/{project}"),
        Kind.STATE: _STATE_PLACES,
    }


def leexport_places() -> Places:
    """Return the places where leexportpy has always looked; its configuration file is named on its command line."""
    return {
        Kind.CONFIG: ("/etc/{project}",),
        Kind.CACHE: ("/var/cache/{project}",),
        Kind.LOG: ("/var/log",),
        Kind.STATE: _STATE_PLACES,
        Kind.RUN: ("/var/run",),
    }


def service_places() -> Places:
    """Return the places of a service whose configuration file is named on its command line: those of the system."""
    return {
        Kind.CONFIG: ("/etc/{project}",),
        Kind.CACHE: ("/var/cache/{project}",),
        Kind.LOG: ("/var/log/{project}",),
        Kind.STATE: _STATE_PLACES,
    }


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no HOME, and a user without an entry in passwd, as in many containers
        return None


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # somebody removed it under us
        return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the look-up depends on outside of its arguments: this process's, unless a test says otherwise."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    home: Path | None = field(default_factory=_home)
    working_directory: Path | None = field(default_factory=_working_directory)
    user_id: int = field(default_factory=os.geteuid)
    root: Path = Path("/")
    """Taken for the `/` that absolute places and `/tmp` begin with."""


@dataclass(frozen=True, slots=True)
class Directories:
    """Where a command finds and keeps its files; all of them exist."""

    config: Path
    cache: Path
    log: Path
    state: Path
    warnings: tuple[str, ...]
    """What was passed over and why, one line each, to be logged once the log is open."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    path: Path
    variable: str = ""
    """What named it; empty for one of the old places."""

    def __str__(self) -> str:
        return f"{self.variable}={self.path}" if self.variable else str(self.path)


class DirectoryFinder:
    """Looks up the directories of one project, each kind once.

    `warnings` grows with every look-up: what was passed over, and a makeshift directory in use.
    """

    def __init__(self, project: str, places: Places | None = None, *, surroundings: Surroundings | None = None) -> None:
        if project in {"", ".", ".."} or "/" in project or not project.isprintable():
            raise UsageError(f"project {one_line(repr(project))}: a directory name is expected, without any /")
        self.project = project
        self.warnings: list[str] = []
        self._places = apteligent_places() if places is None else places
        self._surroundings = surroundings or Surroundings()
        self._found: dict[Kind, Path | None] = {}
        self._makeshift: Path | None = None

    def config(self) -> Path:
        """Return the configuration directory; ConfigError names what was tried when there is none."""
        found = self.existing(Kind.CONFIG)
        if found is not None:
            return found
        tried = ", ".join(map(str, self._candidates(Kind.CONFIG))) or "no place"
        what = f"not found: set {Kind.CONFIG.variable} or make one of the directories tried: {tried}"
        raise ConfigError(Problem(f"{Kind.CONFIG.label} directory", what))

    def cache(self) -> Path:
        """Return a writable cache directory; ConfigError when not even a makeshift one can be had."""
        return self.existing(Kind.CACHE) or self._makeshift_directory()

    def log(self) -> Path:
        """Return a writable log directory; ConfigError when not even a makeshift one can be had."""
        return self.existing(Kind.LOG) or self._makeshift_directory()

    def run(self) -> Path:
        """Return a writable directory for pid files; ConfigError when not even a makeshift one can be had."""
        return self.existing(Kind.RUN) or self._makeshift_directory()

    def state(self) -> Path:
        """Return a writable directory for outbox and cursors: the cache directory where there is no other.

        ConfigError where a variable names one that is there and cannot be written.
        """
        return self.existing(Kind.STATE) or self.cache()

    def existing_state(self) -> Path | None:
        """Return what `state` would, or None where it would have to be made: for looking at an outbox."""
        return self.existing(Kind.STATE) or self.existing(Kind.CACHE) or self._existing_makeshift()

    def existing_run(self) -> Path | None:
        """Return what `run` would, or None where it would have to be made: for stopping a process."""
        return self.existing(Kind.RUN) or self._existing_makeshift()

    def _existing_makeshift(self) -> Path | None:
        return self._makeshift_directory() if os.path.lexists(self._makeshift_path()) else None

    def existing(self, kind: Kind) -> Path | None:
        """Return the first usable directory of a kind, or None. Makes nothing; ConfigError as `state` says."""
        if kind not in self._found:
            usable = (candidate.path for candidate in self._candidates(kind) if self._is_usable(kind, candidate))
            self._found[kind] = next(usable, None)
        return self._found[kind]

    def candidates(self, kind: Kind) -> list[Path]:
        """Return every place that is looked at for a kind, first to last, whether it can be used or not."""
        return [candidate.path for candidate in self._candidates(kind)]

    def _candidates(self, kind: Kind) -> Iterator[_Candidate]:
        for variable in (kind.variable, kind.systemd_variable):
            value = self._surroundings.environ.get(variable, "")
            if variable == kind.systemd_variable:
                value = value.partition(":")[0]  # systemd names all directories of a unit, ours is the first
            if value:
                yield self._named(variable, value)
        for place in self._places.get(kind, ()):
            start, _, rest = place.format(project=self.project).partition("/")
            base = {
                "": self._surroundings.root,
                "~": self._surroundings.home,
                ".": self._surroundings.working_directory,
            }
            if (directory := base[start]) is not None:
                yield _Candidate(directory / rest)

    def _named(self, variable: str, value: str) -> _Candidate:
        return _Candidate((self._surroundings.working_directory or self._surroundings.root) / value, variable)

    def _is_usable(self, kind: Kind, candidate: _Candidate) -> bool:
        if not _is_directory(candidate.path):
            if candidate.variable:
                self._warn(f"passed over {candidate}: no such directory")
            return False
        if kind is Kind.CONFIG or _is_writable(candidate.path):
            return True
        if (
            kind is Kind.STATE and candidate.variable
        ):  # elsewhere what waits in it would not be found, and could be lost
            what = f"{one_line(candidate.path)} is not a directory that can be written"
            raise ConfigError(Problem(candidate.variable, what))
        self._warn(f"passed over {candidate} as {kind.label} directory: not writable")
        return False

    def _makeshift_directory(self) -> Path:
        """Return <tmp>/<project>-<uid>, made where it is not there; warned of once, whatever it serves."""
        if self._makeshift is None:
            path = self._makeshift_path()
            make_private(path, self._surroundings.user_id)
            self._warn(f"no other directory can be written: using {path}, which may be emptied at any time")
            self._makeshift = path
        return self._makeshift

    def _makeshift_path(self) -> Path:
        return self._temporary_directory() / f"{self.project}-{self._surroundings.user_id}"

    def _temporary_directory(self) -> Path:
        value = self._surroundings.environ.get("TMPDIR", "")
        if value:
            candidate = self._named("TMPDIR", value)
            if _is_directory(candidate.path):
                return candidate.path
            self._warn(f"passed over {candidate}: no such directory")
        return self._surroundings.root / "tmp"

    def _warn(self, text: str) -> None:
        line = one_line(text)
        if line not in self.warnings:
            self.warnings.append(line)


def find_directories(
    project: str, places: Places | None = None, *, surroundings: Surroundings | None = None
) -> Directories:
    """Return all that a command with a configuration directory needs; makes none but the makeshift one.

    Raises ConfigError when there is no configuration directory or no safe place for the others.
    """
    finder = DirectoryFinder(project, places, surroundings=surroundings)
    config, cache, log, state = finder.config(), finder.cache(), finder.log(), finder.state()
    return Directories(config, cache, log, state, warnings=tuple(finder.warnings))


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a home directory that is closed to this user, as under ProtectHome=
        return False


def _is_writable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)


def make_private(path: Path, user_id: int) -> None:
    """Make a directory that nobody else can enter, or see that the one there is as safe. Raises ConfigError.

    Anybody can put anything below /tmp beforehand, so what is there is looked at without following links.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        _refuse_foreign(path, path.lstat(), user_id)
    except OSError as error:
        raise ConfigError(Problem(path, f"cannot be made: {error.strerror}")) from error


def _refuse_foreign(path: Path, found: os.stat_result, user_id: int) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(Problem(path, "is not a directory (or a link to one): remove it"))
    if found.st_uid != user_id:
        raise ConfigError(Problem(path, f"belongs to user {found.st_uid}, not to {user_id}: remove it"))
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(Problem(path, "can be written by others: chmod 700 it"))
