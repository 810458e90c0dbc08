"""docs/operators.md and docs/puppet.md tell what is there."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import ROOT, Result
from tests.systemd.unit_files import PATHS, TIMERS

OPERATORS = (ROOT / "docs/operators.md").read_text()
PUPPET = (ROOT / "docs/puppet.md").read_text()
TEMPORARY = "20161122-1234-abc"
"""What puppet adds to the name of a file that is checked."""
VALIDATED = re.findall(r"validate_cmd => '(/usr/bin/metrics-importer [^']+)'", PUPPET)
CHECKED = [
    "apteligent-importer/apteligent.json",
    "apteligent-importer/graphite.json",
    "leexportpy/config.ini",
    "collectington/config.json",
    "stats-service/stats-service.ini",
]


def shown(name: str) -> str:
    """Return how the operators' page names a unit: a timed service by its timer, an instance by what it is of."""
    if name.replace(".service", ".timer") in TIMERS:
        name = name.replace(".service", ".timer")
    return name.replace("cton@.", "cton@NAME.").replace("pp-collector@.", "pp-collector@SLUG.")


@pytest.mark.parametrize("name", [path.name for path in PATHS])
def test_operators_are_told_of_every_unit(name: str) -> None:
    assert f"`{shown(name)}`" in OPERATORS


@pytest.mark.parametrize("file", CHECKED)
def test_puppets_check_takes_the_shipped_files_under_a_temporary_name(
    tmp_path: Path, run_command: Callable[..., Result], file: str
) -> None:
    folder = tmp_path / "etc"
    shutil.copytree(ROOT / "etc" / Path(file).parent, folder)
    shutil.copy(ROOT / "etc/stats-service/access.json.example", folder / "access.json")
    path = folder / Path(file).name
    result = run_checked(run_command, path.rename(f"{path}{TEMPORARY}"))
    assert (result.code, result.stderr) == (0, "")


def test_puppets_check_refuses_a_wrong_file(tmp_path: Path, run_command: Callable[..., Result]) -> None:
    path = tmp_path / f"graphite.json{TEMPORARY}"
    path.write_text(json.dumps({"protocol": "plain", "host": "carbon.example.org", "port": "none"}))
    result = run_checked(run_command, path)
    assert result.code == 78
    assert "port" in result.stderr


def run_checked(run_command: Callable[..., Result], path: Path) -> Result:
    (command,) = set(VALIDATED)
    program, *arguments = command.replace("%", str(path)).split()
    return run_command(Path(program).name, *arguments)


def test_the_manifest_makes_a_configuration_without_mistakes(
    tmp_path: Path, run_command: Callable[..., Result]
) -> None:
    for secret in ("password", "clientID"):
        (tmp_path / secret).write_text("made up")
    values = {"$username": "'a'", "$carbon": "'carbon.example.org'"}
    for name, keys in re.findall(r'/(\w+\.json)":\n +content +=> stdlib::to_json_pretty\(({.*?})\)', PUPPET, re.DOTALL):
        for variable, value in values.items():
            keys = keys.replace(variable, value)  # noqa: PLW2901
        literal = re.sub(r",\s*}", "}", keys.replace("'", '"').replace("=>", ":"))
        (tmp_path / name).write_text(json.dumps(json.loads(literal)))
        result = run_checked(run_command, tmp_path / name)
        assert (result.code, result.stderr) == (0, ""), name
    assert {path.name for path in tmp_path.glob("*.json")} == {"apteligent.json", "graphite.json"}
