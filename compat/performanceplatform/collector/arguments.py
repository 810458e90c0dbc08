"""Old import path of pp-collector's command line."""

from importer.collector.arguments import parse_args

__all__ = ["parse_args"]
