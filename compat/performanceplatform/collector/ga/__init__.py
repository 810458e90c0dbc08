"""Old import path of the entrypoint for reports of Google Analytics; users add modules of their own beside it."""

from pkgutil import extend_path

from importer.collector.ga_entrypoint import create_client, main, query_documents_for

__path__ = extend_path(__path__, __name__)

__all__ = ["create_client", "main", "query_documents_for"]
