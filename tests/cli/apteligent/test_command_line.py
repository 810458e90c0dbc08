"""The four commands' options, and the names of the old scripts."""

import pytest

from tests.apteligent import COMMANDS, Site


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_and_needs_no_configuration(command: str, site: Site) -> None:
    result = site.run(command, "--help", env={"CONFIG_DIR": "/nonexistent"})
    assert (result.code, result.stderr) == (0, "")
    assert f"example:\n  {command} " in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--date", "2016-05-01"),
        ("--once", "--date", "2016-05-32"),
        ("--once", "--date", "2016-W18-1"),
        ("--once", "--date", "20160501"),
        ("--once", "--date", "yesterday"),
        ("--once", "--date", "1969-12-31"),
        ("--once", "--date", ""),
        ("--once", "--to", "2016-05-01"),
        ("--once", "--date", "2016-05-01", "--to", "2016-05-02"),
        ("--once", "--date", "2016-05-01", "--from", "2016-05-01"),
        ("--from", "2016-05-02", "--to", "2016-05-01"),
        ("--once", "--threads", "0"),
        ("--once", "--interval", "2"),
        ("--once", "more"),
        ("--onc",),
        ("-p", ".."),
        ("-p",),
    ],
)
def test_a_wrong_command_line_is_one_line_and_nothing_is_asked(arguments: tuple[str, ...], site: Site) -> None:
    result = site.call("dailyjobs", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith("dailyjobs: ")
    assert result.stderr.count("\n") == 1
    assert site.vendor.requests == ()
    assert list(site.commands.state_dir.iterdir()) == []


def test_each_command_goes_by_its_old_script_name(site: Site) -> None:
    for command in COMMANDS:
        assert site.run(f"{command}.py", "--once", "-q").code == 0
        assert (site.commands.log_dir / f"{command}.log").exists()
    assert len(list(site.commands.log_dir.iterdir())) == 4
