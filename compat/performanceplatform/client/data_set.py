"""Old import path of the client of a data set."""

from importer.backdrop.base import ChunkingError
from importer.backdrop.data_set import DataSet

__all__ = ["ChunkingError", "DataSet"]
