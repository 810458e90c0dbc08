"""Old import path of the entrypoint for Piwik's days, weeks and months."""

from importer.collector.piwik_entrypoint import Fetcher, Parser, main

__all__ = ["Fetcher", "Parser", "main"]
