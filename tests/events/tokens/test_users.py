"""Users come from access.json or from the environment; every mistake in the file is told, and no secret is."""

import json
import logging
from pathlib import Path

import pytest

from importer.credentials import Secret
from importer.errors import ConfigError
from importer.events.tokens.users import (
    ENVIRONMENT_USER,
    User,
    Users,
    environment_users,
    follow_users,
    load_users,
    parse_users,
)
from tests.events.tokens.old_tokens import GOLDEN, VALID, sign

TOKEN = sign({"expires": 10, "identity": "ali", "salt": "000000"}, "open sesame")
PAIR = {"access_token": TOKEN, "access_secret": "open sesame"}
ALI = {"id": "user_1", "username": "ali", "tokens": [PAIR]}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def problems(content: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_users(Path("access.json"), content)
    return [str(problem) for problem in caught.value.problems]


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_the_users_file_of_the_old_service_is_read() -> None:
    users = load_users(GOLDEN / "access.json")
    statsbob = User("user_00ca4f6190b84f25827239233c4bcbaa", "statsbob", "Stats User")
    assert [account.user for account in users.accounts] == [statsbob]
    assert users.secret_of(VALID[0]["token"]) == Secret(VALID[0]["secret"])
    assert users.find("statsbob") == users.find(statsbob.id) == statsbob


def test_what_is_not_in_the_file_is_not_found() -> None:
    users = load_users(GOLDEN / "access.json")
    assert users.secret_of(VALID[1]["token"]) is None
    assert users.secret_of("") is None
    assert users.find("bob") is None
    assert users.find("") is None


def test_a_user_without_tokens_is_told_by_an_error_line(caplog: pytest.LogCaptureFixture) -> None:
    path = GOLDEN / "two_users_access.json"
    users = load_users(path)
    assert [account.user.username for account in users.accounts] == ["alice", "empty"]
    assert logged(caplog, logging.ERROR) == [f"user has no token and cannot log in user=empty file={path}"]


def test_a_token_that_its_secret_does_not_verify_is_told_by_its_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "access.json", [{**ALI, "tokens": [{**PAIR, "access_secret": "open barley"}]}])
    load_users(path)
    (line,) = logged(caplog, logging.ERROR)
    assert line == (
        f"access token invalid: the signature is wrong user=ali token={TOKEN[:4]}...{TOKEN[-4:]} file={path}"
    )


def test_users_may_have_several_pairs_and_members_of_their_own() -> None:
    other = {"access_token": "other", "access_secret": "secret", "note": "laptop"}
    users = parse_users(Path("access.json"), [{**ALI, "email": "ali@example.org", "name": 7, "tokens": [PAIR, other]}])
    assert users.secret_of(TOKEN) == Secret("open sesame")
    assert users.secret_of("other") == Secret("secret")
    assert users.find("ali") == User("user_1", "ali", "")


def test_an_id_counts_before_a_name_and_the_last_of_two() -> None:
    content = [
        {"id": "1", "username": "2", "tokens": []},
        {"id": "2", "username": "x", "tokens": [{"access_token": "t", "access_secret": "old"}]},
        {"id": "3", "username": "x", "tokens": [{"access_token": "t", "access_secret": "new"}]},
    ]
    users = parse_users(Path("access.json"), content)
    assert users.find("2") == User("2", "x")
    assert users.find("x") == User("3", "x")
    assert users.secret_of("t") == Secret("new")


def test_an_empty_list_has_no_users() -> None:
    assert parse_users(Path("access.json"), []).accounts == ()


@pytest.mark.parametrize("content", [{}, {"users": [ALI]}, "ali", None, 7])
def test_a_file_that_is_no_list_is_wrong(content: object) -> None:
    (problem,) = problems(content)
    assert problem.startswith("access.json: is not a list of users")


def test_every_mistake_is_told_with_its_place() -> None:
    content = [
        {"id": "", "username": 7},
        TOKEN,
        {**ALI, "tokens": None},
        {**ALI, "tokens": [{"access_token": TOKEN}, {"access_secret": ["open sesame"]}, TOKEN]},
    ]
    assert problems(content) == [
        "access.json: [1].id: is empty; text is expected",
        "access.json: [1].username: 7 is not text",
        'access.json: [1].tokens: is not a list of pairs, [{"access_token": ..., "access_secret": ...}]',
        "access.json: [2]: is not an object",
        'access.json: [3].tokens: is not a list of pairs, [{"access_token": ..., "access_secret": ...}]',
        "access.json: [4].tokens[1].access_secret: is missing; give it or access_secret_file",
        "access.json: [4].tokens[2].access_token: is missing; give it or access_token_file",
        "access.json: [4].tokens[2].access_secret: a list is not text",
        "access.json: [4].tokens[3]: is not an object",
    ]


@pytest.mark.parametrize("text", ["", "[", '[{"id": "1"', "\0"])
def test_a_file_that_is_no_json_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "access.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"access\.json:.* JSON"):
        load_users(path)


def test_neither_tokens_nor_secrets_show(tmp_path: Path) -> None:
    users = load_users(write(tmp_path / "access.json", [ALI]))
    assert "sesame" not in repr(users.accounts)
    assert TOKEN not in repr(users.accounts)


def test_a_secret_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "ali.secret").write_text("open sesame\n")
    pair = {"access_token": TOKEN, "access_secret_file": "ali.secret"}
    users = load_users(write(tmp_path / "access.json", [{**ALI, "tokens": [pair]}]))
    assert users.secret_of(TOKEN) == Secret("open sesame")


def test_a_change_of_the_file_is_followed_and_the_users_stay_the_same_object_until_then(tmp_path: Path) -> None:
    path = write(tmp_path / "access.json", [ALI])
    users = follow_users(path, environ={}, look_seconds=0)
    assert users() is users()
    assert users().secret_of(TOKEN) is not None
    write(path, [{**ALI, "tokens": []}])
    assert users().secret_of(TOKEN) is None


def test_a_file_that_becomes_wrong_is_logged_and_the_users_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "access.json", [ALI])
    users = follow_users(path, environ={}, look_seconds=0)
    write(path, [{"id": "user_1"}])
    assert users().find("ali") is not None
    path.unlink()
    assert users().find("ali") is not None
    missing, gone = logged(caplog, logging.ERROR)
    assert "[1].username: is missing" in missing
    assert f"{path}: does not exist" in gone


def test_a_file_that_is_missing_to_begin_with_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        follow_users(tmp_path / "access.json", environ={})


def test_the_pair_of_the_environment_takes_the_place_of_the_file(tmp_path: Path) -> None:
    environ = {"STATS_ACCESS_TOKEN": TOKEN, "STATS_ACCESS_SECRET": "open sesame"}
    users = follow_users(tmp_path / "missing", environ=environ)()
    assert users.secret_of(TOKEN) == Secret("open sesame")
    assert users.find("ali") == users.find("user_1") == users.find("statsbob") == ENVIRONMENT_USER
    assert User("user_00ca4f6190b84f25827239233c4bcbaa", "statsbob", "Stats User") == ENVIRONMENT_USER
    assert users.secret_of("another") is None


@pytest.mark.parametrize("name", ["STATS_ACCESS_TOKEN", "STATS_ACCESS_SECRET"])
def test_half_a_pair_in_the_environment_does_not_count_and_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path = write(tmp_path / "access.json", [ALI])
    environ = {"STATS_ACCESS_TOKEN": "", "STATS_ACCESS_SECRET": "", name: "value"}
    assert isinstance(follow_users(path, environ=environ)(), Users)
    assert follow_users(path, environ=environ)().secret_of(TOKEN) is not None
    assert "STATS_ACCESS_TOKEN and STATS_ACCESS_SECRET" in logged(caplog, logging.WARNING)[0]


def test_an_environment_without_a_pair_has_no_users(caplog: pytest.LogCaptureFixture) -> None:
    assert environment_users({}) is None
    assert environment_users({"STATS_ACCESS_TOKEN": "", "STATS_ACCESS_SECRET": ""}) is None
    assert caplog.records == []


def test_a_pair_of_the_environment_that_does_not_fit_is_told(caplog: pytest.LogCaptureFixture) -> None:
    environment_users({"STATS_ACCESS_TOKEN": TOKEN, "STATS_ACCESS_SECRET": TOKEN})
    (line,) = logged(caplog, logging.ERROR)
    assert "the signature is wrong" in line
    assert line.endswith("file=STATS_ACCESS_TOKEN")
    assert TOKEN not in line
