"""Everything that programs import from apiaccesstoken is still there, and does what it did."""

import subprocess
import sys

import pytest
import requests
import requests.auth
from apiaccesstoken import auth, exceptions, headers, middleware, tokenmanager
from apiaccesstoken.clientside import RequestsAccessTokenAuth

from importer.credentials import redact
from tests.events.tokens.old_tokens import VALID
from tests.http_servers import book_server


@pytest.mark.parametrize("golden", VALID, ids=["python 2", "python 3"])
def test_the_manager_verifies_what_the_old_one_made(golden: dict[str, str]) -> None:
    assert tokenmanager.Manager(golden["secret"]).verify_access_token(golden["token"]) == golden["payload"]


def test_a_made_up_token_is_invalid_by_the_old_exception() -> None:
    manager = tokenmanager.Manager(tokenmanager.Manager.generate_secret())
    with pytest.raises(tokenmanager.AccessTokenInvalid):
        manager.verify_access_token("some token I've just made up.")
    assert tokenmanager.SECRET_LENGTH == tokenmanager.Manager.SECRET_LENGTH == 64


def test_the_names_of_the_header_are_the_old_ones() -> None:
    assert headers.ACCESS_TOKEN_HEADER == "AUTHORIZATION"
    assert headers.WSGI_ENV_ACCESS_TOKEN_HEADER == "HTTP_AUTHORIZATION"


def test_a_request_carries_the_token_of_its_auth_object() -> None:
    token_auth = RequestsAccessTokenAuth("a token of a client")
    with book_server() as server:
        requests.get(server.url, auth=token_auth, timeout=20)
    assert server.seen[0].headers["AUTHORIZATION"] == "Token a token of a client"


def test_an_auth_object_is_one_of_requests_and_shows_its_token_to_programs_alone() -> None:
    token_auth = RequestsAccessTokenAuth("a token of a client")
    assert isinstance(token_auth, requests.auth.AuthBase)
    assert token_auth.access_token == "a token of a client"
    assert redact("sent a token of a client") == "sent ***"
    prepared = requests.Request("GET", "http://127.0.0.1/").prepare()
    assert token_auth(prepared) is prepared


def test_the_middleware_takes_what_the_manager_makes() -> None:
    secret = tokenmanager.Manager.generate_secret()
    token = tokenmanager.Manager(secret).generate_access_token(identity="fran")

    class Middleware(middleware.TokenMiddleware):
        def recover_secret(self, access_token: str) -> str | None:
            return {token: secret}.get(access_token)

    environ = {headers.WSGI_ENV_ACCESS_TOKEN_HEADER: token}
    assert list(Middleware(lambda environ, start_response: [b"passed on"])(environ, print)) == [b"passed on"]
    assert environ[middleware.TokenMiddleware.ENV_KEY] == "fran"


@pytest.mark.parametrize("user_for_login", [middleware.UserAccess.user_for_login, auth.user_for_login])
def test_nobody_logged_in_is_forbidden_by_the_old_exception(user_for_login) -> None:
    class Request:
        environ: dict[str, object] = {}  # noqa: RUF012 - nobody changes it

    with pytest.raises(exceptions.HTTPForbidden):
        user_for_login(Request())
    with pytest.raises(exceptions.HTTPForbidden):
        auth.auth_required(print)(Request())


def test_only_the_side_of_the_client_needs_requests() -> None:
    script = """
import sys
import apiaccesstoken.auth, apiaccesstoken.exceptions, apiaccesstoken.headers, apiaccesstoken.middleware
import apiaccesstoken.tokenmanager
print("requests" in sys.modules)
import apiaccesstoken.clientside
print("requests" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
