"""Old import path of the client."""

from importer.events.client.analytics import Analytics

__all__ = ["Analytics"]
