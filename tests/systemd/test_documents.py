"""docs/operators.md and docs/puppet.md tell what is there."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import ROOT, Result
from tests.systemd.test_units import verify
from tests.systemd.unit_files import PATHS, SERVICES, TIMERS, copy_with_launchers, load_unit

OPERATORS = (ROOT / "docs/operators.md").read_text()
PUPPET = (ROOT / "docs/puppet.md").read_text()
TEMPORARY = "20161122-1234-abc"
"""What puppet adds to the name of a file that is checked."""
VALIDATED = re.findall(r"(?:validate_cmd|\$validate) +=> '(/usr/bin/metrics-importer [^']+)'", PUPPET)
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


@pytest.mark.parametrize("name", SERVICES)
def test_operators_are_told_of_every_credential_that_a_unit_shows(name: str) -> None:
    project = load_unit(name).value("Service", "ConfigurationDirectory")
    for credential, place in re.findall(r"^#LoadCredential=([^:]+):(.*)$", load_unit(name).text, re.MULTILINE):
        assert f"`{credential}`" in OPERATORS or name == "metrics-importer-dashboard.service"
        assert place.startswith(f"/etc/credstore/{project or 'metrics-importer'}/")


def test_the_credentials_that_operators_are_shown_are_what_their_configuration_names(
    tmp_path: Path, run_command: Callable[..., Result]
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, _place in shown_credentials():
        (credentials / name).write_text("made up")
    path = tmp_path / "apteligent.json"
    (shown_keys,) = re.findall(r"""then says `("password_file[^`]*)`""", OPERATORS)
    url = '"hostname": "developers.crittercism.com"'
    path.write_text(f'{{{url}, "username": "a", "metric_root": "apteligent", "proxies": {{}}, {shown_keys}}}')
    result = run_command("metrics-importer", "check", path, env={"CREDENTIALS_DIRECTORY": str(credentials)})
    assert (result.code, result.stdout, result.stderr) == (0, f"ok {path}\n", "")
    assert run_command("metrics-importer", "check", path).code == 78


@pytest.mark.server("systemd-analyze")
def test_systemd_has_nothing_against_the_drop_in_that_operators_are_shown(tmp_path: Path) -> None:
    copy_with_launchers(tmp_path)
    folder = tmp_path / "livestats.service.d"
    folder.mkdir()
    (folder / "override.conf").write_text(shown_drop_in())
    assert verify(tmp_path, "livestats.service") == (0, "")
    (folder / "override.conf").write_text(shown_drop_in().replace("LoadCredential=password:", "LoadCredential="))
    assert "Credential name" in verify(tmp_path, "livestats.service")[1]


def shown_drop_in() -> str:
    (text,) = re.findall(r"```ini\n(# /etc/systemd/system/livestats\.service\.d/.*?)```", OPERATORS, re.DOTALL)
    return str(text)


def shown_credentials() -> list[tuple[str, str]]:
    return re.findall(r"^LoadCredential=([^:]+):(.*)$", shown_drop_in(), re.MULTILINE)


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
