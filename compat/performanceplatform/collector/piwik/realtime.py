"""Old import path of the entrypoint for Piwik's visitors of the last minutes."""

from importer.collector.piwik_realtime_entrypoint import Fetcher, Parser, main

__all__ = ["Fetcher", "Parser", "main"]
