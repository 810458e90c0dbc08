"""Old import path of the entrypoint for Webtrends' key metrics."""

from importer.collector.webtrends_key_metrics_entrypoint import Collector, V2Parser, V3Parser, main

__all__ = ["Collector", "V2Parser", "V3Parser", "main"]
