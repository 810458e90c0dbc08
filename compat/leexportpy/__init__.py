"""Old import path of leexportpy: what users' services import. What it does lives in `importer.leexport`."""

from importer import __version__

__all__ = ["__version__"]
