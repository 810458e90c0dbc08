"""Old import path of a client's side; imports requests."""

from importer.events.client.auth import RequestsAccessTokenAuth

__all__ = ["RequestsAccessTokenAuth"]
