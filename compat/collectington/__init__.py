"""Old import path of Collectington: what users' classes import. What it does lives in `importer.exporter`."""

from importer import __version__

__all__ = ["__version__"]
