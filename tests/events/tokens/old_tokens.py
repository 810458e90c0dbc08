"""The old library's tokens, written anew from RFC 5869 and the description of the format: the judge of ours."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[2] / "golden" / "stats_service"
VALID: list[dict[str, Any]] = json.loads((GOLDEN / "tokens.json").read_text())["valid"]
"""Tokens that the old library made: secret, token, payload and, for the second, signing_key_hex."""
OLD_NOW = 5


def signing_key(secret: str) -> bytes:
    """Return the key that a secret stands for: HKDF-Extract, then HKDF-Expand to as many bytes as SHA-512 has."""
    pseudo_random_key = hmac.new(b"\0" * 64, secret.encode("utf-8"), hashlib.sha512).digest()
    return hmac.new(pseudo_random_key, b"services.mozilla.com/tokenlib/v1/signing\x01", hashlib.sha512).digest()


def sign(payload: bytes | dict[str, object], secret: str) -> str:
    """Return the token of a payload, whatever that is."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = hmac.new(signing_key(secret), data, hashlib.sha512).digest()
    return base64.urlsafe_b64encode(data + signature).decode()


def accepted(token: str, secret: str) -> dict[str, Any]:
    """Return the payload of a token that the old library accepts; fails for another one."""
    signed = base64.urlsafe_b64decode(token)
    assert hmac.new(signing_key(secret), signed[:-64], hashlib.sha512).digest() == signed[-64:]
    payload: dict[str, Any] = json.loads(signed[:-64])
    assert payload["expires"] > OLD_NOW
    return payload
