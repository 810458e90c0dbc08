"""Old import path of the stand-in for an httplib2.Http."""

from importer.collector.http_with_backoff import HttpWithBackoff

__all__ = ["HttpWithBackoff"]
