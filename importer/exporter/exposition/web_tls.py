"""`tls_server_config` of a `web` object: a certificate, and what a client has to bring; Go's words for both."""

import hashlib
import ssl
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from importer.config import ObjectReader
from importer.errors import one_line
from importer.handed_over import credential_path

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,  # nobody looks at what it would bring
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_KEY_EXCHANGES = {"RSA": "", "ECDHE_RSA": "ECDHE-RSA-", "ECDHE_ECDSA": "ECDHE-ECDSA-"}
_CIPHERS = {
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_128_CBC_SHA256": "AES128-SHA256",
    "AES_256_CBC_SHA": "AES256-SHA",
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
}
_SUITES = {
    f"TLS_{exchange}_WITH_{cipher}": openssl_exchange + openssl_cipher
    for exchange, openssl_exchange in _KEY_EXCHANGES.items()
    for cipher, openssl_cipher in _CIPHERS.items()
}
_SUITES_OF_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Cannot be chosen, in Go neither."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What a port is opened with; equal to another if files and settings are the same."""

    stamp: str
    """A digest of them."""
    context: ssl.SSLContext = field(compare=False, repr=False)


def read_tls(keys: ObjectReader) -> Tls | None:
    """Return the settings of a `tls_server_config`; None if there are mistakes, which become problems of `keys`."""
    former_count = len(keys.problems)
    digest = hashlib.sha256()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    certificate, key = _file(keys, "cert_file", digest), _file(keys, "key_file", digest)
    if certificate is not None and key is not None:
        _load_certificate(context, keys, certificate, key)
    _read_versions(context, keys)
    _read_client_auth(context, keys, digest)
    _read_suites(context, keys)
    _read_curves(context, keys)
    if keys.boolean("prefer_server_cipher_suites", True):
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    keys.refuse_unknown()
    digest.update(repr(sorted(keys.given().items())).encode())
    return Tls(digest.hexdigest(), context) if len(keys.problems) == former_count else None


def _file(keys: ObjectReader, key: str, digest: "hashlib._Hash") -> Path | None:
    """Return the path of a file that can be read: a credential of systemd, or beside the configuration file."""
    name = keys.text(key)
    if not name:
        return None
    path = credential_path(name, beside=keys.file.parent)
    try:
        digest.update(path.read_bytes())
    except OSError as error:
        keys.problem(key, f"{path} cannot be read: {error.strerror}")
        return None
    return path


def _load_certificate(context: ssl.SSLContext, keys: ObjectReader, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password="")  # nobody is there to be asked for it
    except ssl.SSLError as error:
        what = error.reason or one_line(error)
        keys.problem(
            "cert_file", f"{certificate} and {key} are not a certificate and its key, without password: {what}"
        )


def _read_versions(context: ssl.SSLContext, keys: ObjectReader) -> None:
    least = keys.choice("min_version", tuple(_VERSIONS), "TLS12")
    most = keys.choice("max_version", tuple(_VERSIONS), "TLS13")
    if _VERSIONS[least] > _VERSIONS[most]:
        keys.problem("max_version", f"{most} is below min_version, {least}")
        return
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of who asks for an old one by name
        context.minimum_version, context.maximum_version = _VERSIONS[least], _VERSIONS[most]


def _read_client_auth(context: ssl.SSLContext, keys: ObjectReader, digest: "hashlib._Hash") -> None:
    kind = keys.choice("client_auth_type", tuple(_CLIENT_AUTH), "NoClientCert")
    is_given = keys.value("client_ca_file") not in (None, "")
    authority = _file(keys, "client_ca_file", digest) if is_given else None
    if is_given and _CLIENT_AUTH[kind] == ssl.CERT_NONE:
        keys.problem("client_ca_file", "is of no use without client_auth_type RequireAndVerifyClientCert")
    elif not is_given and _CLIENT_AUTH[kind] != ssl.CERT_NONE:
        keys.problem("client_ca_file", f"is missing; client_auth_type {kind} needs it")
    elif authority is not None:
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError as error:
            keys.problem("client_ca_file", f"{authority} holds no certificate: {error.reason or one_line(error)}")
        context.verify_mode = _CLIENT_AUTH[kind]


def _read_suites(context: ssl.SSLContext, keys: ObjectReader) -> None:
    names = keys.texts("cipher_suites", ())
    unknown = [name for name in names if name not in _SUITES and name not in _SUITES_OF_TLS13]
    if unknown:
        keys.problem("cipher_suites", f"{unknown[0]!r:.80} is not known; TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is one")
        return
    chosen = [_SUITES[name] for name in names if name in _SUITES]
    if chosen:
        try:
            context.set_ciphers(":".join(chosen))
        except ssl.SSLError:
            keys.problem("cipher_suites", "none of them is in this system's OpenSSL; name one that is")


def _read_curves(context: ssl.SSLContext, keys: ObjectReader) -> None:
    """Python takes one curve or OpenSSL's own choice: several, which are an order of preference, are left to that."""
    names = keys.texts("curve_preferences", ())
    unknown = [name for name in names if name not in _CURVES]
    if unknown:
        keys.problem("curve_preferences", f"{unknown[0]!r:.80} is not one of {', '.join(_CURVES)}")
    elif len(names) == 1:
        context.set_ecdh_curve(_CURVES[names[0]])
