"""Old import path of the function that makes nested objects flat."""

from importer.events.flatten import flatten

__all__ = ["flatten"]
