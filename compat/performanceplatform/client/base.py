"""Old import path of what the clients have in common."""

from importer.backdrop.base import BaseClient, ChunkingError, JsonEncoder, return_none_on

__all__ = ["BaseClient", "ChunkingError", "JsonEncoder", "return_none_on"]
