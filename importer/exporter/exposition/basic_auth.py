"""Who may see a page: names and passwords of HTTP's basic authentication, of which the bcrypt hashes are kept.

As Prometheus' exporter-toolkit does it: a name that is not known costs as much as one that is, and what was right once
is remembered, as a hash of bcrypt takes a tenth of a second.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Mapping

MAX_REMEMBERED = 100

_HASH = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_MAX_PASSWORD_BYTES = 72
"""bcrypt looks at no more."""


def is_bcrypt_hash(value: str) -> bool:
    """Return whether this is a bcrypt hash."""
    return _HASH.fullmatch(value) is not None


def credentials_of(authorization: str | None) -> tuple[str, bytes] | None:
    """Return name and password of an Authorization header; None if it has none.

    >>> credentials_of("Basic YWRhOmxvdmU6bGFjZQ==")
    ('ada', b'love:lace')
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None


class Passwords:
    """Names, and the hashes of their passwords; may be asked by several threads."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """There is one name at the least."""
        self._hashes = dict(hashes)
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._remembered: dict[bytes, None] = {}
        """Digests of what was right, oldest first."""

    def is_remembered(self, name: str, password: bytes) -> bool:
        """Return whether this was found to be right before: at once."""
        with self._lock:
            return self._digest(name, password) in self._remembered

    def is_right(self, name: str, password: bytes) -> bool:
        """Return whether this is right; takes as long as bcrypt does."""
        import bcrypt  # here, since hardly anybody has passwords

        decoy = next(iter(self._hashes.values()))
        hashed = self._hashes.get(name, decoy)
        is_equal = bcrypt.checkpw(password[:_MAX_PASSWORD_BYTES], hashed.encode())
        if not is_equal or name not in self._hashes:
            return False
        with self._lock:
            self._remembered[self._digest(name, password)] = None
            if len(self._remembered) > MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        return True

    def _digest(self, name: str, password: bytes) -> bytes:
        return hmac.digest(self._key, hashlib.sha256(name.encode()).digest() + password, "sha256")
