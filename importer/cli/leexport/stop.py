"""What `leexportpy stop` does."""

import argparse
import os
from pathlib import Path
from typing import assert_never

from importer import daemon
from importer.cli.leexport.main import NAME, pid_path
from importer.daemon import StopOutcome
from importer.errors import ExitCode, ImporterError
from importer.paths import DirectoryFinder, Kind, leexport_places

TIMEOUT_SECONDS = 10.0


def stop(_options: argparse.Namespace) -> ExitCode:
    """Stop the daemon, and return once it has ended; raises ImporterError where that cannot be done."""
    path = _find_pid_file(DirectoryFinder(NAME, leexport_places()))
    if path is None:
        return _tell_none()
    print("Trying to terminate the daemon...", flush=True)
    outcome = daemon.stop(path, timeout_seconds=TIMEOUT_SECONDS)
    if outcome is StopOutcome.NOT_RUNNING:  # it has ended by itself meanwhile
        return _tell_none()
    if outcome is StopOutcome.STALE:
        print(f"Pid file found but no such process was found. The pid file was {path}")
    elif outcome is StopOutcome.STOPPED:
        print("Daemon terminated.")
    elif outcome is StopOutcome.STILL_RUNNING:
        raise ImporterError(f"the daemon has not ended within {TIMEOUT_SECONDS:g} s; its pid is in {path}")
    else:
        assert_never(outcome)
    return ExitCode.OK


def _find_pid_file(finder: DirectoryFinder) -> Path | None:
    """Return the pid file where `start -d` of this user puts it, else where another user's has; None without any."""
    own = finder.existing_run()
    directories = [*([own] if own is not None else []), *finder.candidates(Kind.RUN)]
    return next((path for path in map(pid_path, directories) if os.path.lexists(path)), None)


def _tell_none() -> ExitCode:
    print(f"No {NAME} instance found so it could not be stopped.")
    return ExitCode.OK
