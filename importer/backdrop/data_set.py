"""One data set of a Backdrop."""

from collections.abc import Mapping
from typing import Any, Self

from importer.backdrop.base import BaseClient


class DataSet(BaseClient):
    """A data set: written to with its token, read with or without.

    Records with the same `_id` replace each other, so that whatever is posted may be posted again.
    """

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **more: Any) -> Self:
        """Return the data set of an object with `url`, `token` and `dry_run`."""
        return cls(config["url"], config["token"], bool(config.get("dry_run", False)), **more)

    @classmethod
    def from_name(cls, api_url: str, name: str, dry_run: bool = False) -> Self:
        """Return a data set by its name, without a token."""
        return cls(f"{api_url.rstrip('/')}/{name}", None, dry_run)

    @classmethod
    def from_group_and_type(
        cls, api_url: str, data_group: str, data_type: str, dry_run: bool = False, token: str | None = None
    ) -> Self:
        """Return a data set by its group and type.

        >>> DataSet.from_group_and_type("http://backdrop.example/data", "tax-disc", "monitoring").base_url
        'http://backdrop.example/data/tax-disc/monitoring'
        """
        return cls(f"{api_url.rstrip('/')}/{data_group}/{data_type}", token, dry_run)

    def get(self, query_parameters: Mapping[str, Any] | None = None) -> Any:
        """Return what the data set answers to a query: `{"data": [...]}`."""
        return self._get(params=query_parameters)

    def post(self, records: Any, chunk_size: int = 0) -> Any:
        """Add records (a list, a generator or one object), so many in each request; 0: all in one.

        Raises ChunkingError for text or a number that is to be sent in chunks.
        """
        return self._post("", records, chunk_size)

    def empty_data_set(self) -> Any:
        """Take all records out."""
        return self._put("", [])
