"""Old import path of the names of the header."""

from importer.events.tokens.headers import ACCESS_TOKEN_HEADER, WSGI_ENV_ACCESS_TOKEN_HEADER

__all__ = ["ACCESS_TOKEN_HEADER", "WSGI_ENV_ACCESS_TOKEN_HEADER"]
