"""Old import path of the entrypoint for the content of each department."""

from importer.collector.ga_content_table_entrypoint import main

__all__ = ["main"]
