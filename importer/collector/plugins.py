"""Plug-ins that work on the records of a period before they are pushed.

A query names them by text, such as `"ComputeIdFrom('_timestamp', 'timeSpan')"`. Each is made once and called with the
list of records, and gives back the list that goes on. `Comment` and its like are what comes with us; classes of others
are found by the entry points of ENTRY_POINT_GROUP, or were put into the old package by whoever imported it.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from importer.collector.aggregation import (
    Aggregation,
    aggregate_count,
    aggregate_rate,
    group,
    likeness,
    make_aggregate,
)
from importer.collector.department import department_of, try_get_department
from importer.collector.plugin_call import Call, PluginError, parse_call
from importer.collector.record_id import compact_time, value_id
from importer.errors import ImporterError, one_line

Document = dict[str, Any]
Plugin = Callable[[list[Document]], list[Document]]

ENTRY_POINT_GROUP = "performanceplatform.collector.ga.plugins"
"""Also the old package's name."""


class MissingField(ImporterError, KeyError):
    """A record lacks a field that a plug-in needs."""

    def __str__(self) -> str:
        """Return the text as it is; a KeyError's would stand in quotes."""
        return str(self.args[0])


class Comment:
    """Does nothing, whatever is in it."""

    def __init__(self, *anything: object) -> None:
        self.anything = anything

    def __call__(self, documents: list[Document]) -> list[Document]:
        """Return the records as they are."""
        return documents


class ComputeIdFrom:
    """Names each record by the text of some of its fields; MissingField where one is not there."""

    def __init__(self, *fields: str) -> None:
        self.fields = fields

    def __call__(self, documents: list[Document]) -> list[Document]:
        """Return the records with `_id` and `humanId`."""
        for document in documents:
            text = "_".join(self._text(document, field) for field in self.fields)
            document["_id"], document["humanId"] = value_id(text)
        return documents

    def _text(self, document: Document, field: str) -> str:
        if field not in document:
            reason = f"ComputeIdFrom: the record has no field {field!r:.100}; it has {', '.join(map(str, document))}"
            raise MissingField(one_line(reason))
        value = document[field]
        return compact_time(value) if isinstance(value, datetime) else str(value)


class RemoveKey:
    """Takes fields out of each record."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def __call__(self, documents: list[Document]) -> list[Document]:
        """Return the records without the fields; one that is not there is not missed."""
        for document in documents:
            for key in self.keys:
                document.pop(key, None)
        return documents


class ComputeRank:
    """Numbers the records from 1, in their order."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, documents: list[Document]) -> list[Document]:
        """Return the records with their number in the field."""
        for rank, document in enumerate(documents, start=1):
            document[self.name] = rank
        return documents


class ComputeDepartmentKey:
    """Sets `department` by the code that a field begins with; NoDepartment where there is none."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, documents: list[Document]) -> list[Document]:
        """Return the records with `department`: a slug, or a code that is not known."""
        for document in documents:
            document["department"] = department_of(document.get(self.key))
        return documents


class SetDepartment:
    """Sets the same `department` in each record: that of a code, or the text as it is."""

    def __init__(self, text: str) -> None:
        self.department = try_get_department(text)

    def __call__(self, documents: list[Document]) -> list[Document]:
        """Return the records with `department`."""
        for document in documents:
            document["department"] = self.department
        return documents


class AggregateKey:
    """Makes one record of all that are alike but for the aggregated fields and their `_id` and `humanId`."""

    def __init__(self, *aggregations: Aggregation) -> None:
        self.aggregations = aggregations

    def __call__(self, documents: list[Document]) -> list[Document]:
        """Return a record for each group, in the order of their first ones."""
        aggregated = frozenset(name for name, _ in self.aggregations)
        groups = group(documents, lambda document: likeness(document, aggregated))
        return [make_aggregate(alike, self.aggregations) for alike in groups]


_NAMES: dict[str, Callable[..., Any]] = {
    **{
        kind.__name__: kind
        for kind in (
            AggregateKey,
            Comment,
            ComputeDepartmentKey,
            ComputeIdFrom,
            ComputeRank,
            RemoveKey,
            SetDepartment,
        )
    },
    "aggregate_count": aggregate_count,
    "aggregate_rate": aggregate_rate,
}


def load_plugin(text: str) -> Any:
    """Return the plug-in that a text stands for; a literal stands for itself. Raises PluginError.

    >>> load_plugin("ComputeRank('rank')")([{"page": "/a"}, {"page": "/b"}])
    [{'page': '/a', 'rank': 1}, {'page': '/b', 'rank': 2}]
    """
    return _made(text, parse_call(text, _lookup))


def load_plugins(texts: Iterable[str]) -> list[Any]:
    """Return the plug-ins that texts stand for, in their order. One mistake raises PluginError and makes none."""
    parsed = [(text, parse_call(text, _lookup)) for text in texts]
    return [_made(text, value) for text, value in parsed]


def load_pipeline(texts: Iterable[str]) -> list[Plugin]:
    """Return the plug-ins of a query, of which the last names the records. Raises PluginError."""
    texts = list(texts)
    if texts and not str(texts[-1]).strip().startswith("ComputeIdFrom"):
        raise PluginError(texts[-1], "the last plug-in must be ComputeIdFrom(...)")
    plugins = load_plugins(texts)
    for text, plugin in zip(texts, plugins, strict=True):
        if not callable(plugin):
            raise PluginError(text, "not a plug-in: it cannot be called with records")
    return plugins


def _made(text: str, value: object) -> Any:
    if not isinstance(value, Call):
        return value
    try:
        return value.make()
    except TypeError as error:  # wrong arguments, which is a mistake in the text
        raise PluginError(text, str(error)) from error


def _lookup(name: str) -> Callable[..., Any] | None:
    if name.startswith("_"):
        return None
    return _NAMES.get(name) or next(_of_others(name), None)


def _of_others(name: str) -> Iterator[type]:
    """Yield the classes of that name that were put into the old package or are offered by an entry point."""
    placed = getattr(sys.modules.get(ENTRY_POINT_GROUP), name, None)
    if isinstance(placed, type) and placed.__module__ != "builtins":
        yield placed
    from importlib.metadata import entry_points  # on use: hardly anybody has plug-ins of others

    for offered in entry_points(group=ENTRY_POINT_GROUP, name=name):
        plugin = offered.load()
        if isinstance(plugin, type):
            yield plugin
