"""`${NAME}` in what is sent to a vendor: replaced from the secrets file, else from the environment."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from importer.config import ObjectReader
from importer.credentials import register
from importer.errors import ConfigError
from importer.exporter.secrets_file import load_secrets
from importer.handed_over import credential_path

_PLACEHOLDER = re.compile(r"\$\{([^{}$]+)\}")
_SECRET_NAME = re.compile(r"(^|[-_])(auth|authorization|cookie|key|password|secret|token)$|apikey$", re.IGNORECASE)


class Placeholders:
    """Replaces the placeholders of one service, and knows which values are secret."""

    def __init__(self, keys: ObjectReader, environ: Mapping[str, str]) -> None:
        """Read the file that `secret_file_path` names, relative to the current directory."""
        self._keys = keys
        self._environ = environ
        self._file = keys.text("secret_file_path", None)
        self._secrets: dict[str, str] | None = {}
        if self._file is not None:
            self._secrets = _loaded(keys, self._file)
        for value in (self._secrets or {}).values():
            register(value)

    def replaced(self, key: str, text: str, *, quote: Callable[[str], str] = str) -> str:
        """Return text with its placeholders replaced; those without a value become mistakes of the key.

        `quote` is for the values, not for the text. Where the key's name speaks of a secret, its value is masked in
        logs from now on.
        """
        whole = _PLACEHOLDER.sub(lambda match: quote(self._value(key, match[1].strip())), text)
        if _SECRET_NAME.search(key.rpartition(".")[2]):
            register(whole)
            register(whole.rpartition(" ")[2])  # of "Bearer ..."
        return whole

    def replaced_within(self, key: str, value: object) -> object:
        """Return a JSON value with the placeholders in all of its texts replaced."""
        if isinstance(value, str):
            return self.replaced(key, value)
        if isinstance(value, list):
            return [self.replaced_within(f"{key}[{index}]", item) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {name: self.replaced_within(f"{key}.{name}", item) for name, item in value.items()}
        return value

    def _value(self, key: str, name: str) -> str:
        if self._secrets is None:
            return ""  # the file cannot be read, which is a mistake of its own
        value = self._secrets.get(name, self._environ.get(name))
        if value is None:
            where = f"neither in {self._file} nor in" if self._file else "not in"
            more = "" if self._file else ", and there is no secret_file_path"
            self._keys.problem(key, f"${{{name}}} is {where} the environment{more}")
            return ""
        return value


def _loaded(keys: ObjectReader, name: str) -> dict[str, str] | None:
    try:
        return load_secrets(credential_path(Path(name).expanduser()))
    except ConfigError as error:
        for problem in error.problems:
            line = "" if problem.line is None else f" line {problem.line}"
            keys.problem("secret_file_path", f"{problem.file}{line} {problem.what}")
    except RuntimeError:  # ~ of nobody
        keys.problem("secret_file_path", f"{name} does not exist")
    return None
