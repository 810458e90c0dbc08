"""What a query file would say, asked of Stagecraft by the slug of a collector."""

from collections.abc import Mapping
from typing import Any

import requests

from importer.backdrop.base import PATIENT
from importer.backdrop.collector_api import CollectorAPI
from importer.collector.content import address, reader_of
from importer.errors import ImporterError, one_line
from importer.requests_backoff import Backoff

_USED = {
    "entrypoint": ("entry_point",),
    "data-group": ("data_set", "data_group"),
    "data-type": ("data_set", "data_type"),
}


class NoCollector(ImporterError):
    """Stagecraft did not give the collector; says which, and why."""

    def __init__(self, slug: str, reason: str) -> None:
        self.slug = slug
        super().__init__(one_line(f"collector {slug}: {reason}"))


def get_config(
    collector_slug: str, performanceplatform: Mapping[str, Any], *, backoff: Backoff = PATIENT
) -> dict[str, Any]:
    """Return the query of a collector: `entrypoint`, `data-set`, `query` and `options`.

    `performanceplatform` holds `stagecraft_url` and `omniscient_api_token` (or `omniscient_api_token_file`). Raises
    ConfigError where it does not, and NoCollector.
    """
    keys = reader_of(performanceplatform, "performanceplatform")
    url, token = address(keys, "stagecraft_url"), keys.secret("omniscient_api_token")
    keys.finish(refuse_unknown=False)
    try:
        collector = CollectorAPI(url, token.reveal(), backoff=backoff).get_collector(collector_slug)
    except requests.RequestException as error:
        raise NoCollector(collector_slug, str(error)) from error
    return _query_of(collector_slug, collector)


def _query_of(slug: str, collector: object) -> dict[str, Any]:
    entrypoint, group, data_type = (_text(slug, collector, path) for path in _USED.values())
    content = collector if isinstance(collector, dict) else {}
    query, options = content.get("query"), content.get("options")
    if not isinstance(query, dict) or not isinstance(options, dict | None):
        raise NoCollector(slug, "Stagecraft's answer has no object as query, or options that are none")
    return {
        "entrypoint": entrypoint,
        "data-set": {"data-group": group, "data-type": data_type},
        "query": query,
        "options": options or {},
    }


def _text(slug: str, collector: object, path: tuple[str, ...]) -> str:
    value = collector
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise NoCollector(slug, f"Stagecraft's answer has no text as {'.'.join(path)}")
    return value
