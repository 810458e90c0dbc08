"""A user's consent to read Google Analytics: the link that asks for it, and the tokens that it gives.

Google's flow for installed applications, with PKCE and a redirect to loopback; checked on 2026-11-28 against
https://developers.google.com/identity/protocols/oauth2/native-app
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from urllib.parse import urlencode, urlsplit

from importer.collector.vendor import Vendor
from importer.credentials import register
from importer.errors import BadAnswer, ConfigError, Problem, SourceRefused, one_line
from importer.http_client import RetryPolicy
from importer.http_request import split_url
from importer.sources.google.storage import EXPIRY_FORMAT, mask_secrets
from importer.stores import load_json

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
REVOKE_URI = "https://accounts.google.com/o/oauth2/revoke"

_SOURCE = "Google"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ONCE = RetryPolicy(extra_attempts=0)
"""A code can be exchanged once."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """An application as Google's download describes it."""

    client_id: str
    client_secret: str = field(repr=False)
    auth_uri: str
    token_uri: str
    content: Mapping[str, object] = field(repr=False)
    """All that the file holds."""


def load_client_secret(path: Path) -> ClientSecret:
    """Return the application that a file describes; raises ConfigError with all that is wrong with it."""
    content = load_json(path)
    kind, fields = _application(content)
    if not kind:
        what = 'has neither "installed" nor "web"; download it from the Google Cloud console'
        raise ConfigError(Problem(path, what))
    mask_secrets(fields)
    keys = ("client_id", "client_secret", "auth_uri", "token_uri")
    texts = {key: value for key in keys if isinstance(value := fields.get(key), str) and value}
    mistakes = {key: "is missing" if key not in texts else _mistake_in(key, texts[key]) for key in keys}
    problems = [Problem(path, what, key=f"{kind}.{key}") for key, what in mistakes.items() if what]
    if problems:
        raise ConfigError(problems)
    return ClientSecret(**texts, content=cast("Mapping[str, object]", content))


def _application(content: object) -> tuple[str, Mapping[str, object]]:
    for kind in ("installed", "web"):
        fields = content.get(kind) if isinstance(content, Mapping) else None
        if isinstance(fields, Mapping):
            return kind, fields
    return "", {}


def _mistake_in(key: str, address: str) -> str:
    """Return what is wrong with an address that secrets are sent to; nothing where it will do, or is none."""
    if not key.endswith("_uri"):
        return ""
    try:
        split_url(address)
    except ValueError as error:
        return str(error)
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return ""
    return "is not https://; secrets are sent there"


class Consent:
    """One question to the user, with what only its answer can fit: `state` and the verifier of PKCE."""

    def __init__(self, client: ClientSecret, *, token: Callable[[int], str] = secrets.token_urlsafe) -> None:
        self.state = token(24)
        self._client = client
        self._verifier = token(48)
        register(self._verifier)

    def link(self, redirect_uri: str) -> str:
        """Return the address where the user is asked."""
        digest = hashlib.sha256(self._verifier.encode()).digest()
        question = {
            "client_id": self._client.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "state": self.state,
            "access_type": "offline",  # or there is no refresh token
            "prompt": "consent",  # or there is one the first time alone
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in self._client.auth_uri else "?"
        return f"{self._client.auth_uri}{separator}{urlencode(question)}"

    def exchange(self, code: str, redirect_uri: str, *, clock: Callable[[], float] = time.time) -> dict[str, object]:
        """Return what a storage file holds, for the code of a consent; raises SourceError."""
        register(code)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self._client.client_id,
            "client_secret": self._client.client_secret,
            "redirect_uri": redirect_uri,
            "code_verifier": self._verifier,
        }
        vendor = Vendor(_SOURCE, self._client.token_uri, retries=_ONCE)
        try:
            answer = vendor.ask_json(method="POST", form=form)
        finally:
            vendor.close()
        return storage_fields(self._client, answer, now=clock())


def storage_fields(client: ClientSecret, answer: object, *, now: float) -> dict[str, object]:
    """Return what a storage file holds, as oauth2client wrote it, for an answer of a token endpoint at `now`.

    Raises BadAnswer for one without tokens, SourceRefused where the consent was not for Google Analytics.
    """
    match answer:
        case {
            "access_token": str(access_token),
            "refresh_token": str(refresh_token),
            "expires_in": int(seconds),
            **others,
        }:
            mask_secrets({"access_token": access_token, "refresh_token": refresh_token})
        case _:
            raise BadAnswer(_SOURCE, "the answer has no access_token, refresh_token and expires_in")
    scopes = str(others.get("scope", SCOPE)).split()
    if SCOPE not in scopes:
        raise SourceRefused(_SOURCE, f"Google Analytics was left out of the consent: {one_line(' '.join(scopes))}")
    return {
        "_module": "oauth2client.client",
        "_class": "OAuth2Credentials",
        "access_token": access_token,
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": refresh_token,
        "token_expiry": datetime.fromtimestamp(now + seconds, UTC).strftime(EXPIRY_FORMAT),
        "token_uri": client.token_uri,
        "user_agent": None,
        "revoke_uri": REVOKE_URI,
        "id_token": None,
        "invalid": False,
        "token_response": {"access_token": access_token, "expires_in": seconds, "token_type": "Bearer"},
        "scopes": scopes,
        "token_info_uri": None,
    }
