"""Old import path of the client."""

from importer.events.client import Analytics

__all__ = ["Analytics"]
