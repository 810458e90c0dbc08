"""Old import path of the client of the list of collectors."""

from importer.backdrop.collector_api import CollectorAPI

__all__ = ["CollectorAPI"]
