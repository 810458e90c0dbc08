"""The files by which pp-collector logs in to Google Analytics, written for their owner alone."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from importer.credentials import register
from importer.errors import ConfigError, ImporterError, Problem
from importer.stores import load_json, write_private

FOLDER_MODE = 0o700
_SERVICE_ACCOUNT_KEYS = ("client_email", "private_key", "token_uri")


class CredentialFiles:
    """What is written below a directory: `ga.json`, and for an application `ga/storage.db`, `ga/client_secret.json`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.credentials = self.directory / "ga.json"
        self.storage = self.directory / "ga" / "storage.db"
        self.client_secret = self.directory / "ga" / "client_secret.json"

    def write_application(
        self, client_secret: Mapping[str, object], storage: Mapping[str, object], *, overwrite: bool
    ) -> list[Path]:
        """Write the files of an application, and return which they are; raises ImporterError."""
        contents: dict[Path, Mapping[str, object]] = {
            self.client_secret: client_secret,
            self.storage: storage,
            self.credentials: {"CLIENT_SECRETS": str(self.client_secret), "STORAGE_PATH": str(self.storage)},
        }
        return self._write(contents, overwrite=overwrite)

    def write_service_account(self, key: Path, *, overwrite: bool) -> list[Path]:
        """Write the file that leads to the key of a service account; raises ImporterError, ConfigError for the key."""
        path = key.absolute()
        check_service_account(path)
        return self._write({self.credentials: {"SERVICE_ACCOUNT": str(path)}}, overwrite=overwrite)

    def check_absent(self) -> None:
        """Raise ImporterError if a file of an application is there already."""
        for path in (self.client_secret, self.storage, self.credentials):
            _check_absent(path)

    def _write(self, contents: Mapping[Path, Mapping[str, object]], *, overwrite: bool) -> list[Path]:
        for path in () if overwrite else contents:
            _check_absent(path)
        for path, content in contents.items():
            try:
                _make_folder(path.parent, self.directory)
                write_private(path, json.dumps(content, indent=1) + "\n")
            except OSError as error:
                raise ImporterError(f"{path}: cannot be written: {error.strerror}") from error
        return list(contents)


def check_service_account(path: Path) -> None:
    """Raise ConfigError unless a file is the key of a service account, as Google has it downloaded."""
    content = load_json(path)
    if not isinstance(content, dict) or content.get("type") != "service_account":
        raise ConfigError(Problem(path, 'is not "service_account"; download a key as JSON', key="type"))
    missing = [key for key in _SERVICE_ACCOUNT_KEYS if not isinstance(content.get(key), str) or not content[key]]
    if missing:
        raise ConfigError([Problem(path, "is missing; download a key as JSON", key=key) for key in missing])
    register(content["private_key"])


def _check_absent(path: Path) -> None:
    if os.path.lexists(path):
        raise ImporterError(f"{path}: exists, and is left as it is; --force overwrites it")


def _make_folder(folder: Path, top: Path) -> None:
    """Make a folder and the one it is in, closed to others; those that are there stay as they are."""
    top.parent.mkdir(parents=True, exist_ok=True)
    for path in (top, folder):
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
