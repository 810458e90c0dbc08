"""Old import path of a search as an object."""

from importer.leexport.search import Search

__all__ = ["Search"]
