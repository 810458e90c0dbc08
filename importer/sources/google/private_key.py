"""The private key of a service account: PEM, or PKCS 12 as Google once gave it out.

Needs the extra `google`; this module is imported on use.
"""

from pathlib import Path

from google.auth.crypt import RSASigner

from importer.errors import ConfigError, Problem

PASSWORD = b"notasecret"
"""Of every PKCS 12 file that Google has given out."""

_PEM = b"-----BEGIN"


def load_signer(key: bytes, path: Path) -> RSASigner:
    """Return what signs with a key, which came from that file; raises ConfigError for one that cannot be used."""
    pem = key if _PEM in key else _pem_of(key, path)
    try:
        return RSASigner.from_string(pem)  # type: ignore[no-any-return, no-untyped-call]
    except (ValueError, TypeError) as error:
        raise ConfigError(Problem(path, "holds no private RSA key that can be used; PEM is expected")) from error


def _pem_of(key: bytes, path: Path) -> bytes:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError as error:
        what = "is not PEM, and PKCS 12 needs the package cryptography: install it, or convert the key to PEM"
        raise ConfigError(Problem(path, what)) from error
    try:
        private_key = pkcs12.load_key_and_certificates(key, PASSWORD)[0]
    except ValueError as error:
        raise ConfigError(Problem(path, "is neither PEM nor PKCS 12 with Google's usual password")) from error
    if private_key is None:
        raise ConfigError(Problem(path, "holds no private key"))
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
