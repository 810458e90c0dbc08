"""tokenhelper prints what it always printed; stats-token does more; neither lets a secret show by mistake."""

import contextlib
import io
import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.stats_service.tokens import stats_token, tokenhelper
from tests.cli.stats_service.token_commands import InProcess, Main, entries_of, mode_of
from tests.commands import Result
from tests.events.tokens.old_tokens import GOLDEN, VALID, accepted, sign

TOKEN, SECRET = VALID[0]["token"], VALID[0]["secret"]
BOTH = pytest.mark.parametrize("main", [tokenhelper, stats_token])
A_TOKEN = r"(?P<token>[\w-]+=*)"
A_SECRET = r"(?P<secret>[0-9a-f]{128})"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> InProcess:
    return InProcess(capsys)


@pytest.fixture
def access(tmp_path: Path) -> Path:
    """A users file with alice, who has a token, and `empty`, who has none."""
    path = tmp_path / "access.json"
    shutil.copy(GOLDEN / "two_users_access.json", path)
    path.chmod(0o600)
    return path


def printed_token(text: str) -> str:
    """Return the token that stands on the only indented line."""
    (token,) = re.findall(r"^\t(.+)$", text, re.M)
    return str(token)


def shortened(token: str) -> str:
    return f"{token[:4]}...{token[-4:]}"


@BOTH
def test_a_secret_is_made(command: InProcess, main: Main) -> None:
    out = command.run(main, "make_access_secret").out
    assert re.fullmatch(rf"New secret token is:\n\t{A_SECRET}\n", out)


@BOTH
def test_a_token_is_made_for_a_secret(command: InProcess, main: Main) -> None:
    found = re.fullmatch(
        rf"New access token is:\n\t{A_TOKEN}\n", command.run(main, "make_access_token", "bob", "abc").out
    )
    assert found
    payload = accepted(found["token"], "abc")
    assert (payload["identity"], payload["expires"]) == ("bob", 10)


@BOTH
def test_a_pair_is_made_for_a_user(command: InProcess, main: Main) -> None:
    found = re.fullmatch(
        rf"For username 'bob' the new token pair is:\naccess token is:\n\t{A_TOKEN}\naccess secret is:\n\t{A_SECRET}\n",
        command.run(main, "make_for_username", "bob").out,
    )
    assert found
    assert accepted(found["token"], found["secret"])["identity"] == "bob"


@BOTH
@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_without_a_command_the_usage_is_shown(command: InProcess, main: Main, arguments: list[str]) -> None:
    out = command.run(main, *arguments).out
    assert out.startswith("usage: ")
    assert all(name in out for name in ("make_access_secret", "make_access_token", "make_for_username"))


@BOTH
def test_help_explains_a_command(command: InProcess, main: Main) -> None:
    assert command.run(main, "help", "make_access_token").out == command.run(main, "make_access_token", "--help").out


@BOTH
@pytest.mark.parametrize(
    "arguments",
    [
        ["make_access_sekret"],
        ["help", "make_access_sekret"],
        ["make_access_secret", "bob"],
        ["make_for_username"],
        ["make_for_username", ""],
        ["make_for_username", "x" * 201],
        ["make_for_username", "a\nb"],
        ["make_for_username", "\udcff"],
        ["make_for_username", "bob", "ali"],
        ["make_access_token"],
        ["make_access_token", "bob"],
        ["make_access_token", "bob", ""],
        ["make_access_token", "bob", "abc", "--secret-file", "secret.txt"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_ends_with_2_and_prints_nothing(
    command: InProcess, main: Main, arguments: list[str]
) -> None:
    outcome = command.run(main, *arguments, code=2)
    assert outcome.out == ""
    assert "--help)" in outcome.err


@BOTH
def test_a_secret_that_is_an_argument_too_many_is_not_repeated(command: InProcess, main: Main) -> None:
    assert "sesame" not in command.run(main, "make_access_token", "bob", "open", "sesame", code=2).err
    assert "sesame" not in command.run(main, "make_access_token", "bob", "--secret=sesame", code=2).err


def test_the_longest_name_in_any_script_makes_a_token_that_is_accepted(command: InProcess) -> None:
    token = printed_token(command.run(stats_token, "make_access_token", "😀" * 200, "abc").out)
    assert json.loads(command.run(stats_token, "verify", token, "abc").out)["identity"] == "😀" * 200


@pytest.mark.parametrize("arguments", [["make_access_token", "bob", "abc"], ["make_for_username", "bob"]])
def test_tokenhelper_takes_no_lifetime(command: InProcess, arguments: list[str]) -> None:
    command.run(tokenhelper, *arguments, "--expires-in", "60", code=2)


@pytest.mark.parametrize("arguments", [["make_access_token", "bob", "abc"], ["make_for_username", "bob"]])
def test_a_token_lives_as_long_as_it_is_told(command: InProcess, arguments: list[str]) -> None:
    before = time.time()
    out = command.run(stats_token, *arguments, "--expires-in", "3600").out
    token = re.findall(r"^\t(.+)$", out, re.M)[0]
    secret = re.findall(r"^\t(.+)$", out, re.M)[-1] if arguments[0] == "make_for_username" else "abc"
    assert before + 3600 <= accepted(token, secret)["expires"] <= time.time() + 3601


@pytest.mark.parametrize("seconds", ["0", "-1", "1.5", "1e3", "", "soon", "1" * 11, "٣"])
def test_a_lifetime_that_is_none_is_refused(command: InProcess, seconds: str) -> None:
    assert "--expires-in" in command.run(stats_token, "make_for_username", "bob", f"--expires-in={seconds}", code=2).err


def test_with_a_clock_that_stands_still_no_token_is_made_that_would_live_for_ever(
    command: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 5.0)
    outcome = command.run(stats_token, "make_for_username", "bob", "--expires-in", "60", code=1)
    assert "the clock is wrong" in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("golden", VALID, ids=["python 2", "python 3"])
def test_a_valid_token_is_verified_and_its_payload_is_all_that_is_printed(
    command: InProcess, golden: dict[str, str]
) -> None:
    assert json.loads(command.run(stats_token, "verify", golden["token"], golden["secret"]).out) == golden["payload"]


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "the signature is wrong"),
        ("some token I've just made up.", "it is not URL-safe base64"),
        (TOKEN, "the signature is wrong"),
        (sign({"expires": 5, "identity": "bob"}, "abc"), "it has expired"),
        (sign({"expires": 1_000_000_000, "identity": "bob"}, "abc"), "it has expired"),
        (sign({"expires": 10}, "abc"), "the payload has no text in identity"),
    ],
)
def test_a_token_that_is_not_valid_ends_with_1_and_the_reason(command: InProcess, token: str, why: str) -> None:
    outcome = command.run(stats_token, "verify", token, "abc", code=1)
    assert (outcome.out, outcome.err) == ("", f"stats-token: access token invalid: {why}\n")


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n"])
def test_a_secret_is_read_from_a_file(command: InProcess, tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret.txt"
    path.write_bytes(content.encode())
    command.run(stats_token, "verify", TOKEN, "--secret-file", path)
    token = printed_token(command.run(tokenhelper, "make_access_token", "bob", "--secret-file", path).out)
    assert accepted(token, SECRET)["identity"] == "bob"


def test_a_secret_file_that_cannot_be_read_ends_with_1(command: InProcess, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert (
        f"{missing}: does not exist" in command.run(stats_token, "verify", TOKEN, "--secret-file", missing, code=1).err
    )


def test_a_secret_file_that_is_empty_holds_no_secret(command: InProcess, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("\n")
    outcome = command.run(stats_token, "verify", TOKEN, "--secret-file", tmp_path / "secret.txt", code=2)
    assert "the secret is empty" in outcome.err


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_or_a_token_is_read_from_standard_input(run_command: Callable[..., Result], end: str) -> None:
    by_secret = run_command("stats-token", "verify", TOKEN, "-", stdin=SECRET + end)
    by_token = run_command("stats-token", "verify", "-", SECRET, stdin=TOKEN + end)
    assert (by_secret.code, by_secret.stderr, by_secret.stdout) == (0, "", by_token.stdout)
    assert json.loads(by_token.stdout) == VALID[0]["payload"]


def test_tokenhelper_reads_a_secret_from_standard_input(run_command: Callable[..., Result]) -> None:
    made = run_command("tokenhelper", "make_access_token", "bob", "-", stdin="open sesame\n")
    assert (made.code, made.stderr) == (0, "")
    assert accepted(printed_token(made.stdout), "open sesame")["identity"] == "bob"


def test_standard_input_cannot_hold_both(command: InProcess) -> None:
    assert "not both" in command.run(stats_token, "verify", "-", "-", code=2).err


@pytest.mark.parametrize(("stdin", "code"), [("", 2), ("x" * 65_537, 1)])
def test_standard_input_that_holds_no_secret_is_told(run_command: Callable[..., Result], stdin: str, code: int) -> None:
    result = run_command("stats-token", "verify", TOKEN, "-", stdin=stdin)
    assert (result.code, result.stdout, result.stderr.count("\n")) == (code, "", 1)


def test_standard_input_that_is_no_text_is_told(command: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n")))
    assert "standard input is not UTF-8 text" in command.run(stats_token, "verify", TOKEN, "-", code=1).err


def test_a_program_may_collect_the_output(command: InProcess) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as collected:
        command.run(tokenhelper, "make_access_secret")
    assert re.fullmatch(rf"New secret token is:\n\t{A_SECRET}\n", collected.getvalue())


def test_a_name_in_any_script_is_printed_on_any_terminal(run_command: Callable[..., Result]) -> None:
    made = run_command("tokenhelper", "make_for_username", "zoë", env={"PYTHONIOENCODING": "ascii"})
    assert (made.code, made.stderr) == (0, "")
    assert made.stdout.startswith(r"For username 'zo\xeb' the new token pair is:")


def test_create_adds_a_pair_to_a_user_and_prints_the_token_alone(command: InProcess, access: Path) -> None:
    old = entries_of(access)
    out = command.run(stats_token, "create", "alice", "--access-json", access).out
    alice, empty = entries_of(access)
    first, second = alice["tokens"]
    assert (alice | {"tokens": [first]}, empty) == (old[0], old[1])
    assert out == f"{access} written for username 'alice'.\naccess token is:\n\t{second['access_token']}\n"
    assert accepted(second["access_token"], second["access_secret"])["identity"] == "alice"


def test_create_knows_a_user_by_id_too(command: InProcess, access: Path) -> None:
    command.run(stats_token, "create", "user_2", "--access-json", access)
    assert [len(entry["tokens"]) for entry in entries_of(access)] == [1, 1]


def test_create_adds_a_user_who_is_not_there(command: InProcess, access: Path) -> None:
    before = entries_of(access)
    command.run(stats_token, "create", "zoë", "--access-json", access, "--expires-in", "60")
    *others, added = entries_of(access)
    assert others == before
    assert list(added) == ["id", "username", "tokens"]
    assert re.fullmatch(r"user_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", added["id"])
    assert added["username"] == "zoë"
    (pair,) = added["tokens"]
    assert accepted(pair["access_token"], pair["access_secret"])["expires"] > time.time()


def test_create_makes_a_file_that_is_not_there_for_its_owner_alone(command: InProcess, tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    command.run(stats_token, "create", "ali", "--access-json", path)
    assert mode_of(path) == 0o600
    assert [entry["username"] for entry in entries_of(path)] == ["ali"]
    assert list(tmp_path.iterdir()) == [path]


def test_list_shows_users_ends_of_tokens_and_what_they_are_worth(command: InProcess, tmp_path: Path) -> None:
    tokens = {
        "never": sign({"expires": 10, "identity": "ali"}, "abc"),
        "2100-01-01T00:00:00Z": sign({"expires": 4_102_444_800, "identity": "user_1"}, "abc"),
        "expired 2016-05-02T00:00:00Z": sign({"expires": 1_462_147_200, "identity": "ali"}, "abc"),
        "expired": sign({"expires": 5, "identity": "ali"}, "abc"),
        "invalid: the signature is wrong": sign({"expires": 10, "identity": "ali"}, "open barley"),
        "invalid: there is no user bob": sign({"expires": 10, "identity": "bob"}, "abc"),
    }
    pairs = [{"access_token": token, "access_secret": "abc"} for token in tokens.values()]
    late = [{"access_token": sign({"expires": 1e300, "identity": "x"}, "abc"), "access_secret": "abc"}]
    path = tmp_path / "access.json"
    path.write_text(
        json.dumps(
            [
                {"id": "user_1", "username": "ali", "tokens": pairs},
                {"id": "user_2", "username": "x", "tokens": late},
                {"id": "user_3", "username": "empty", "tokens": []},
            ]
        )
    )
    outcome = command.run(stats_token, "list", "--access-json", path)
    header, *rows = [re.split(r"\s{2,}", line) for line in outcome.out.splitlines()]
    assert header == ["USERNAME", "ID", "TOKEN", "EXPIRES"]
    assert rows == [
        *(["ali", "user_1", shortened(token), expires] for expires, token in tokens.items()),
        ["x", "user_2", shortened(late[0]["access_token"]), "never"],
        ["empty", "user_3", "-", "has no token"],
    ]
    assert "abc" not in outcome.out


def test_list_of_nobody_says_so(command: InProcess, tmp_path: Path) -> None:
    (tmp_path / "access.json").write_text("[]")
    assert command.run(stats_token, "list", "--access-json", tmp_path / "access.json").out == "There are no users.\n"


@pytest.mark.parametrize("form", [str, shortened], ids=["whole", "ends"])
def test_revoke_takes_a_pair_out(command: InProcess, access: Path, form: Callable[[str], str]) -> None:
    token = entries_of(access)[0]["tokens"][0]["access_token"]
    out = command.run(stats_token, "revoke", form(token), "--access-json", access).out
    assert out == f"1 token revoked: {shortened(token)}\n"
    assert [entry["tokens"] for entry in entries_of(access)] == [[], []]
    assert "has no such token" in command.run(stats_token, "revoke", token, "--access-json", access, code=1).err


def test_revoke_reads_the_token_from_standard_input(access: Path, run_command: Callable[..., Result]) -> None:
    token = entries_of(access)[0]["tokens"][0]["access_token"]
    result = run_command("stats-token", "revoke", "-", "--access-json", access, stdin=f"{token}\n")
    assert (result.code, result.stderr) == (0, "")
    assert entries_of(access)[0]["tokens"] == []


def test_revoke_takes_a_token_from_everybody_who_has_it(command: InProcess, access: Path) -> None:
    entries = entries_of(access)
    entries[1]["tokens"] = entries[0]["tokens"]
    access.write_text(json.dumps(entries))
    token = entries[0]["tokens"][0]["access_token"]
    command.run(stats_token, "revoke", token, "--user", "empty", "--access-json", access)
    assert [entry["tokens"] for entry in entries_of(access)] == [[], []]


def test_revoke_leaves_the_other_pairs_of_a_user(command: InProcess, access: Path) -> None:
    first = entries_of(access)[0]["tokens"][0]
    created = command.run(stats_token, "create", "alice", "--access-json", access).out
    command.run(stats_token, "revoke", printed_token(created), "--access-json", access)
    assert entries_of(access)[0]["tokens"] == [first]


def test_revoke_by_ends_that_several_tokens_have_touches_none(command: InProcess, tmp_path: Path) -> None:
    twins = [f"eyJl{letter * 20}Dw==" for letter in "ab"]
    pairs = [{"access_token": token, "access_secret": "abc"} for token in twins]
    access = tmp_path / "access.json"
    access.write_text(json.dumps([{"id": "user_1", "username": "ali", "tokens": pairs}]))
    access.chmod(0o600)
    before = access.read_bytes()
    outcome = command.run(stats_token, "revoke", "eyJl...Dw==", "--access-json", access, code=2)
    assert "2 tokens look like eyJl...Dw==" in outcome.err
    assert access.read_bytes() == before
    command.run(stats_token, "revoke", twins[1], "--access-json", access)
    assert entries_of(access)[0]["tokens"] == pairs[:1]


@pytest.mark.parametrize("user", ["alice", "user_1"])
def test_revoke_all_takes_every_pair_of_a_user(command: InProcess, access: Path, user: str) -> None:
    command.run(stats_token, "create", "alice", "--access-json", access)
    kept = command.run(stats_token, "create", "empty", "--access-json", access).out
    out = command.run(stats_token, "revoke", "--all", "--user", user, "--access-json", access).out
    assert out.startswith("2 tokens revoked: ")
    alice, empty = entries_of(access)
    assert alice["tokens"] == []
    assert [pair["access_token"] for pair in empty["tokens"]] == [printed_token(kept)]


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["eyJl...none"], 1, "has no such token"),
        (["--all", "--user", "empty"], 1, "has no such token of user empty"),
        (["--all", "--user", "nobody"], 1, "has no such token of user nobody"),
        ([TOKEN, "--user", "alice"], 1, "has no such token of user alice"),
        (["--all"], 2, "--all with --user"),
        ([], 2, "give a TOKEN"),
        ([TOKEN, "--all", "--user", "alice"], 2, "give a TOKEN"),
    ],
)
def test_revoke_of_what_is_not_there_leaves_the_file(
    command: InProcess, access: Path, arguments: list[str], code: int, what: str
) -> None:
    before = (access.read_bytes(), access.stat().st_ino)
    outcome = command.run(stats_token, "revoke", *arguments, "--access-json", access, code=code)
    assert what in outcome.err
    assert TOKEN not in outcome.err
    assert (access.read_bytes(), access.stat().st_ino) == before


@pytest.mark.parametrize("arguments", [["create", "ali"], ["list"], ["revoke", TOKEN]], ids=lambda words: words[0])
def test_a_users_file_that_is_wrong_ends_with_78_and_stays(
    command: InProcess, tmp_path: Path, arguments: list[str]
) -> None:
    path = tmp_path / "access.json"
    path.write_text('[{"id": "user_1", "tokens": []}]')
    outcome = command.run(stats_token, *arguments, "--access-json", path, code=78)
    assert outcome.err == f"stats-token: {path}: [1].username: is missing; text is expected\n"
    assert path.read_text() == '[{"id": "user_1", "tokens": []}]'


@pytest.mark.parametrize("arguments", [["list"], ["revoke", TOKEN]], ids=lambda words: words[0])
def test_a_users_file_that_is_missing_ends_with_78_and_is_not_made(
    command: InProcess, tmp_path: Path, arguments: list[str]
) -> None:
    path = tmp_path / "access.json"
    assert "does not exist" in command.run(stats_token, *arguments, "--access-json", path, code=78).err
    assert not path.exists()


@pytest.mark.parametrize("arguments", [["create", "ali"], ["list"], ["revoke", TOKEN]], ids=lambda words: words[0])
def test_the_users_file_has_to_be_named(command: InProcess, arguments: list[str]) -> None:
    assert "--access-json" in command.run(stats_token, *arguments, code=2).err


@pytest.mark.parametrize("arguments", [["create", "alice"], ["revoke", "--all", "--user", "alice"]])
def test_a_file_that_was_open_to_all_is_closed_and_that_is_told(
    access: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    access.chmod(0o644)
    assert stats_token([*arguments, "--access-json", str(access)]) == 0
    assert mode_of(access) == 0o640
    assert capsys.readouterr().err == f"stats-token: warning: {access} was open to all users, and is so no longer\n"
