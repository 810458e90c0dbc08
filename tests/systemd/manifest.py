"""The manifests of docs/puppet.md, read without puppet: which files they make, of what, and how these are checked.

Only as much of puppet's language is understood as the page has.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.commands import ROOT

PAGE = (ROOT / "docs/puppet.md").read_text()
MANIFESTS = re.findall(r"```puppet\n(.*?)```", PAGE, re.DOTALL)
PARAMETERS: Mapping[str, str] = {"password": "made up", "client_id": "made up as well"}
"""What the classes want to be told."""

_FILE = re.compile(r"^  file \{ (['\"])(?P<title>[^'\"]+)\1:\n(?P<body>.*?)^  \}", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"^ +(?:\S+ +)?\$(\w+) += '([^']*)'", re.MULTILINE)
_JSON = re.compile(r"content +=> stdlib::to_json_pretty\((.*?)\),\n", re.DOTALL)
_HEREDOC = re.compile(r"content +=> @\((\w+)\),\n(.*?)^ +\| \1\n", re.MULTILINE | re.DOTALL)
_SETTING = r"^ +{} +=> (.*),$"


@dataclass(frozen=True, slots=True)
class ManagedFile:
    """A file that a manifest makes."""

    path: str
    content: str
    validate_cmd: str
    """Empty if nothing is checked."""


def managed_files() -> Iterator[ManagedFile]:
    """Yield the files of all manifests whose content is known, in their order."""
    for manifest in MANIFESTS:
        variables = {**PARAMETERS, **dict(_VARIABLE.findall(manifest))}
        for found in _FILE.finditer(manifest):
            content = _content(found["body"], variables)
            if content is not None:
                path = found["title"].replace("${config}", variables.get("config", ""))
                yield ManagedFile(path, content, _setting(found["body"], "validate_cmd", variables) or "")


def _content(body: str, variables: Mapping[str, str]) -> str | None:
    if structure := _JSON.search(body):
        return json.dumps(json.loads(_as_json(structure[1], variables)))
    if text := _HEREDOC.search(body):
        return textwrap.dedent(text[2])
    return _setting(body, "content", variables)


def _as_json(literal: str, variables: Mapping[str, str]) -> str:
    """Return a hash of puppet as JSON."""
    with_values = re.sub(r"(?<!')\$(\w+)", lambda found: f"'{variables[found[1]]}'", literal)
    return re.sub(r",(\s*[}\]])", r"\1", with_values.replace("'", '"').replace("=>", ":"))


def _setting(body: str, name: str, variables: Mapping[str, str]) -> str | None:
    """Return a setting's text; None where there is none."""
    found = re.search(_SETTING.format(name), body, re.MULTILINE)
    if found is None:
        return None
    value = found[1]
    return variables[value.removeprefix("$")] if value.startswith("$") else value.strip("'")
