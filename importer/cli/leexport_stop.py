"""What `leexportpy stop` does."""

import argparse

from importer import daemon
from importer.cli.leexport import NAME
from importer.cli.leexport_start import pid_path
from importer.daemon import StopOutcome
from importer.errors import ExitCode, ImporterError
from importer.paths import DirectoryFinder, leexport_places

TIMEOUT_SECONDS = 10.0


def stop(_options: argparse.Namespace) -> ExitCode:
    """Stop the daemon, and return once it has ended; raises ImporterError where that cannot be done."""
    directory = DirectoryFinder(NAME, leexport_places()).existing_run()
    if directory is None or not pid_path(directory).exists():
        return _tell_none()
    path = pid_path(directory)
    print("Trying to terminate the daemon...", flush=True)
    outcome = daemon.stop(path, timeout_seconds=TIMEOUT_SECONDS)
    if outcome is StopOutcome.NOT_RUNNING:  # it has ended by itself meanwhile
        return _tell_none()
    if outcome is StopOutcome.STALE:
        print(f"Pid file found but no such process was found. The pid file was {path}")
    elif outcome is StopOutcome.STOPPED:
        print("Daemon terminated.")
    else:
        raise ImporterError(f"the daemon has not ended within {TIMEOUT_SECONDS:g} s; its pid is in {path}")
    return ExitCode.OK


def _tell_none() -> ExitCode:
    print(f"No {NAME} instance found so it could not be stopped.")
    return ExitCode.OK
