"""Old import path of the service dummy."""

from importer.leexport.dummy import DummyService

__all__ = ["DummyService"]
