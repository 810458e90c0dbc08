"""The `web` object of config.json: TLS, passwords and headers of the ports.

Its keys are those of Prometheus' exporter-toolkit
(https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md, checked 2026-11-28), as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from importer.config import ObjectReader
from importer.exporter.exposition.basic_auth import is_bcrypt_hash
from importer.exporter.exposition.web_tls import Tls, read_tls

HEADERS = (
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
    "Cache-Control",
)
"""Those that exporter-toolkit lets one set."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """How pages are handed out. Two are equal if nothing has changed, in the files of certificates neither."""

    tls: Tls | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names and bcrypt hashes; empty where nobody is asked for a password."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """What is sent with each answer."""


def read_web_config(keys: ObjectReader) -> WebConfig | None:
    """Return what a `web` object says, its files read; None if it says nothing.

    Each mistake becomes a problem of `keys`. The hashes and keys themselves are in no message.
    """
    if not keys.keys_with(""):
        return None
    is_tls = keys.value("tls_server_config") is not None
    config = WebConfig(
        tls=read_tls(keys.child("tls_server_config")) if is_tls else None,
        users=_read_users(keys.child("basic_auth_users")),
        headers=_read_http(keys.child("http_server_config")),
    )
    keys.refuse_unknown()
    return config


def _read_users(keys: ObjectReader) -> dict[str, str]:
    users: dict[str, str] = {}
    for name in keys.keys_with(""):
        value = keys.value(name)
        if not isinstance(value, str) or not is_bcrypt_hash(value):
            keys.problem(name, "is not a bcrypt hash; htpasswd -nBC 10 NAME makes one")
        elif not name or ":" in name:
            keys.problem(name, "a name is not empty and has no colon in it")
        else:
            users[name] = value
    return users


def _read_http(keys: ObjectReader) -> tuple[tuple[bytes, bytes], ...]:
    keys.boolean("http2", False)  # HTTP/1.1 is what every client speaks as well
    headers = keys.child("headers")
    allowed = {name.lower(): name for name in HEADERS}
    found: list[tuple[bytes, bytes]] = []
    for name in headers.keys_with(""):
        value = headers.value(name)
        if name.lower() not in allowed:
            headers.problem(name, f"cannot be set; {', '.join(HEADERS)} can")
        elif not isinstance(value, str) or not value.isascii() or not value.isprintable():
            headers.problem(name, "is not one line of ASCII text")
        else:
            found.append((name.lower().encode(), value.encode()))
    keys.refuse_unknown()
    return tuple(found)
