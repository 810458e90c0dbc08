"""Access tokens: from the storage file as long as they live, then refreshed by google-auth and written back.

Needs the extra `google`; this module is imported on use.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from importer.credentials import register
from importer.errors import BadAnswer, SourceError, SourceRefused
from importer.sources.google.names import SOURCE
from importer.sources.google.storage import Token

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport import Request

logger = logging.getLogger(__name__)


class Authorizer:
    """Gives access tokens for one login."""

    def __init__(
        self,
        credentials: "Credentials",
        transport: "Request",
        *,
        remedy: str,
        save: Callable[[Token], None] | None = None,
    ) -> None:
        """`remedy` says what to do once Google refuses the login; `save` stores a new token."""
        self._credentials = credentials
        self._transport = transport
        self._remedy = remedy
        self._save = save

    def token(self) -> str:
        """Return a token that has not expired; raises SourceError."""
        if not self._credentials.valid:
            self.renew()
        return str(self._credentials.token)

    def renew(self) -> None:
        """Get a new token, whether or not the present one has expired; raises SourceError."""
        from google.auth.exceptions import GoogleAuthError

        try:
            self._credentials.refresh(self._transport)  # type: ignore[no-untyped-call]
        except BadAnswer as error:
            raise SourceRefused(SOURCE, f"{error.reason}; {self._remedy}") from error
        except GoogleAuthError as error:
            raise SourceError(SOURCE, f"no token: {error.args[0] if error.args else error}; {self._remedy}") from error
        text = str(self._credentials.token)
        register(text)
        logger.debug("token renewed")
        if self._save is not None:
            self._save(Token(text, self._credentials.expiry))
