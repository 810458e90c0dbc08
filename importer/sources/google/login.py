"""From what an account logs in with to an Authorizer: stored tokens of an application, and keys of service accounts.

Needs the extra `google`; this module is imported on use.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from google.auth.transport import Request
from google.oauth2.credentials import Credentials as UserCredentials
from google.oauth2.service_account import Credentials as ServiceCredentials

from importer.errors import ConfigError, Problem
from importer.http_request import split_url
from importer.sources.google.account import Login
from importer.sources.google.auth import Authorizer
from importer.sources.google.private_key import load_signer
from importer.sources.google.storage import (
    REMEDY,
    Token,
    checked_fields,
    expiry_in,
    load_fields,
    mask_secrets,
    save_token,
    token_in,
)
from importer.stores import load_json

if TYPE_CHECKING:
    from google.auth.crypt import RSASigner

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
"""What service accounts ask for; a stored token has the scope that it was made with."""
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
"""Where no file names another."""
KEY_REMEDY = "give the key of a service account that Google still knows"

_STORED_FIELDS = (
    "access_token",
    "client_id",
    "client_secret",
    "refresh_token",
    "token_expiry",
    "token_uri",
    "invalid",
)
_NEEDED_FIELDS = ("client_id", "client_secret", "refresh_token", "token_uri")


def build_authorizer(login: Login, transport: Request) -> Authorizer:
    """Return what gives tokens for a login; raises ConfigError for files that cannot be used."""
    if login.service_account is not None:
        return _service_account(login.service_account, transport)
    if login.account_name:
        return _old_service_account(login, transport)
    return _application(login, transport)


def _application(login: Login, transport: Request) -> Authorizer:
    place: Path | str = login.storage or "OAUTH2_CREDENTIALS"
    stored = load_fields(login.storage) if login.storage else embedded_fields(login.embedded)
    fields = {**_client_secrets(login.client_secrets), **{key: value for key, value in stored.items() if value}}
    missing = [Problem(place, f"is missing; {REMEDY}", key=key) for key in _NEEDED_FIELDS if not _text(fields, key)]
    if missing:
        raise ConfigError(missing)
    _check_address(_text(fields, "token_uri"), place)
    credentials = UserCredentials(  # type: ignore[no-untyped-call]
        _text(fields, "access_token") or None,
        refresh_token=_text(fields, "refresh_token"),
        token_uri=_text(fields, "token_uri"),
        client_id=_text(fields, "client_id"),
        client_secret=_text(fields, "client_secret"),
        expiry=expiry_in(fields),
    )

    def save(token: Token) -> None:
        if login.storage is not None:
            save_token(login.storage, token, {**stored, "refresh_token": credentials.refresh_token})

    return Authorizer(credentials, transport, remedy=f"{place}: {REMEDY}", save=save)


def embedded_fields(value: object) -> dict[str, object]:
    """Return the fields that are given in a storage file's place, or by the object that its `get()` returns."""
    place = "OAUTH2_CREDENTIALS"
    if isinstance(value, Mapping):
        return checked_fields(value, place)
    found = value.get() if hasattr(value, "get") else None
    if isinstance(found, Mapping):
        return checked_fields(found, place)
    return checked_fields({key: getattr(found, key) for key in _STORED_FIELDS if hasattr(found, key)}, place)


def _client_secrets(given: Path | Mapping[str, object] | None) -> dict[str, object]:
    place: Path | str = given if isinstance(given, Path) else "CLIENT_SECRETS"
    content = load_json(given) if isinstance(given, Path) else given
    if isinstance(content, Mapping):
        for kind in ("installed", "web"):
            secrets = content.get(kind)
            if isinstance(secrets, Mapping):
                mask_secrets(secrets)
                return dict(cast("Mapping[str, object]", secrets))
    raise ConfigError(Problem(place, 'has neither "installed" nor "web"; download it from the Google Cloud console'))


def _check_address(token_uri: str, place: Path | str) -> None:
    try:
        split_url(token_uri)
    except ValueError as error:
        raise ConfigError(Problem(place, str(error), key="token_uri")) from error


def _text(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def _service_account(path: Path, transport: Request) -> Authorizer:
    content = load_json(path)
    fields = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    missing = [
        Problem(path, "is missing; download the JSON key of a service account", key=key)
        for key in ("client_email", "private_key", "token_uri")
        if not _text(fields, key)
    ]
    if missing:
        raise ConfigError(missing)
    _check_address(_text(fields, "token_uri"), path)
    signer = load_signer(_text(fields, "private_key").encode(), path)
    credentials = _service_credentials(_text(fields, "client_email"), signer, _text(fields, "token_uri"))
    return Authorizer(credentials, transport, remedy=f"{path}: {KEY_REMEDY}")


def _old_service_account(login: Login, transport: Request) -> Authorizer:
    path = cast(Path, login.private_key)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(Problem(path, f"cannot be read: {error.strerror}")) from error
    storage = login.storage
    stored = load_fields(storage) if storage is not None and storage.exists() else {}
    token_uri = _text(stored, "token_uri") or TOKEN_URI
    _check_address(token_uri, storage or path)
    is_ours = stored.get("service_account_name") == login.account_name
    fields = {**stored, "service_account_name": login.account_name, "token_uri": token_uri, "scopes": [SCOPE]}

    def save(token: Token) -> None:
        if storage is not None:
            save_token(storage, token, fields)

    credentials = _service_credentials(login.account_name, load_signer(key, path), token_uri)
    token = token_in(stored) if is_ours else None
    if token is not None:
        credentials.token, credentials.expiry = token.text, token.expires
    return Authorizer(credentials, transport, remedy=f"{path}: {KEY_REMEDY}", save=save)


def _service_credentials(email: str, signer: "RSASigner", token_uri: str) -> ServiceCredentials:
    claims = {"aud": token_uri}  # google-auth names Google's endpoint whatever the file says
    return ServiceCredentials(  # type: ignore[no-untyped-call]
        signer, email, token_uri, scopes=[SCOPE], additional_claims=claims
    )
