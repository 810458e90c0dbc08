"""The middleware leaves who sent a request in its environment, and refuses nothing; views refuse."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from importer.events.tokens.middleware import HTTPForbidden, TokenMiddleware, UserAccess
from tests.commands import ROOT
from tests.events.tokens.old_tokens import VALID, sign

SECRET = "open sesame"
TOKEN = sign({"expires": 10, "identity": "fran", "salt": "000000"}, SECRET)


class Application:
    """Remembers the environment of each request."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append(dict(environ))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]


class Middleware(TokenMiddleware):
    """Knows some tokens."""

    secrets = {TOKEN: SECRET, VALID[0]["token"]: VALID[0]["secret"]}  # noqa: RUF012 - nobody changes it

    def recover_secret(self, access_token: str) -> str | None:
        return self.secrets.get(access_token)


class Access(UserAccess):
    """Knows some users."""

    @classmethod
    def recover_user(cls, identifier: str) -> dict[str, str] | None:
        return {"fran": {"username": "fran"}, "user_1": {"username": "one"}}.get(identifier)


def environ_with(header: str | None) -> dict[str, Any]:
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ["QUERY_STRING"] = ""
    if header is not None:
        environ["HTTP_AUTHORIZATION"] = header
    return environ


def identity_seen(header: str | None, middleware: type[TokenMiddleware] = Middleware) -> str | None:
    """Return the identity that an application sees behind the middleware, which passes request and answer on."""
    application = Application()
    statuses: list[str] = []
    guarded = validator(middleware(application))  # as PEP 3333 wants it
    answer = guarded(environ_with(header), lambda status, headers, exc_info=None: statuses.append(status))
    assert list(answer) == [b"hello"]
    answer.close()
    assert statuses == ["200 OK"]
    (environ,) = application.seen
    identity: str | None = environ.get("apitokenaccess_identity")
    return identity


def request(**environ: object) -> SimpleNamespace:
    return SimpleNamespace(environ={key.replace("__", "."): value for key, value in environ.items()})


@pytest.mark.parametrize("header", [f"Token {TOKEN}", f"Token{TOKEN}", TOKEN, f" {TOKEN} "], ids=range(4))
def test_a_valid_token_leaves_its_identity_in_the_environment(header: str) -> None:
    assert identity_seen(header) == "fran"


def test_a_token_of_the_old_library_does_too() -> None:
    assert identity_seen(f"Token {VALID[0]['token']}") == "statsbob"


@pytest.mark.parametrize(
    "header",
    [None, "", "Token", f"Bearer {TOKEN}", "Token " + sign({"expires": 10, "identity": "fran"}, SECRET), "\xff\0"],
    ids=["no header", "empty", "no token", "another scheme", "unknown", "rubbish"],
)
def test_a_request_without_a_known_token_passes_without_identity(header: str | None) -> None:
    assert identity_seen(header) is None


@pytest.mark.parametrize(("secret", "expires"), [("the wrong secret", 10), (SECRET, 5), (SECRET, 1_000_000_000)])
def test_a_token_that_is_not_valid_leaves_nothing_and_is_logged_by_its_ends(
    caplog: pytest.LogCaptureFixture, secret: str, expires: int
) -> None:
    token = sign({"expires": expires, "identity": "fran", "salt": "000000"}, SECRET)

    class Knowing(Middleware):
        secrets = {token: secret}  # noqa: RUF012 - nobody changes it

    with caplog.at_level(logging.DEBUG, "importer"):
        assert identity_seen(f"Token {token}", Knowing) is None
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().endswith(f"token={token[:4]}...{token[-4:]}")


@pytest.mark.parametrize("header", [f"Token {TOKEN}", "Token unknown-token-of-somebody"])
def test_no_log_line_holds_a_whole_token_or_a_secret(caplog: pytest.LogCaptureFixture, header: str) -> None:
    with caplog.at_level(logging.DEBUG, "importer"):
        identity_seen(header)
    assert len(caplog.records) == 1
    assert header[6:] not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(("header", "token"), [("Token x", "x"), (" x ", "x"), ("", ""), ("x", "x"), ("Token  x", "x")])
def test_a_header_is_taken_apart(header: str, token: str) -> None:
    assert TokenMiddleware(Application()).token_extract(header) == token


def test_without_a_subclass_no_token_can_be_looked_up() -> None:
    with pytest.raises(NotImplementedError):
        identity_seen(f"Token {TOKEN}", TokenMiddleware)
    assert identity_seen(None, TokenMiddleware) is None


@pytest.mark.parametrize(
    ("environ", "username"),
    [
        ({"apitokenaccess_identity": "user_1"}, "one"),
        ({"repoze__who__identity": {"username": "fran"}, "apitokenaccess_identity": "user_1"}, "fran"),
        ({"repoze__who__identity": {"repoze.who.userid": "user_1", "username": "fran"}}, "fran"),
        ({"repoze__who__identity": {"repoze.who.userid": "user_1"}}, "one"),
        ({"repoze__who__identity": {}, "apitokenaccess_identity": "user_1"}, "one"),
    ],
)
def test_a_login_by_repoze_who_counts_before_one_by_token(environ: dict[str, object], username: str) -> None:
    assert Access.user_for_login(request(**environ)) == {"username": username}


@pytest.mark.parametrize(
    "environ", [{}, {"repoze__who__identity": {}}, {"repoze__who__identity": None}, {"apitokenaccess_identity": ""}]
)
def test_nobody_logged_in_is_forbidden(environ: dict[str, object]) -> None:
    with pytest.raises(HTTPForbidden):
        Access.user_for_login(request(**environ))


def test_a_user_that_is_not_found_is_what_the_subclass_says() -> None:
    assert Access.user_for_login(request(apitokenaccess_identity="nobody")) is None


def test_without_a_subclass_no_user_can_be_looked_up() -> None:
    with pytest.raises(NotImplementedError):
        UserAccess.user_for_login(request(apitokenaccess_identity="fran"))


def test_a_guarded_view_is_called_as_before_for_who_is_logged_in() -> None:
    @Access.auth_required
    def view(request: SimpleNamespace, *args: object, **kwargs: object) -> object:
        """Shows."""
        return request, args, kwargs

    sent = request(apitokenaccess_identity="fran")
    assert view(sent, 1, key=2) == (sent, (1,), {"key": 2})
    assert (view.__name__, view.__doc__) == ("view", "Shows.")


def test_a_guarded_view_is_not_called_for_who_is_not() -> None:
    called: list[object] = []
    with pytest.raises(HTTPForbidden):
        Access.auth_required(called.append)(request())
    assert called == []


def forbidden_class_with(path: Path) -> str:
    """Return where the class comes from in a fresh interpreter that finds packages in path too."""
    script = (
        "from importer.events.tokens.middleware import HTTPForbidden as f;"
        " print(f.__module__, issubclass(f, Exception))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"},
    )
    return done.stdout.strip()


def test_with_pyramid_installed_its_own_exception_is_raised(tmp_path: Path) -> None:
    assert forbidden_class_with(tmp_path) == "importer.events.tokens.middleware True"
    (tmp_path / "pyramid").mkdir()
    (tmp_path / "pyramid" / "__init__.py").touch()
    (tmp_path / "pyramid" / "httpexceptions.py").write_text("class HTTPForbidden(Exception): ...\n")
    assert forbidden_class_with(tmp_path) == "pyramid.httpexceptions True"
