"""The token library as programs outside know it: `apiaccesstoken.tokenmanager.Manager`."""

import time
from collections.abc import Callable

from importer.credentials import Secret
from importer.events.tokens.token import (
    EXPIRES_NEVER,
    SECRET_BYTES,
    AccessTokenInvalid,
    generate_secret,
    generate_token,
    verify_token,
)


class Manager:
    """Makes and verifies the tokens of one secret, which may be any text.

    `timeout` becomes the `expires` of new tokens: 10, the default, for ever; from 1,000,000,000 on the time of expiry,
    in seconds since 1970 UTC.
    """

    SECRET_LENGTH = SECRET_BYTES
    """Bytes of a new secret, each of which is two hexadecimal digits."""

    def __init__(self, secret: str, timeout: float = EXPIRES_NEVER, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = Secret(secret)
        self._timeout = timeout
        self._clock = clock

    @classmethod
    def generate_secret(cls) -> str:
        """Return a new secret: 128 lower-case hexadecimal digits."""
        return generate_secret().reveal()

    def generate_access_token(self, identity: str) -> str:
        """Return a new token for the id or name of a user; raises ValueError for one that is too long."""
        return generate_token(identity, self._secret, expires=self._timeout).reveal()

    def verify_access_token(self, access_token: object) -> dict[str, object]:
        """Return the payload of a token; raises AccessTokenInvalid for whatever is not a valid token."""
        if not isinstance(access_token, str):
            raise AccessTokenInvalid("it is not text")
        return dict(verify_token(access_token, self._secret, now=self._clock()).payload)
