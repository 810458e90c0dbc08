"""Old import path of what is raised where a login is required."""

from importer.events.tokens.middleware import HTTPForbidden

__all__ = ["HTTPForbidden"]
