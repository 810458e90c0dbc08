"""Old import path of the command."""

from importer.cli.leexport.main import main

__all__ = ["main"]
