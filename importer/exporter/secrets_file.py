"""Secrets files: lines `KEY="VALUE"`, quotes optional; empty lines and those that begin with `#` are passed over.

The first `=` divides, so that a value may hold others. Three functions are those of `collectington.utils`.
"""

from collections.abc import Sequence
from pathlib import Path

from importer.errors import ConfigError, Problem
from importer.handed_over import credential_path
from importer.stores import load_text


def load_secrets(path: Path) -> dict[str, str]:
    """Return the values of a secrets file by their keys; of a key that is given twice the last one.

    Raises ConfigError for a file that cannot be read, and for each line that is none of a secrets file: it is not
    shown.
    """
    lines = load_text(path).split("\n")
    wrong = [number for number, line in enumerate(lines, start=1) if _is_pair(line) and "=" not in line]
    if wrong:
        raise ConfigError([Problem(path, 'is not KEY="VALUE"', line=number) for number in wrong])
    pairs = (line.partition("=") for line in lines if _is_pair(line))
    return {key.strip(): _unquoted(value.strip()) for key, _, value in pairs}


def read_file_content_into_list(path: str | None) -> list[str] | None:
    """Return the lines of a file without blanks at their ends and without any `"`; None for no path.

    Raises OSError for a file that cannot be read, and UnicodeDecodeError.
    """
    if path is None:
        return None
    return [
        line.strip().replace('"', "") for line in credential_path(path).read_text(encoding="utf-8-sig").splitlines()
    ]


def convert_list_of_key_value_pairs_to_dict(lines: Sequence[str] | None) -> dict[str, str]:
    """Return what lines `KEY=VALUE` hold; raises ValueError for a line without `=`, which is not shown."""
    values: dict[str, str] = {}
    for number, line in enumerate(lines or (), start=1):
        if not _is_pair(line):
            continue
        key, divider, value = line.partition("=")
        if not divider:
            raise ValueError(f"line {number} of the secrets file is not KEY=VALUE")
        values[key] = value
    return values


def get_credentials_from_secret_file(path: str | None) -> dict[str, str]:
    """Return the values of a secrets file by their keys; raises what the two functions above raise."""
    return convert_list_of_key_value_pairs_to_dict(read_file_content_into_list(path))


def _is_pair(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#")


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
