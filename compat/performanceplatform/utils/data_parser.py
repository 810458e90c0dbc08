"""Old import path of what makes records of a vendor's rows."""

from importer.collector.documents import (
    DataParser,
    apply_key_mapping,
    build_document,
    build_document_set,
    get_string_for_data_id,
    map_multi_value_fields,
    map_one_to_one_fields,
    value_id,
)

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
