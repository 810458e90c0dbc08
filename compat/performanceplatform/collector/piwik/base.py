"""Old import path of what Piwik's two fetchers share."""

from importer.collector.piwik_entrypoint import BaseFetcher

__all__ = ["BaseFetcher"]
