"""Old import path of the entrypoint for Webtrends' reports."""

from importer.collector.webtrends_reports_entrypoint import Collector, V2Parser, V3Parser, main

__all__ = ["Collector", "V2Parser", "V3Parser", "main"]
