"""The administration's list of collectors: what each asks, and for which data set."""

from typing import Any
from urllib.parse import quote

from importer.backdrop.base import BaseClient


class CollectorAPI(BaseClient):
    """Calls about collectors; what each gives back is the answer's JSON as it is."""

    compresses = False

    def get_collector(self, slug: str) -> Any:
        """Return a collector."""
        return self._get(f"/collector/{quote(slug, safe='')}")

    def list_collectors(self) -> Any:
        """Return all collectors."""
        return self._get("/collector")

    def get_collector_type(self, slug: str) -> Any:
        """Return a kind of collector."""
        return self._get(f"/collector-type/{quote(slug, safe='')}")

    def list_collector_types(self) -> Any:
        """Return the kinds of collectors."""
        return self._get("/collector-type")
