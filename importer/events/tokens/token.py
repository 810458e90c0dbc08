"""Access tokens: made, signed and verified to the byte as the library apiaccesstoken has always done.

A token is the URL-safe base64 of a payload, which is a JSON object, and its signature: HMAC-SHA512 by a key derived
from a secret (HKDF, RFC 5869). Nothing here looks at a clock: who verifies says what time it is.
"""

import base64
import hmac
import json
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from importer.credentials import MASK, Secret
from importer.errors import ImporterError, one_line

SECRET_BYTES = 64
"""Random bytes of a secret that we make; its text is their hexadecimal digits."""
MAX_TOKEN_LENGTH = 4096
"""Characters: what is longer is no token, and is not decoded to find out."""
EXPIRES_NEVER = 10
"""The `expires` of a token that lives for ever: the old library verifies as if it were always 5 s past 1970."""
FIRST_REAL_EXPIRY = 1_000_000_000
"""From here on `expires` is a time, in seconds since 1970 UTC; the old library takes such a token for ever."""

_OLD_NOW = 5
_SIGNATURE_BYTES = 64
_SALT_BYTES = 3
_KEY_INFO = b"services.mozilla.com/tokenlib/v1/signing"
_DIGEST = "sha512"
_SHORTENED_FROM = 16


class AccessTokenInvalid(ImporterError):
    """A token that cannot be accepted; `reason` says why, without showing it."""

    def __init__(self, reason: str) -> None:
        self.reason = one_line(reason)
        super().__init__(f"access token invalid: {self.reason}")


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A token and the secret that it is signed with."""

    token: Secret
    secret: Secret


@dataclass(frozen=True, slots=True)
class Claims:
    """What a well-signed token says."""

    identity: str
    """The id or the name of a user."""
    expires_at: float
    """Seconds since 1970 UTC, infinite for never; -infinite for a token that was never valid."""
    payload: Mapping[str, object]
    """All of it, in the order of the token."""


def generate_secret() -> Secret:
    """Return a new secret: 128 lower-case hexadecimal digits."""
    return Secret(secrets.token_hex(SECRET_BYTES))


def generate_token(
    identity: str,
    secret: Secret,
    *,
    expires: float = EXPIRES_NEVER,
    random_hex: Callable[[int], str] = secrets.token_hex,
) -> Secret:
    """Return a new token; `expires` is EXPIRES_NEVER or a time (see `expiry_after`).

    Raises ValueError for an identity that makes the token too long to be accepted.
    """
    payload = json.dumps({"expires": expires, "identity": identity, "salt": random_hex(_SALT_BYTES)}).encode()
    token = base64.urlsafe_b64encode(payload + _signature(payload, secret)).decode()
    if len(token) > MAX_TOKEN_LENGTH:
        raise ValueError(f"an identity of {len(identity)} characters is too long")
    return Secret(token)


def generate_pair(identity: str, *, expires: float = EXPIRES_NEVER) -> TokenPair:
    """Return a new secret with a new token; raises ValueError as `generate_token` does."""
    secret = generate_secret()
    return TokenPair(generate_token(identity, secret, expires=expires), secret)


def expiry_after(seconds: int, *, now: float) -> int:
    """Return the `expires` of a token that lives this long.

    Raises ValueError where that is no real expiry: by a clock that stands at 1970 a token would live for ever.
    """
    expires = math.ceil(now) + seconds
    if expires < FIRST_REAL_EXPIRY or seconds < 1:
        raise ValueError(f"{expires} seconds since 1970 is no time at which a token can expire")
    return expires


def verify_token(token: str, secret: Secret, *, now: float) -> Claims:
    """Return what a token says if it is well signed and not expired; `now` is in seconds since 1970 UTC.

    Raises AccessTokenInvalid, whatever is wrong with the token.
    """
    claims = read_token(token, secret)
    if claims.expires_at <= now:
        raise AccessTokenInvalid("it has expired")
    return claims


def read_token(token: str, secret: Secret) -> Claims:
    """Return what a well-signed token says, expired or not; raises as `verify_token` does."""
    signed = _decode(token)
    payload, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(payload, secret)):
        raise AccessTokenInvalid("the signature is wrong")
    return _parse_claims(payload)


def shorten_token(token: str) -> str:
    """Return the ends of a token, for people to tell it from others; nothing of what is too short to be one.

    >>> shorten_token("eyJleHBpcmVzIjogMTAsICJzYWx0Ij7oqQ8=")
    'eyJl...qQ8='
    """
    return f"{token[:4]}...{token[-4:]}" if len(token) >= _SHORTENED_FROM else MASK


def _decode(token: str) -> bytes:
    """Encoding again what was decoded finds what decoders let pass: other letters, bits and bytes too many."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise AccessTokenInvalid(f"it is longer than {MAX_TOKEN_LENGTH} characters")
    try:
        encoded = token.encode("ascii")
        decoded = base64.urlsafe_b64decode(encoded)
    except ValueError as error:
        raise AccessTokenInvalid("it is not URL-safe base64") from error
    if base64.urlsafe_b64encode(decoded) != encoded:
        raise AccessTokenInvalid("it is not URL-safe base64")
    return decoded


def _signature(payload: bytes, secret: Secret) -> bytes:
    return hmac.digest(_signing_key(secret), payload, _DIGEST)


@lru_cache(maxsize=1024)
def _signing_key(secret: Secret) -> bytes:
    """HKDF for one block: extract with a salt of zeros, then expand. The digits of a secret are not decoded."""
    material = secret.reveal().encode(errors="surrogatepass")  # an environment can hold what UTF-8 cannot
    extracted = hmac.digest(bytes(_SIGNATURE_BYTES), material, _DIGEST)
    return hmac.digest(extracted, _KEY_INFO + b"\x01", _DIGEST)


def _parse_claims(payload: bytes) -> Claims:
    try:
        members: object = json.loads(payload.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise AccessTokenInvalid("the payload is not JSON") from error
    if not isinstance(members, dict):
        raise AccessTokenInvalid("the payload is not a JSON object")
    identity = members.get("identity")
    if not isinstance(identity, str):
        raise AccessTokenInvalid("the payload has no text in identity")
    return Claims(identity, _parse_expiry(members.get("expires")), members)


def _parse_expiry(expires: object) -> float:
    if isinstance(expires, bool) or not isinstance(expires, int | float) or expires in (math.inf, -math.inf):
        raise AccessTokenInvalid("the payload has no number in expires")
    if expires >= FIRST_REAL_EXPIRY:
        return expires
    return math.inf if expires > _OLD_NOW else -math.inf


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
