"""Old import path of the server's side, for WSGI and Pyramid."""

from importer.events.tokens.middleware import TokenMiddleware, UserAccess

__all__ = ["TokenMiddleware", "UserAccess"]
