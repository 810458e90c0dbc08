"""Where the stats service keeps its outbox."""

import os
from collections.abc import Mapping
from pathlib import Path

from importer.config import ObjectReader
from importer.errors import ConfigError, Problem
from importer.events.settings.ini_file import IniFile
from importer.paths import DirectoryFinder, Kind

PROJECT = "stats-service"
"""Names directories, outbox and command."""

_KEY = "stats_service.state_dir"


def read_state_directory(
    keys: ObjectReader, ini: IniFile, finder: DirectoryFinder, *, environ: Mapping[str, str], make: bool
) -> Path:
    """Return the directory that stats_service.state_dir names, or else what `finder` finds.

    With `make` one that the key, STATE_DIR or CACHE_DIR names is made where it is missing, and so is a makeshift
    one. Adds to `keys.problems` what is wrong.
    """
    text = keys.text(_KEY, None)
    if text is None:
        return _found(keys, finder, environ, make=make)
    path = ini.resolved(text)
    if make and (trouble := _make(path)):
        keys.problem(_KEY, trouble)
    elif os.path.lexists(path) and not _is_writable_directory(path):
        keys.problem(_KEY, f"{path} is not a directory that can be written")
    return path


def _found(keys: ObjectReader, finder: DirectoryFinder, environ: Mapping[str, str], *, make: bool) -> Path:
    try:
        if not make:
            return finder.existing_state() or Path()
        _make_named(Kind.STATE, environ)
        if finder.existing(Kind.STATE) is None:
            _make_named(Kind.CACHE, environ)
        return finder.state()
    except ConfigError as error:
        keys.problems += error.problems
        return Path()


def _make_named(kind: Kind, environ: Mapping[str, str]) -> None:
    """Make the directory that the variable of a kind names. Raises ConfigError."""
    name = environ.get(kind.variable)
    if name and (trouble := _make(Path(name))):
        raise ConfigError(Problem(kind.variable, trouble))


def _make(path: Path) -> str:
    """Make a directory for its owner alone, if it is missing; return why that failed, empty if it did not."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        return f"{path} is not a directory"
    except OSError as error:
        return f"{path} cannot be made: {error.strerror}"
    except ValueError:
        return "is not the name of a directory"
    return ""


def _is_writable_directory(path: Path) -> bool:
    try:
        return path.is_dir() and os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
    except OSError:  # a link to where this user may not look
        return False
