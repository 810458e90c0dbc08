"""Old import path of the entrypoint for who is there now."""

from importer.collector.ga_realtime_entrypoint import main

__all__ = ["main"]
