"""The access token: kept in token.json for all four commands, renewed when it is past or refused.

The file is the vendor's token answer plus `expiration` (seconds since 1970 UTC), indented by 4, as the old importer
left it and other tools may read it; mode 0600.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from importer.credentials import Secret
from importer.errors import BadAnswer, SourceRefused
from importer.stores import read_json_cache, write_private

logger = logging.getLogger(__name__)

MAX_LOGINS = 5
"""Logins in a cycle: a vendor that refuses each new token is not asked for ever."""
EXPIRY_MARGIN_SECONDS = 60.0
"""A token is renewed so long before it expires; one that lives for less than twice that, halfway."""
DEFAULT_LIFETIME_SECONDS = 3600.0
"""For an answer that does not say how long the token lives."""
MAX_LIFETIME_SECONDS = 10 * 365 * 86400.0
"""More than this is not meant."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and the time to replace it, in seconds since 1970 UTC."""

    secret: Secret
    renew_at: float


class Tokens:
    """One token for all threads of a cycle. `login` asks the vendor for a new token answer."""

    def __init__(
        self, login: Callable[[], object], cache: Path, *, source: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._login = login
        self._path = cache / "token.json"
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._logins = 0
        self._refusal: SourceRefused | None = None

    def begin_cycle(self) -> None:
        """Forget that a login was refused: the account may have been mended since."""
        with self._lock:
            self._logins = 0
            self._refusal = None

    def current(self) -> Secret:
        """Return a token that has not expired, from memory, the file or a login; raises SourceError."""
        with self._lock:
            self._raise_refusal()
            if not self._alive(self._token):
                self._token = self._read()
            if not self._alive(self._token):
                self._token = self._log_in()
            return self._token.secret

    def renew(self, refused: Secret) -> Secret:
        """Return another token than the one that the vendor refused; threads that ask together share one login.

        A token that another process has put into the file meanwhile is taken first.
        """
        with self._lock:
            self._raise_refusal()
            if self._alive(self._token) and self._token.secret != refused:
                return self._token.secret
            stored = self._read()
            self._token = stored if self._alive(stored) and stored.secret != refused else self._log_in()
            return self._token.secret

    def refuse(self, error: SourceRefused) -> SourceRefused:
        """Remember that not even a new token was taken: until the next cycle nothing more is asked."""
        with self._lock:
            self._refusal = self._refusal or error
            return self._refusal

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def _alive(self, token: Token | None) -> TypeGuard[Token]:
        return token is not None and token.renew_at > self._clock()

    def _read(self) -> Token | None:
        stored = read_json_cache(self._path) or {}
        text, expiration = stored.get("access_token"), stored.get("expiration")
        if not _is_token(text) or isinstance(expiration, bool) or not isinstance(expiration, int | float):
            return None
        latest = self._clock() + MAX_LIFETIME_SECONDS
        return Token(Secret(text), max(0.0, min(expiration, latest)) - EXPIRY_MARGIN_SECONDS)

    def _log_in(self) -> Token:
        if self._logins >= MAX_LOGINS:
            self._refusal = SourceRefused(self._source, f"no token was taken after {MAX_LOGINS} logins")
            raise self._refusal
        self._logins += 1
        try:
            answer = self._login()
        except SourceRefused as error:
            self._refusal = error
            raise
        token, stored = self._parse(answer)
        logger.info("logged in: source=%s", self._source)
        self._write(stored)
        return token

    def _parse(self, answer: object) -> tuple[Token, dict[str, object]]:
        if not isinstance(answer, dict) or not _is_token(answer.get("access_token")):
            raise BadAnswer(self._source, "login: the answer has no usable access_token")
        lifetime = answer.get("expires_in")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or lifetime <= 0:
            lifetime = DEFAULT_LIFETIME_SECONDS
        lifetime = min(lifetime, MAX_LIFETIME_SECONDS)
        expiration = self._clock() + lifetime
        token = Token(Secret(answer["access_token"]), expiration - min(EXPIRY_MARGIN_SECONDS, lifetime / 2))
        return token, {**answer, "expiration": expiration}

    def _write(self, stored: dict[str, object]) -> None:
        try:
            write_private(self._path, json.dumps(stored, indent=4))
        except OSError as error:
            logger.warning("token not cached: file=%s: %s", self._path, error.strerror)


def _is_token(value: object) -> TypeGuard[str]:
    """Return whether value can stand in a header behind `Bearer `."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable() and " " not in value
