"""Old import path of the client of the administration."""

from importer.backdrop.admin import AdminAPI

__all__ = ["AdminAPI"]
