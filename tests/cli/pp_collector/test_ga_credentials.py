"""generate-ga-credentials is run as a user runs it, whose browser is urllib."""

import json
import re
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from google.auth.transport import Request

from importer.collector.content import reader_of
from importer.collector.ga_consent import ClientSecret, storage_fields
from importer.errors import BadAnswer, SourceRefused
from importer.sources.google.account import load_account
from importer.sources.google.login import build_authorizer
from importer.sources.google.storage import load_fields
from tests.cli.pp_collector.google_consent import (
    ACCESS_TOKEN,
    CLIENT_SECRET,
    CODE,
    REFRESH_TOKEN,
    SCOPE,
    ConsentSimulator,
)
from tests.commands import Commands, Result

NAME = "generate-ga-credentials"
FILES = ["ga.json", "ga/client_secret.json", "ga/storage.db"]
SECRETS = [CLIENT_SECRET, CODE, ACCESS_TOKEN, REFRESH_TOKEN]
WAIT_SECONDS = 30

Start = Callable[..., Popen[str]]
RunCommand = Callable[..., Result]
open_link = build_opener(ProxyHandler({})).open


@pytest.fixture
def google() -> Iterator[ConsentSimulator]:
    with ConsentSimulator() as simulator:
        yield simulator


@pytest.fixture
def secret_file(google: ConsentSimulator, tmp_path: Path) -> Path:
    path = tmp_path / "client.json"
    path.write_text(json.dumps(google.client_secret))
    return path


@pytest.fixture
def creds(commands: Commands) -> Path:
    return commands.home / "creds"


@pytest.fixture
def started(start_command: Start, secret_file: Path) -> Callable[..., Popen[str]]:
    def start(*options: str | Path) -> Popen[str]:
        return start_command(NAME, secret_file, "--no-browser", *options)

    return start


def link_of(process: Popen[str]) -> str:
    """Return the link that the command has printed."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"  (http://\S+)$", line):
            return found[1]
    raise AssertionError(process.communicate())


def redirect_of(link: str) -> str:
    found = re.search(r"redirect_uri=http%3A%2F%2F127.0.0.1%3A(\d+)", link)
    assert found is not None
    return f"http://127.0.0.1:{found[1]}"


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def finish(process: Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, output, errors


def test_a_consent_makes_files_that_the_collector_logs_in_with(
    started: Start, google: ConsentSimulator, creds: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = started()
    link = link_of(process)
    with open_link(link, timeout=WAIT_SECONDS) as page:
        assert b"you may close this page" in page.read()
    code, output, errors = finish(process)
    assert (code, errors) == (0, "")
    assert output.splitlines()[-1] == f"{creds / 'ga.json'}: written"
    assert files_in(creds) == FILES
    assert json.loads((creds / "ga" / "client_secret.json").read_text()) == google.client_secret
    credentials = json.loads((creds / "ga.json").read_text())
    assert credentials == {
        "CLIENT_SECRETS": str(creds / "ga" / "client_secret.json"),
        "STORAGE_PATH": str(creds / "ga" / "storage.db"),
    }
    login = load_account(reader_of(credentials, "credentials")).login
    assert build_authorizer(login, NoTransport()).token() == ACCESS_TOKEN


class NoTransport(Request):
    """Is not used: the token of the file is fresh."""

    def __call__(self, *_arguments: object, **_options: object) -> object:
        raise AssertionError("a fresh token needs no request")


def test_the_storage_file_has_the_fields_of_the_old_library(
    started: Start, google: ConsentSimulator, creds: Path
) -> None:
    before = datetime.now(UTC)
    process = started()
    open_link(link_of(process), timeout=WAIT_SECONDS).close()
    assert finish(process)[0] == 0
    fields = load_fields(creds / "ga" / "storage.db")
    expiry = datetime.strptime(str(fields.pop("token_expiry")), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert expiry - before > timedelta(seconds=3500)
    assert fields == {
        "_module": "oauth2client.client",
        "_class": "OAuth2Credentials",
        "access_token": ACCESS_TOKEN,
        "client_id": "1234-abcd.apps.googleusercontent.com",
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
        "token_uri": f"{google.url}/token",
        "user_agent": None,
        "revoke_uri": "https://accounts.google.com/o/oauth2/revoke",
        "id_token": None,
        "invalid": False,
        "token_response": {"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"},
        "scopes": [SCOPE],
        "token_info_uri": None,
    }


def test_files_are_for_their_owner_alone_and_secrets_are_not_printed(started: Start, creds: Path) -> None:
    process = started("--output", "deep/er")
    link = link_of(process)
    open_link(link, timeout=WAIT_SECONDS).close()
    _, output, errors = finish(process)
    assert [secret for secret in SECRETS if secret in link + output + errors] == []
    folder = creds.parent / "deep" / "er"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "ga")} == {0o700}


def test_other_requests_are_answered_and_passed_over(started: Start, creds: Path) -> None:
    process = started()
    link = link_of(process)
    page = redirect_of(link)
    for target in ("/favicon.ico", "/?state=guessed&code=evil", "/?code=evil", "/"):
        with pytest.raises(HTTPError) as caught:
            open_link(page + target, timeout=WAIT_SECONDS)
        assert caught.value.code == 404
        caught.value.close()
    with socket.create_connection(("127.0.0.1", int(page.rpartition(":")[2]))):  # a browser's, opened in advance
        open_link(link, timeout=WAIT_SECONDS).close()
        assert finish(process)[0] == 0
    assert load_fields(creds / "ga" / "storage.db")["access_token"] == ACCESS_TOKEN


def test_the_redirect_comes_to_the_port_that_was_chosen(started: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = finish(started("--port", str(port)))
    assert taken[0] == 1
    told = f"127.0.0.1:{port}: cannot be listened on: Address already in use; choose another --port"
    assert taken[2] == f"{NAME}: {told}\n"
    process = started("--port", str(port))
    assert redirect_of(link_of(process)) == f"http://127.0.0.1:{port}"


def test_a_refusal_is_told_and_writes_nothing(started: Start, google: ConsentSimulator, creds: Path) -> None:
    google.refusal = "access_denied"
    process = started()
    with open_link(link_of(process), timeout=WAIT_SECONDS) as page:
        assert b"No consent" in page.read()
    code, _, errors = finish(process)
    assert (code, errors) == (1, f"{NAME}: Google: there is no consent: access_denied\n")
    assert not creds.exists()


def test_what_google_says_of_a_code_is_told(started: Start, google: ConsentSimulator, creds: Path) -> None:
    process = started()
    link = link_of(process)
    with pytest.raises(HTTPError) as caught:
        open_link(link.replace("access_type=offline", "access_type=online"), timeout=WAIT_SECONDS)
    caught.value.close()
    open_link(link.replace("code_challenge=", "code_challenge=x"), timeout=WAIT_SECONDS).close()
    code, _, errors = finish(process)
    assert code == 1
    assert "Malformed auth code." in errors
    assert errors.count("\n") == 1
    assert not creds.exists()


def test_an_interrupted_command_has_failed(started: Start, creds: Path) -> None:
    process = started()
    link_of(process)
    process.send_signal(signal.SIGINT)
    code, _, errors = finish(process)
    assert (code, errors) == (1, f"{NAME}: interrupted before there was a consent; nothing was written\n")
    assert not creds.exists()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_exists_stays_and_nobody_is_asked(
    name: str, run_command: RunCommand, secret_file: Path, creds: Path, google: ConsentSimulator
) -> None:
    path = creds / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    result = run_command(NAME, secret_file, "--no-browser")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == f"{NAME}: {path}: exists, and is left as it is; --force overwrites it\n"
    assert path.read_text() == "mine"


def test_force_overwrites(started: Start, creds: Path) -> None:
    (creds / "ga").mkdir(parents=True)
    for name in FILES:
        (creds / name).write_text("old")
    process = started("--force")
    open_link(link_of(process), timeout=WAIT_SECONDS).close()
    assert finish(process)[0] == 0
    assert load_fields(creds / "ga" / "storage.db")["refresh_token"] == REFRESH_TOKEN
    assert stat.S_IMODE((creds / "ga.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"token_uri": "http://tokens.example/token"}, "installed.token_uri: is not https://; secrets are sent there"),
        ({"auth_uri": "http://127.0.0.1.example/auth"}, "installed.auth_uri: is not https://; secrets are sent there"),
        ({"auth_uri": "file:///etc/passwd"}, "installed.auth_uri: only http:// and https:// addresses can be used"),
        ({"client_secret": ""}, "installed.client_secret: is missing"),
        ({"client_id": 5}, "installed.client_id: is missing"),
    ],
)
def test_a_wrong_application_is_told(
    change: dict[str, object], told: str, run_command: RunCommand, secret_file: Path, google: ConsentSimulator
) -> None:
    fields = google.client_secret["installed"]
    assert isinstance(fields, dict)
    secret_file.write_text(json.dumps({"installed": {**fields, **change}}))
    result = run_command(NAME, secret_file, "--no-browser")
    assert (result.code, result.stdout, result.stderr) == (78, "", f"{NAME}: {secret_file}: {told}\n")


def test_a_file_of_another_kind_is_told(run_command: RunCommand, secret_file: Path) -> None:
    secret_file.write_text("{}")
    result = run_command(NAME, secret_file)
    assert result.code == 78
    assert result.stderr.startswith(f'{NAME}: {secret_file}: has neither "installed" nor "web"; ')


ACCOUNT = {
    "type": "service_account",
    "client_email": "collector@example.iam.gserviceaccount.com",
    "private_key": "-----BEGIN PRIVATE KEY-----\nmade up\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def test_a_service_account_needs_no_consent(run_command: RunCommand, creds: Path, commands: Commands) -> None:
    key = commands.home / "key.json"
    key.write_text(json.dumps(ACCOUNT))
    result = run_command(f"{NAME}.py", "--service-account", "key.json")
    assert (result.code, result.stdout, result.stderr) == (0, f"{creds / 'ga.json'}: written\n", "")
    assert json.loads((creds / "ga.json").read_text()) == {"SERVICE_ACCOUNT": str(key)}
    assert files_in(creds) == ["ga.json"]
    assert run_command(NAME, "--service-account", "key.json").code == 1
    assert run_command(NAME, "--service-account", "key.json", "--force").code == 0


@pytest.mark.parametrize(("key", "value"), [("type", "authorized_user"), ("private_key", ""), ("client_email", None)])
def test_what_is_no_key_of_a_service_account_is_told(
    key: str, value: object, run_command: RunCommand, creds: Path, tmp_path: Path
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**ACCOUNT, key: value}))
    result = run_command(NAME, "--service-account", path)
    assert result.code == 78
    assert result.stderr.startswith(f"{NAME}: {path}: {key}: is ")
    assert not creds.exists()


@pytest.mark.parametrize(
    "arguments", [[], ["a.json", "--service-account", "b.json"], ["a.json", "--port", "65536"], ["a.json", "b.json"]]
)
def test_a_wrong_command_line_is_told(arguments: list[str], run_command: RunCommand) -> None:
    result = run_command(NAME, *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{NAME}: ")


def test_a_folder_that_cannot_be_made_is_told(run_command: RunCommand, commands: Commands) -> None:
    (commands.home / "key.json").write_text(json.dumps(ACCOUNT))
    (commands.home / "file").touch()
    result = run_command(NAME, "--service-account", "key.json", "--output", "file")
    told = f"{NAME}: {commands.home / 'file' / 'ga.json'}: cannot be written: File exists\n"
    assert (result.code, result.stderr) == (1, told)


CLIENT = ClientSecret("id", "secret", "https://a.example", "https://t.example", {})


def test_an_answer_without_tokens_is_no_consent() -> None:
    for answer in ({}, [], {"access_token": "a", "expires_in": 1}, {"refresh_token": "r", "expires_in": 1}):
        with pytest.raises(BadAnswer, match="no access_token, refresh_token and expires_in"):
            storage_fields(CLIENT, answer, now=0.0)


def test_a_consent_without_google_analytics_is_told() -> None:
    answer = {"access_token": "a", "refresh_token": "r", "expires_in": 1, "scope": "openid"}
    with pytest.raises(SourceRefused, match="Google Analytics was left out of the consent: openid"):
        storage_fields(CLIENT, answer, now=0.0)


@pytest.mark.parametrize("screen", ["DISPLAY", "WAYLAND_DISPLAY", ""])
def test_a_browser_is_started_only_where_there_is_a_screen(
    screen: str, start_command: Start, secret_file: Path, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{opened}\n')  # is waited for by who starts it
    browser.chmod(0o755)
    environment = {"BROWSER": f"{browser} %s"} | ({screen: ":0"} if screen else {})
    process = start_command(NAME, secret_file, env=environment)
    link = link_of(process)
    open_link(link, timeout=WAIT_SECONDS).close()
    assert finish(process)[0] == 0
    assert (opened.read_text().strip() if opened.exists() else "") == (link if screen else "")
