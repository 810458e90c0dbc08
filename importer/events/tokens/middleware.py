"""Tokens for WSGI applications, and for views of Pyramid: `apiaccesstoken.middleware`, as programs outside know it."""

import functools
import logging
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Protocol, TypeVar

from importer.credentials import Secret
from importer.events.tokens.headers import WSGI_ENV_ACCESS_TOKEN_HEADER, extract_token
from importer.events.tokens.token import AccessTokenInvalid, shorten_token, verify_token

logger = logging.getLogger(__name__)

Environ = MutableMapping[str, Any]
"""The environment of a WSGI request (PEP 3333)."""
StartResponse = Callable[..., Any]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]


class Request(Protocol):
    """What we need of a request of Pyramid."""

    environ: Environ


R = TypeVar("R")


class _LoginRequired(Exception):
    """Nobody is logged in."""


def _forbidden_class() -> type[Exception]:
    try:
        forbidden: type[Exception] = import_module("pyramid.httpexceptions").HTTPForbidden
    except ImportError:
        return _LoginRequired
    return forbidden


HTTPForbidden = _forbidden_class()
"""Raised where a login is required. It is Pyramid's own if Pyramid is installed, which then answers 403."""


class TokenMiddleware:
    """Puts the identity of a request's valid token into its environment, and passes every request on.

    A subclass says which secrets there are.
    """

    ENV_KEY = "apitokenaccess_identity"
    """Where the identity is in the environment."""

    def __init__(self, application: WsgiApplication) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Return the application's answer."""
        header = environ.get(WSGI_ENV_ACCESS_TOKEN_HEADER)
        if header:
            self.recover_access(environ, self.token_extract(header))
        return self.application(environ, start_response)

    def token_extract(self, header_value: str) -> str:
        """Return the token of a header: `abc` for `Token abc` and for ` abc `."""
        return extract_token(header_value)

    def recover_secret(self, access_token: str) -> str | None:
        """Return the secret of a token, None for one that is not known. To be written by the subclass."""
        raise NotImplementedError("a subclass says which secret a token has")

    def recover_access(self, environ: Environ, access_token: str) -> None:
        """Set `environ[ENV_KEY]` if the token is valid; a token that is not is logged, by its ends, and that is all."""
        shown = shorten_token(access_token)
        secret = self.recover_secret(access_token)
        if not secret:
            logger.info("token is not known token=%s", shown)
            return
        try:
            claims = verify_token(access_token, Secret(secret), now=time.time())
        except AccessTokenInvalid as error:
            logger.error("%s token=%s", error, shown)
            return
        logger.debug("token is valid token=%s identity=%s", shown, claims.identity)
        environ[self.ENV_KEY] = claims.identity


class UserAccess:
    """Finds the user of a request. A subclass says which users there are."""

    @classmethod
    def recover_user(cls, identifier: str) -> Any:
        """Return what the application knows of the user with this name or id. To be written by the subclass."""
        raise NotImplementedError("a subclass says which users there are")

    @classmethod
    def user_for_login(cls, request: Request) -> Any:
        """Return what `recover_user` gives for whoever is logged in, by repoze.who or else by a token.

        Raises HTTPForbidden where nobody is.
        """
        identifier = _identifier(request.environ)
        if not identifier:
            raise HTTPForbidden
        return cls.recover_user(identifier)

    @classmethod
    def auth_required(cls, f: Callable[..., R]) -> Callable[..., R]:
        """Return a view that calls `user_for_login` first, thus raises HTTPForbidden where nobody is logged in."""

        @functools.wraps(f)
        def guarded(request: Request, *args: Any, **kwargs: Any) -> R:
            cls.user_for_login(request)
            return f(request, *args, **kwargs)

        return guarded


def _identifier(environ: Environ) -> Any:
    identity: Mapping[str, Any] = environ.get("repoze.who.identity") or {}
    return identity.get("username") or identity.get("repoze.who.userid") or environ.get(TokenMiddleware.ENV_KEY)
