"""The manifests of docs/puppet.md: what they put in place is checked as they say, and puppet itself applies them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import ROOT, Result
from tests.servers.debian import find_program
from tests.systemd.manifest import MANIFESTS, PARAMETERS, managed_files

TEMPORARY = "20161122-1234-abc"
"""What puppet adds to the name of a file that is checked."""
SECRETS = {"/etc/apteligent-importer/password", "/etc/apteligent-importer/clientID"}
FILES = {
    *SECRETS,
    "/etc/apteligent-importer/apteligent.json",
    "/etc/apteligent-importer/graphite.json",
    "/etc/apteligent-importer/graphite.d/20-influxdb.json",
    "/etc/leexportpy/searches.d/shop.ini",
    "/etc/collectington/services.d/shop.json",
}
TO_JSON = """\
require 'json'

Puppet::Functions.create_function(:'stdlib::to_json_pretty') do
  def to_json_pretty(value)
    JSON.pretty_generate(value) + "\\n"
  end
end
"""
"""In place of puppetlabs-stdlib."""

needs_puppet = pytest.mark.server("puppet")


def test_every_file_of_a_manifest_but_secrets_is_checked_and_right(
    tmp_path: Path, run_command: Callable[..., Result]
) -> None:
    files = list(managed_files())
    assert {file.path for file in files} == FILES
    for file in files:
        path = Path(f"{tmp_path}{file.path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
        if file.path not in SECRETS:
            program, *arguments = file.validate_cmd.split()
            assert program == "/usr/bin/metrics-importer"
            temporary = shutil.copy(path, f"{path}{TEMPORARY}")
            result = run_command("metrics-importer", *(word.replace("%", temporary) for word in arguments))
            assert (result.code, result.stderr) == (0, ""), file.path
            Path(temporary).unlink()


@dataclass(frozen=True, slots=True)
class Puppet:
    """A machine's /etc in a folder, and puppet, which manages the files of the manifests there."""

    root: Path

    def apply(self, *, carbon: str = "carbon.example.org", edit: Callable[[str], str] = str) -> tuple[int, str]:
        """Apply the classes, files alone; return the exit code (2: there were changes) and all that was said."""
        arguments = ", ".join(f"{name} => Sensitive('{value}')" for name, value in PARAMETERS.items())
        use = f"class {{ 'profile::metrics_importer': {arguments}, carbon => '{carbon}' }}\n"
        use += "include profile::metrics_importer::influxdb\ninclude profile::metrics_importer::shop\n"
        classes = "\n".join(manifest for manifest in MANIFESTS if manifest.startswith("#"))
        path = self.root / "site.pp"
        path.write_text(edit(self._moved(f"{classes}\n{use}")))
        return self._run("apply", "--tags=file", "--detailed-exitcodes", "--color=false", path)

    def validate(self, manifest: str) -> tuple[int, str]:
        """Have puppet parse a manifest."""
        path = self.root / "one.pp"
        path.write_text(manifest)
        return self._run("parser", "validate", "--color=false", path)

    def _moved(self, manifest: str) -> str:
        """Return a manifest for our folder, commands and user."""
        moved = re.sub(r"(?<=['\"])/etc/", f"{self.root}/etc/", manifest)
        moved = moved.replace("/usr/bin/metrics-importer", f"{sys.executable} {ROOT}/bin/metrics-importer")
        return re.sub(r"^ +(owner|group) +=> .*\n", "", moved, flags=re.MULTILINE)

    def _run(self, *arguments: str | Path) -> tuple[int, str]:
        own = [f"--{name}={self.root / name}" for name in ("confdir", "vardir", "modulepath")]
        done = subprocess.run(
            [str(find_program("puppet")), *map(str, arguments), *own],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "HOME": str(self.root), "LC_ALL": "C.UTF-8"},
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture
def puppet(tmp_path: Path) -> Puppet:
    """A machine with the shipped configuration of leexportpy and cton, and an empty one of the Apteligent commands."""
    (tmp_path / "etc" / "apteligent-importer").mkdir(parents=True)
    for project in ("leexportpy", "collectington"):
        shutil.copytree(ROOT / "etc" / project, tmp_path / "etc" / project)
    function = tmp_path / "modulepath" / "stdlib" / "lib" / "puppet" / "functions" / "stdlib" / "to_json_pretty.rb"
    function.parent.mkdir(parents=True)
    function.write_text(TO_JSON)
    return Puppet(tmp_path)


@needs_puppet
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_puppet_understands_every_manifest(puppet: Puppet, manifest: str) -> None:
    assert puppet.validate(manifest) == (0, "")


@needs_puppet
def test_puppet_puts_the_files_in_place_and_then_has_nothing_to_do(
    puppet: Puppet, run_command: Callable[..., Result]
) -> None:
    code, said = puppet.apply()
    assert code == 2, said
    made = {str(path).removeprefix(str(puppet.root)) for path in (puppet.root / "etc").rglob("*")}
    assert made >= FILES
    code, said = puppet.apply()
    assert code == 0, said
    for project in ("apteligent-importer", "leexportpy", "collectington"):
        folder = puppet.root / "etc" / project
        result = run_command("metrics-importer", "check", "-p", project, env={"CONFIG_DIR": str(folder)})
        told = [line for line in result.stderr.splitlines() if "does not exist; needed by" not in line]
        assert told == []
        assert all(f"ok {puppet.root}{path}\n" in result.stdout for path in FILES - SECRETS if f"/{project}/" in path)


@needs_puppet
def test_puppet_tells_why_a_file_is_refused_and_leaves_the_old_one(puppet: Puppet) -> None:
    assert puppet.apply()[0] == 2
    code, said = puppet.apply(
        carbon="other.example.org",
        edit=lambda manifest: manifest.replace("2003", "'none'").replace("query_period = 60", "query_period = soon"),
    )
    assert code in {4, 6}, said
    assert 'port: "none" is not a whole number from 1 to 65535' in said
    assert '[Searches] [[Errors of the shop]] query_period: "soon" is not a whole number' in said
    old = json.loads((puppet.root / "etc/apteligent-importer/graphite.json").read_text())
    assert (old["host"], old["port"]) == ("carbon.example.org", 2003)
    assert "query_period = 60" in (puppet.root / "etc/leexportpy/searches.d/shop.ini").read_text()
