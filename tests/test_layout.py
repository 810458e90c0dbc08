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
APTELIGENT_COMMANDS = ("dailyjobs", "groupedby", "livestats", "servicestats")


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


@pytest.mark.parametrize("command", APTELIGENT_COMMANDS)
def test_old_script_names_start_the_same_command(command: str) -> None:
    assert (ROOT / "bin" / f"{command}.py").read_text() == (ROOT / "bin" / command).read_text()


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


def test_a_launcher_needs_no_installation_and_may_be_a_symbolic_link(tmp_path: Path) -> None:
    """With -S no .pth file counts: the requirements are found by PYTHONPATH, our package by the launcher alone."""
    link = tmp_path / "metrics-importer"
    link.symlink_to(ROOT / "bin" / "metrics-importer")
    done = subprocess.run(
        [sys.executable, "-S", link, "--version"],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_setup_py_takes_its_version_from_the_package() -> None:
    assert INSTALLED.version == importer.__version__


def test_every_requirement_is_pinned_for_ci() -> None:
    requirements = {canonical(requirement) for requirement in INSTALLED.requires or ()}
    assert requirements
    assert requirements <= pinned_names()


def test_ci_runs_lint_and_test_and_nothing_besides() -> None:
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert commands[-1] == "exec make lint test"
    assert [line for line in commands if "make" in line] == commands[-1:]


def test_ruff_writes_for_the_oldest_python_that_we_install_on() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    target = configuration["tool"]["ruff"]["target-version"]
    assert INSTALLED.metadata["Requires-Python"] == f">=3.{target.removeprefix('py3')}"


@pytest.mark.parametrize("target", ["run", "test", "lint", "bench", "docs", "format", "clean", "help"])
def test_make_explains_each_of_its_targets(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:.* ## \w+", makefile, re.M)
