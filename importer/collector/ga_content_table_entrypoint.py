"""ga.contrib.content.table: a report of Google Analytics for each set of filters, which is that of a department."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime

from importer.collector.department import try_get_department
from importer.collector.ga_entrypoint import create_client, query_documents_for
from importer.collector.outlet import DataSetConfig
from importer.collector.pusher import Pusher
from importer.collector.vendor import RETRIES
from importer.errors import ConfigError, Problem
from importer.http_client import RetryPolicy
from importer.sources.google.core_v3 import prefixed
from importer.sources.google.question import texts_in

_BEGINS = "=~^"
_CODE = re.compile(r"<[^<>]+>")


def joined_filters(query: Mapping[str, object], filters: Sequence[str]) -> str:
    """Return the filters of a query and those of a set as one, of which all must hold."""
    return ";".join(map(prefixed, [*texts_in(query.get("filters"), "query.filters"), *filters]))


def department_in(filters: Sequence[str]) -> str:
    """Return the department that a set of filters is about: what follows `=~^`, a `<CODE>` first of all.

    Raises ConfigError where nothing does.
    """
    texts = [text.partition(_BEGINS)[2] for text in filters if _BEGINS in text]
    if not texts:
        what = f"no filter of {', '.join(filters) or 'an empty set'} tells a department, as dimension9=~^<D1> does"
        raise ConfigError(Problem("options", what, key="filtersets"))
    return try_get_department(next(filter(_CODE.match, texts), texts[0]))


def main(  # noqa: PLR0917 - the contract of every entrypoint
    credentials: Mapping[str, object],
    data_set_config: DataSetConfig,
    query: Mapping[str, object],
    options: Mapping[str, object],
    start_at: datetime | None,
    end_at: datetime | None,
    *,
    retries: RetryPolicy = RETRIES,
) -> None:
    """Ask for each set of filters and push all records together; raises ImporterError, and ValueError for dates."""
    departments = [(filters, department_in(filters)) for filters in _filter_sets(options)]
    data_type = str(data_set_config["data-type"])
    documents: list[dict[str, object]] = []
    with closing(create_client(credentials, retries=retries)) as client:
        for filters, department in departments:
            asked = {**query, "filters": [joined_filters(query, filters)]}
            own_options = {**options, "additionalFields": {**_additional_fields(options), "department": department}}
            documents += query_documents_for(client, asked, own_options, data_type, start_at, end_at)
    Pusher(data_set_config, options).push(documents)


def _filter_sets(options: Mapping[str, object]) -> Iterator[Sequence[str]]:
    filter_sets = options.get("filtersets")
    if not isinstance(filter_sets, list):
        what = 'is missing; a list of lists is expected, such as [["dimension9=~^<D1>"]]'
        raise ConfigError(Problem("options", what, key="filtersets"))
    return (texts_in(filters, "options.filtersets") for filters in filter_sets)


def _additional_fields(options: Mapping[str, object]) -> Mapping[str, object]:
    fields = options.get("additionalFields") or {}
    if not isinstance(fields, Mapping):
        raise ConfigError(Problem("options", "is not an object", key="additionalFields"))
    return fields
