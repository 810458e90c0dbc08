"""Old import path of the client for Google Analytics."""

from importer.collector.ga_entrypoint import create_client, track_ga_api_usage

__all__ = ["create_client", "track_ga_api_usage"]
