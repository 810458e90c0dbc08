"""From a service's entry without a class to the service."""

import os
import threading
from collections.abc import Mapping
from dataclasses import replace

from importer.config import ObjectReader
from importer.exporter.json_api.metric_config import read_metrics
from importer.exporter.json_api.page_config import extra_parameters, read_pages
from importer.exporter.json_api.request import Source
from importer.exporter.json_api.request_config import Connection, RequestReader
from importer.exporter.json_api.service import JsonService


def read_json_service(
    keys: ObjectReader,
    *,
    name: str,
    environ: Mapping[str, str] = os.environ,
    stop: threading.Event | None = None,
) -> JsonService | None:
    """Return the service that an entry describes, or None if it holds mistakes, all of which are added to the problems.

    Keys that concern the engine are not read, nor are unknown ones refused. `stop` ends an exchange under way, which
    raises Stopped then.
    """
    before = len(keys.problems)
    stop = stop or threading.Event()
    connection = RequestReader(keys, environ=environ, stop=stop).read()
    rules = read_metrics(keys)
    source = _source(keys, connection)
    if source is None or len(keys.problems) > before:
        return None
    return JsonService(name, source, rules, stop=stop)


def _source(keys: ObjectReader, connection: Connection | None) -> Source | None:
    """Return where the documents come from; the pages are looked at even if the address is none."""
    is_paged = keys.value("pages") is not None
    if connection is None:
        if is_paged:
            read_pages(keys.child("pages"), query="", resolve=lambda _path, _link: None)
        return None
    rule, pages = connection.rule, None
    if is_paged:
        page_keys = keys.child("pages")
        rule = replace(rule, params={**rule.params, **extra_parameters(page_keys)})
        query = rule.path.partition("?")[2]
        pages = read_pages(page_keys, query=query, resolve=connection.caller.resolved)
    return Source(rule, connection.caller, tokens=connection.tokens, pages=pages)
