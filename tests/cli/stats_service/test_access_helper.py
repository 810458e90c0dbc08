"""accesshelper makes a users file for its owner alone, and overwrites none unless told to."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.stats_service.access_helper import main
from importer.events.tokens.users import load_users
from tests.cli.stats_service.token_commands import InProcess, entries_of, mode_of
from tests.commands import Result
from tests.events.tokens.old_tokens import accepted


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> InProcess:
    return InProcess(capsys)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.json"


def test_a_file_with_one_user_is_made_and_its_secret_is_not_shown(command: InProcess, path: Path) -> None:
    out = command.run(main, "--access_json", path).out
    (entry,) = entries_of(path)
    (pair,) = entry["tokens"]
    assert list(entry) == ["id", "username", "tokens"]
    assert re.fullmatch(r"user_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", entry["id"])
    assert accepted(pair["access_token"], pair["access_secret"])["identity"] == entry["username"] == "statsbob"
    assert out == f"{path} written for username 'statsbob'.\naccess token is:\n\t{pair['access_token']}\n"


def test_the_file_is_indented_by_four_and_what_the_service_reads(command: InProcess, path: Path) -> None:
    command.run(main, "--access_json", path)
    assert path.read_text().startswith('[\n    {\n        "id": "user_')
    assert [account.user.username for account in load_users(path).accounts] == ["statsbob"]


@pytest.mark.parametrize("option", ["-u", "--username"])
def test_the_user_can_be_named(command: InProcess, path: Path, option: str) -> None:
    command.run(main, option, "zoë", "--access-json", path)
    assert entries_of(path)[0]["username"] == "zoë"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_file_is_for_its_owner_alone_whatever_the_umask(
    path: Path, run_command: Callable[..., Result], umask: int
) -> None:
    before = os.umask(umask)
    try:
        result = run_command("accesshelper", f"--access_json={path}")
    finally:
        os.umask(before)
    assert (result.code, result.stderr) == (0, "")
    assert mode_of(path) == 0o600


def test_a_file_that_exists_is_left_as_it_is(command: InProcess, path: Path) -> None:
    path.write_text("mine")
    path.chmod(0o644)
    outcome = command.run(main, "--access_json", path, code=1)
    assert outcome.err == f"accesshelper: {path}: exists, and is left as it is; --force overwrites it\n"
    assert outcome.out == ""
    assert (path.read_text(), mode_of(path)) == ("mine", 0o644)


def test_with_force_it_is_overwritten_and_its_group_may_do_what_it_might(command: InProcess, path: Path) -> None:
    path.write_text("mine")
    path.chmod(0o644)
    command.run(main, "--access_json", path, "--force")
    assert len(entries_of(path)) == 1
    assert mode_of(path) == 0o640


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("name", ["missing/access.json", "file/access.json"])
def test_where_nothing_can_be_written_that_is_told(
    command: InProcess, tmp_path: Path, force: list[str], name: str
) -> None:
    (tmp_path / "file").touch()
    outcome = command.run(main, "--access_json", tmp_path / name, *force, code=1)
    assert outcome.err.startswith(f"accesshelper: {tmp_path / name}: cannot be written: ")
    assert outcome.out == ""


@pytest.mark.parametrize("arguments", [["ali"], ["-u", ""], ["--user_name", "ali"]])
def test_a_wrong_command_line_ends_with_2(command: InProcess, path: Path, arguments: list[str]) -> None:
    command.run(main, "--access_json", path, *arguments, code=2)
    assert not path.exists()


def test_the_defaults_are_the_old_ones(command: InProcess) -> None:
    text = command.run(main, "--help").out
    assert "/data/access.json" in text
    assert "statsbob" in text
