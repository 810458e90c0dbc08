"""Old import path of what makes records of Google Analytics' reports."""

from importer.collector.ga_entrypoint import (
    add_time_span,
    build_document,
    build_document_set,
    convert_durations,
    create_client,
    query_documents_for,
    query_for_range,
    query_ga,
    track_ga_api_usage,
    try_number,
)

add_timeSpan = add_time_span

__all__ = [
    "add_timeSpan",
    "build_document",
    "build_document_set",
    "convert_durations",
    "create_client",
    "query_documents_for",
    "query_for_range",
    "query_ga",
    "track_ga_api_usage",
    "try_number",
]
