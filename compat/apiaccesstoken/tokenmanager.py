"""Old import path of what makes and verifies tokens."""

from importer.events.tokens.manager import Manager
from importer.events.tokens.token import SECRET_BYTES as SECRET_LENGTH
from importer.events.tokens.token import AccessTokenInvalid

__all__ = ["SECRET_LENGTH", "AccessTokenInvalid", "Manager"]
