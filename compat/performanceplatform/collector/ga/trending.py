"""Old import path of the entrypoint for trends."""

from importer.collector.ga_trending_entrypoint import main, parse_query

__all__ = ["main", "parse_query"]
