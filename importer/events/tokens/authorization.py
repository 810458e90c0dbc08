"""From an Authorization header to the user who sent it, thousands of times a second."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from importer.errors import ImporterError, one_line
from importer.events.tokens.headers import extract_token
from importer.events.tokens.token import AccessTokenInvalid, Claims, shorten_token, verify_token
from importer.events.tokens.users import User, Users


class Forbidden(ImporterError):
    """A request that is refused; `reason` is for the log, and shows the ends of the token at most."""

    def __init__(self, reason: str) -> None:
        self.reason = one_line(reason)
        super().__init__(f"forbidden: {self.reason}")


@dataclass(frozen=True, slots=True)
class _Known:
    """The tokens that were verified since the users last changed: never more than these users have."""

    users: Users
    claims: dict[str, Claims] = field(default_factory=dict)


class Authorizer:
    """Tells who sent a request, by the users of now; from any number of threads.

    A token is verified once, and again only when `users` gives others than before; expiry is seen to each time.
    """

    def __init__(self, users: Callable[[], Users], *, clock: Callable[[], float] = time.time) -> None:
        self._users = users
        self._clock = clock
        self._known = _Known(users())

    def authorize(self, header: str | None) -> User:
        """Return the user whose token the value of an Authorization header holds (None: there is no header).

        Raises Forbidden.
        """
        token = extract_token(header or "")
        if not token:
            raise Forbidden("there is no token")
        known = self._current()
        claims = known.claims.get(token)
        if claims is None or claims.expires_at <= self._clock():
            claims = known.claims[token] = self._verify(token, known.users)
        user = known.users.find(claims.identity)
        if user is None:
            raise Forbidden(f"token {shorten_token(token)} names a user that there is not: {claims.identity!r:.100}")
        return user

    def _current(self) -> _Known:
        users = self._users()
        known = self._known
        if known.users is not users:
            known = self._known = _Known(users)
        return known

    def _verify(self, token: str, users: Users) -> Claims:
        secret = users.secret_of(token)
        if secret is None:
            raise Forbidden(f"token {shorten_token(token)} is not among those of the users")
        try:
            return verify_token(token, secret, now=self._clock())
        except AccessTokenInvalid as error:
            raise Forbidden(f"token {shorten_token(token)}: {error.reason}") from error
