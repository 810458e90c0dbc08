"""Old import path of the entrypoint for Piwik, the same as `.core`."""

from importer.collector.piwik_entrypoint import main

__all__ = ["main"]
