"""Old import path of what asks Stagecraft for a collector's query."""

from importer.collector.collector_query import get_config

__all__ = ["get_config"]
