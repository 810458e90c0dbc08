"""Old import path of the entrypoint for G-Cloud; users' packages of this name are added to its path."""

from pkgutil import extend_path

from importer.collector.gcloud_entrypoint import INDEX_URL, main

__path__ = extend_path(__path__, __name__)

__all__ = ["INDEX_URL", "main"]
