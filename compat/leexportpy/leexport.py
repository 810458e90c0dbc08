"""Old import path of the command."""

from importer.cli.leexport import main

__all__ = ["main"]
