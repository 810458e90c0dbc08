"""Who may see the dashboard: whoever is on this machine, or has the token.

A page elsewhere may let a browser on this machine ask us by a name of its own that leads to loopback (DNS rebinding);
such a request names that host, and is refused. A browser that came once by `/?token=` has a cookie from then on, which
no script can read and no other site can have sent.
"""

import hmac
import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from importer.credentials import Secret
from importer.errors import ConfigError, Problem
from importer.http_server.message import Headers, HttpError, Request
from importer.stores import load_text

MIN_TOKEN_LENGTH = 16
"""Fewer characters can be guessed."""
MAX_TOKEN_LENGTH = 512
_PURPOSE = b"metrics-importer dashboard"
_COOKIE = "metrics-importer-dashboard"
_CHALLENGE: Headers = ((b"www-authenticate", b'Bearer realm="metrics-importer dashboard"'),)


def is_loopback(address: str) -> bool:
    """Return whether an address can be reached from this machine alone.

    >>> [is_loopback(address) for address in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.7")]
    [True, True, True, False, False]
    """
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def new_token() -> Secret:
    """Return a token that nobody has had before."""
    return Secret(secrets.token_urlsafe(24))


def read_token(path: Path) -> Secret:
    """Return the token in a file, without the white space around it. Raises ConfigError."""
    text = load_text(path).strip()
    if not text.isascii():
        raise ConfigError(Problem(path, "is not a token: letters and digits of ASCII are expected"))
    if not MIN_TOKEN_LENGTH <= len(text) <= MAX_TOKEN_LENGTH or not text.isprintable() or " " in text:
        what = f"is not a token: one word of {MIN_TOKEN_LENGTH} characters or more is expected"
        raise ConfigError(Problem(path, what))
    return Secret(text)


class Guard:
    """Looks at requests before anything is answered."""

    def __init__(self, token: Secret | None, *, is_local: bool, cookie_name: str = _COOKIE) -> None:
        """`is_local`: only this machine can ask, under its own names. Without a token everybody may who can."""
        self._token = None if token is None else token.reveal().encode()
        self._is_local = is_local
        self._cookie_name = cookie_name
        self._cookie = "" if self._token is None else hmac.new(self._token, _PURPOSE, "sha256").hexdigest()

    def check_host(self, request: Request) -> None:
        """Raise HttpError for a request that was sent to another host than this one."""
        if self._is_local and not is_loopback(_host_of(request.header(b"host") or "")):
            raise HttpError(403, "this address is only for requests to localhost, 127.0.0.1 or [::1]")

    def check_token(self, request: Request) -> None:
        """Raise HttpError for a request that brings neither the token nor the cookie."""
        if not (self._token is None or self._has_bearer(request) or self._has_cookie(request)):
            raise HttpError(401, "a token is needed", headers=_CHALLENGE)

    def entry(self, request: Request) -> Headers | None:
        """Return the cookie for a browser that brings the right token in its address, None for all other requests."""
        given = request.query.get("token")
        if self._token is None or given is None or not _same(given.encode(errors="replace"), self._token):
            return None
        cookie = f"{self._cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"
        return ((b"set-cookie", cookie.encode("ascii")),)

    def _has_bearer(self, request: Request) -> bool:
        scheme, _, given = (request.header(b"authorization") or "").partition(" ")
        is_bearer = self._token is not None and scheme.lower() == "bearer"
        return is_bearer and _same(given.strip().encode("latin-1"), self._token or b"")

    def _has_cookie(self, request: Request) -> bool:
        try:
            morsel = SimpleCookie(request.header(b"cookie") or "").get(self._cookie_name)
        except CookieError:
            return False
        return morsel is not None and _same(morsel.value.encode(errors="replace"), self._cookie.encode())


def _same(given: bytes, wanted: bytes) -> bool:
    """Return whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(given, wanted)


def _host_of(header: str) -> str:
    """Return the host of a Host header, without the port.

    >>> [_host_of(header) for header in ("localhost:20090", "[::1]:20090", "Evil.example", "127.0.0.1:x")]
    ['localhost', '::1', 'evil.example', '127.0.0.1:x']
    """
    host, colon, port = header.strip().lower().rpartition(":")
    if not colon or not port.isdecimal():
        host = header.strip().lower()
    return host.strip("[]") if host.startswith("[") and host.endswith("]") else host
