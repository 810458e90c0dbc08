"""A vendor's rows as records of a data set: flat, with the names that the query wants, and an `_id` for each.

A row is `{"start_date": date or datetime, "dimensions": {...}}`, the latter optional.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from importer.collector.aggregation import group
from importer.collector.content import reader_of
from importer.collector.periods import to_datetime, to_utc
from importer.collector.plugins import load_pipeline
from importer.collector.record_id import get_string_for_data_id, value_id

__all__ = [
    "DataParser",
    "apply_key_mapping",
    "build_document",
    "build_document_set",
    "get_string_for_data_id",
    "map_multi_value_fields",
    "map_one_to_one_fields",
    "value_id",
]

Document = dict[str, Any]
Row = Mapping[str, Any]
Fields = Mapping[str, Any]
Mappings = Mapping[str, str]

_PIECE = re.compile(r"(.*)_([0-9]{1,9})", re.S)
"""A mapping's key that means one piece of a field: `eventLabel_0`."""


class DataParser:
    """Makes records of a vendor's rows as the options of a query want them.

    Used of `options` are `mappings`, `additionalFields`, `idMapping`, `dataType` (in place of `data_type`) and
    `plugins`. Raises ConfigError for options of the wrong kind and PluginError for plug-ins that are none.
    """

    def __init__(self, data: Iterable[Row], options: Mapping[str, Any], data_type: str) -> None:
        self.data = list(data)
        reader = reader_of(options, "options")
        self.data_type = reader.text("dataType", data_type)
        self.mappings = reader.mapping_of_text("mappings", {})
        self.id_mapping = reader.texts("idMapping", (), accept_text=True)
        reader.child("additionalFields")
        plugins = reader.texts("plugins", ())
        reader.finish(refuse_unknown=False)
        self.additional_fields: Fields = options.get("additionalFields") or {}
        self.plugins = load_pipeline(plugins)

    def get_data(self, special_fields: Sequence[Fields] | None = None) -> list[Document]:
        """Return the records, each with its special fields (metrics, `timeSpan`): one object of them a row.

        Plug-ins work on the rows of one start date after the other, so that a run for several periods gives the same
        records as one run for each. Raises ValueError if there are not as many special fields as rows.
        """
        documents = build_document_set(
            self.data, self.data_type, self.mappings, special_fields, self.id_mapping, self.additional_fields
        )
        if not self.plugins:
            return documents
        periods = group(zip(self.data, documents, strict=True), lambda pair: _start(pair[0]))
        return [document for period in periods for document in self._plugged([made for _, made in period])]

    def _plugged(self, documents: list[Document]) -> list[Document]:
        for plugin in self.plugins:
            documents = plugin(documents)
        return documents


def build_document_set(  # noqa: PLR0917 - the order in which custom collectors give them
    results: Iterable[Row],
    data_type: str,
    mappings: Mappings | None,
    special_fields: Sequence[Fields] | None = None,
    idMapping: str | Sequence[str] | None = None,
    additionalFields: Fields | None = None,
) -> list[Document]:
    """Return a record for each row; raises ValueError if there are not as many special fields as rows."""
    rows = list(results)
    special = [{}] * len(rows) if special_fields is None else list(special_fields)
    if len(special) != len(rows):
        raise ValueError(f"special fields: {len(special)} for {len(rows)} rows; give one object for each row")
    return [
        build_document(row, data_type, fields, mappings, idMapping, additionalFields)
        for row, fields in zip(rows, special, strict=True)
    ]


def build_document(  # noqa: PLR0917 - as above
    item: Row,
    data_type: str,
    special_fields: Fields | None = None,
    mappings: Mappings | None = None,
    idMapping: str | Sequence[str] | None = None,
    additionalFields: Fields | None = None,
) -> Document:
    """Return the record of a row.

    >>> row = {"start_date": date(2013, 4, 1), "dimensions": {"var": "f"}}
    >>> build_document(row, "oo", idMapping=["var", "dataType"])["_id"]
    'Zm9v'
    """
    dimensions = item.get("dimensions") or {}
    unmapped = {
        "_timestamp": _start(item),
        "dataType": data_type,
        **(additionalFields or {}),
        **dimensions,
        **(special_fields or {}),
    }
    document = apply_key_mapping(mappings or {}, unmapped)
    if idMapping:
        text = "".join(str(document.get(key, "")) for key in ([idMapping] if isinstance(idMapping, str) else idMapping))
    else:
        text = get_string_for_data_id(data_type, _start(item), document.get("timeSpan"), dimensions.values())
    document["_id"], document["humanId"] = value_id(text)
    return document


def apply_key_mapping(mapping: Mappings, pairs: Fields) -> Document:
    """Return fields under their mapped names, in one step; and pieces of those that the mapping takes apart.

    >>> apply_key_mapping({"a": "b", "b": "c", "d_1": "e"}, {"a": 1, "b": 2, "d": "x:y"})
    {'b': 1, 'c': 2, 'd': 'x:y', 'e': 'y'}
    """
    return {**map_one_to_one_fields(mapping, pairs), **map_multi_value_fields(mapping, pairs)}


def map_one_to_one_fields(mapping: Mappings, pairs: Fields) -> Document:
    """Return each field under the name that the mapping has for it, else under its own."""
    return {mapping.get(name, name): value for name, value in pairs.items()}


def map_multi_value_fields(mapping: Mappings, pairs: Fields) -> Document:
    """Return the pieces of `x:y:z` texts that keys such as `name_0` of the mapping mean, under their mapped names."""
    return dict(_pieces(mapping, pairs))


def _pieces(mapping: Mappings, pairs: Fields) -> Iterator[tuple[str, str]]:
    for key, target in mapping.items():
        match = _PIECE.fullmatch(key)
        text = pairs.get(match[1]) if match else None
        if match is None or not isinstance(text, str):
            continue
        pieces, number = text.split(":"), int(match[2])
        if number < len(pieces):
            yield target, pieces[number]


def _start(row: Row) -> datetime:
    start: date = row["start_date"]
    return to_utc(start) if isinstance(start, datetime) else to_datetime(start)
