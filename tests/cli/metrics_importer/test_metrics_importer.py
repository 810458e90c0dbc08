"""What all commands of metrics-importer have in common."""

from collections.abc import Callable

import pytest

from importer import __version__
from importer.cli.metrics_importer.projects import PROJECTS, chosen_projects
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import Result

COMMANDS = [
    ("check",),
    ("status",),
    ("outbox",),
    ("outbox", "list"),
    ("outbox", "retry"),
    ("outbox", "drop"),
    ("show",),
    ("demo",),
]


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
def test_help_has_an_example_that_begins_with_the_command(
    metrics_importer: MetricsImporter, command: tuple[str, ...]
) -> None:
    out = metrics_importer.run(*command, "--help").out
    assert f"\nexample:\n  {' '.join(('metrics-importer', *command))}" in out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_top_level_help_names_each_command(metrics_importer: MetricsImporter, command: tuple[str, ...]) -> None:
    assert command[0] in metrics_importer.run("--help").out


def test_the_version_is_told(run_command: Callable[..., Result]) -> None:
    assert run_command("metrics-importer", "--version").stdout == f"metrics-importer {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("outbox",), ("status", "--nonsense"), ("-x",)])
def test_a_wrong_command_line_is_told_in_one_line(
    metrics_importer: MetricsImporter, arguments: tuple[str, ...]
) -> None:
    outcome = metrics_importer.run(*arguments, code=2)
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.parametrize("arguments", [("status", "-p", "a/b"), ("check", "-p", ".."), ("show", "-p", "")])
def test_a_project_that_is_no_directory_name_is_a_wrong_command_line(
    metrics_importer: MetricsImporter, arguments: tuple[str, ...]
) -> None:
    assert "a directory name is expected" in metrics_importer.run(*arguments, code=2).err


def test_debug_may_stand_before_or_after_the_name_of_the_command(metrics_importer: MetricsImporter) -> None:
    for arguments in (["--debug", "show"], ["show", "--debug"]):
        with pytest.raises(Exception, match="no embedded store"):
            metrics_importer.run(*arguments)


def test_an_unknown_project_is_one_of_the_first_kind_with_a_name_of_its_own() -> None:
    (chosen,) = chosen_projects("my-project")
    assert chosen.name == "my-project"
    assert chosen.commands == PROJECTS["apteligent-importer"].commands


def test_without_a_name_all_projects_are_chosen() -> None:
    assert chosen_projects(None) == list(PROJECTS.values())


def test_a_reader_that_has_seen_enough_is_no_failure(run_command: Callable[..., Result]) -> None:
    result = run_command("metrics-importer", "status")
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.startswith("No command has run yet")
