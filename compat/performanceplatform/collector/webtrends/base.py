"""Old import path of what the entrypoints for Webtrends share."""

from importer.collector.webtrends_entrypoint import BaseCollector, BaseParser

__all__ = ["BaseCollector", "BaseParser"]
