"""Old import path of the client of a Backdrop. What it does lives in `importer.backdrop`."""

from importer import __version__
from importer.backdrop.admin import AdminAPI
from importer.backdrop.collector_api import CollectorAPI
from importer.backdrop.data_set import DataSet

__all__ = ["AdminAPI", "CollectorAPI", "DataSet", "__version__"]
