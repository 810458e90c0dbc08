"""The file in which oauth2client keeps a token, and we too: read, and written back after a refresh."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from importer.credentials import register
from importer.errors import ConfigError, Problem
from importer.stores import load_json, write_private

logger = logging.getLogger(__name__)

REMEDY = "make it with generate-ga-credentials CLIENT_SECRET.json"
EXPIRY_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
SECRET_FIELDS = ("access_token", "refresh_token", "client_secret", "id_token")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token."""

    text: str
    expires: datetime | None
    """UTC without a zone, as google-auth has it; None where nobody has said."""


def load_fields(path: Path) -> dict[str, object]:
    """Return the fields of a storage file; raises ConfigError for one that is missing, unusable or invalid."""
    try:
        value = load_json(path)
    except ConfigError as error:
        raise ConfigError(Problem(path, f"{error.problems[0].what}; {REMEDY}")) from error
    return checked_fields(value, path)


def checked_fields(value: object, place: Path | str) -> dict[str, object]:
    """Return what a storage file (or an object in its place) holds; raises ConfigError for what cannot be used."""
    if not isinstance(value, Mapping):
        raise ConfigError(Problem(place, f"is not an object; {REMEDY}"))
    if value.get("invalid") is True:
        raise ConfigError(Problem(place, f"is marked as invalid; {REMEDY}", key="invalid"))
    mask_secrets(value)
    return dict(cast("Mapping[str, object]", value))


def mask_secrets(fields: Mapping[str, object]) -> None:
    """Keep the secrets among some fields out of logs and messages from now on."""
    for name in SECRET_FIELDS:
        secret = fields.get(name)
        if isinstance(secret, str):
            register(secret)


def token_in(fields: Mapping[str, object]) -> Token | None:
    """Return the token that some fields hold, if there is one that tells when it expires."""
    text = fields.get("access_token")
    expires = expiry_in(fields)
    return Token(text, expires) if isinstance(text, str) and text and expires is not None else None


def expiry_in(fields: Mapping[str, object]) -> datetime | None:
    """Return when the token expires: UTC without a zone; None where it is not told, or not as a time."""
    expires = fields.get("token_expiry")
    if isinstance(expires, datetime):
        return expires.astimezone(UTC).replace(tzinfo=None) if expires.tzinfo else expires
    try:
        return datetime.strptime(str(expires), EXPIRY_FORMAT).replace(tzinfo=UTC).replace(tzinfo=None)
    except ValueError:
        return None


def save_token(path: Path, token: Token, fields: Mapping[str, object]) -> None:
    """Write a new token into the storage file beside the fields; where that fails a warning says so."""
    expires = token.expires.strftime(EXPIRY_FORMAT) if token.expires else None
    content = {**fields, "access_token": token.text, "token_expiry": expires, "invalid": False}
    answer = content.get("token_response")
    if isinstance(answer, dict):
        content["token_response"] = {**answer, "access_token": token.text}
    try:
        write_private(path, json.dumps(content, indent=1))
    except OSError as error:
        logger.warning("new token is not stored: file=%s reason=%s", path, error.strerror or error)
