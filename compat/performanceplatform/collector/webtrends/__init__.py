"""Old import path of the entrypoint for Webtrends: `.reports` where the query names one, else `.keymetrics`."""

from importer.collector.webtrends_entrypoint import main

__all__ = ["main"]
