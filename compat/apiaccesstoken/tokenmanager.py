"""Old import path of what makes and verifies tokens."""

from importer.events.token_manager import Manager
from importer.events.tokens import SECRET_BYTES as SECRET_LENGTH
from importer.events.tokens import AccessTokenInvalid

__all__ = ["SECRET_LENGTH", "AccessTokenInvalid", "Manager"]
