"""Launchers, console scripts, pins and CI agree with each other."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

import importer
from tests.commands import ROOT, Result

LAUNCHERS = sorted(path.name for path in (ROOT / "bin").iterdir() if path.is_file())
OTHER_NAMES = [
    *((name, f"{name}.py") for name in ("dailyjobs", "groupedby", "livestats", "servicestats")),
    ("leexportpy", "leexport"),
    ("generate-ga-credentials", "generate-ga-credentials.py"),
]

OLD_IMPORT_PATHS: dict[str, list[str]] = {
    "leexportpy": ["start", "--once", "-c"],
    "metrics-importer": ["check"],
}
"""Launchers of commands that import users' plug-ins, and what lets them do so, before the name of a file."""

INSTALLED = distribution("metrics-importer")
"""What setup.py said when `make` last installed it, which it does whenever setup.py changes."""
CONSOLE_SCRIPTS = {script.name: script for script in INSTALLED.entry_points.select(group="console_scripts")}


def launched_function(launcher: str) -> str:
    """Return the `module:function` that a launcher imports from our package."""
    tree = ast.parse((ROOT / "bin" / launcher).read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module != "pathlib"]
    assert len(imports) == 1
    return f"{imports[0].module}:{imports[0].names[0].name}"


def pinned_names() -> set[str]:
    pins = re.findall(r"^([\w.-]+)==[\w.]+$", (ROOT / "constraints.txt").read_text(), re.M)
    return {canonical(pin) for pin in pins}


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def test_every_launcher_is_a_console_script_of_the_same_function() -> None:
    assert {launcher: launched_function(launcher) for launcher in LAUNCHERS} == {
        name: script.value for name, script in CONSOLE_SCRIPTS.items()
    }


def test_every_console_script_can_be_imported() -> None:
    assert all(callable(script.load()) for script in CONSOLE_SCRIPTS.values())


@pytest.mark.parametrize(("name", "other"), OTHER_NAMES)
def test_old_script_names_start_the_same_command(name: str, other: str) -> None:
    assert launched_function(other) == launched_function(name)
    told = [line for line in (ROOT / "bin" / other).read_text().splitlines() if not line.startswith('"""')]
    assert told == [line for line in (ROOT / "bin" / name).read_text().splitlines() if not line.startswith('"""')]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_is_executable_and_short(launcher: str) -> None:
    path = ROOT / "bin" / launcher
    assert os.access(path, os.X_OK)
    assert len(path.read_text().splitlines()) < 15


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_tells_the_version_of_the_package(launcher: str, run_command: Callable[..., Result]) -> None:
    result = run_command(launcher, "--version")
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.split()[-1] == importer.__version__


def run_uninstalled(launcher: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a launcher with -S, so that no .pth file counts: requirements are found by PYTHONPATH, we by the launcher."""
    return subprocess.run(
        [sys.executable, "-S", launcher, *arguments],
        capture_output=True,
        check=False,
        text=True,
        cwd=launcher.parent,
        env={**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), "TMPDIR": str(launcher.parent)},
    )


def test_a_launcher_needs_no_installation_and_may_be_a_symbolic_link(tmp_path: Path) -> None:
    link = tmp_path / "metrics-importer"
    link.symlink_to(ROOT / "bin" / "metrics-importer")
    done = run_uninstalled(link, "--version")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("launcher", [*OLD_IMPORT_PATHS])
def test_a_launcher_finds_the_old_import_paths_of_users_plug_ins_by_itself(launcher: str, tmp_path: Path) -> None:
    """The plug-in says what it has found: it is imported, and what it raises is told."""
    (tmp_path / "mine_service.py").write_text(
        "from leexportpy.service import Service\n\nraise RuntimeError(f'{Service.__name__} found')\n"
    )
    config = tmp_path / "config.ini"
    config.write_text(
        "services_dir = .\n[LE]\nrw_api_key = key\n[Searches]\n[[a]]\n[[[query]]]\nlogs = x\nstatement = count()\n"
        "query_period = 60\nquery_range = 60\n[[[destination]]]\nservice = mine\n"
    )
    link = tmp_path / launcher
    link.symlink_to(ROOT / "bin" / launcher)
    done = run_uninstalled(link, *OLD_IMPORT_PATHS[launcher], config)
    assert done.returncode == 78
    assert "mine_service.py does not import: RuntimeError: Service found" in done.stderr


def test_setup_py_takes_its_version_from_the_package() -> None:
    assert INSTALLED.version == importer.__version__


def test_every_requirement_is_pinned_for_ci() -> None:
    requirements = {canonical(requirement) for requirement in INSTALLED.requires or ()}
    assert requirements
    assert requirements <= pinned_names()


def test_ci_runs_lint_the_tests_and_the_package_and_nothing_besides() -> None:
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert commands[-1] == "exec make lint test deb test-deb"
    assert [line for line in commands if "make" in line] == commands[-1:]


def test_ruff_writes_for_the_oldest_python_that_we_install_on() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    target = configuration["tool"]["ruff"]["target-version"]
    assert INSTALLED.metadata["Requires-Python"] == f">=3.{target.removeprefix('py3')}"


@pytest.mark.parametrize("target", ["run", "test", "lint", "bench", "docs", "format", "clean", "help"])
def test_make_explains_each_of_its_targets(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:.* ## \w+", makefile, re.M)
