"""What a destination's keys say about delivering to it: searches that share a lane have to agree on that."""

from collections.abc import Mapping
from dataclasses import fields

from importer.config import ObjectReader
from importer.http_client import base_url
from importer.sinks.naming import Naming

Settings = Mapping[str, object]
"""What the keys of a destination give, defaults included. It holds secrets, and is never shown."""

_ADDRESS_KEYS = (
    *("host", "port", "path", "textfile", "pushgateway", "job", "instance"),
    *("database", "bucket", "org", "retention_policy"),
)
"""They make up the name of the lane: the same lane is the same address, however it is written."""
_ENCODING_KEYS = ("metric_name", "group_label", "max_buffer", *(field.name for field in fields(Naming)))
"""They say what becomes of a search's points before these wait in the lane."""
_PASSED_OVER = frozenset({*_ADDRESS_KEYS, *_ENCODING_KEYS})
_FILE_SUFFIX = "_file"


def settings_of(keys: ObjectReader) -> Settings:
    """Return what keys have given to whoever built a sink from them, without what matters to the search alone."""
    given = keys.given()
    twins = {f"{key}{_FILE_SUFFIX}" for key in given}  # a secret is the same wherever it stands
    return {key: _normal(key, value) for key, value in given.items() if key not in _PASSED_OVER | twins}


def difference(settings: Settings, other: Settings) -> str:
    """Return the first key that the two do not agree on, an empty text if there is none."""
    return next((key for key in {**settings, **other} if settings.get(key) != other.get(key)), "")


def _normal(key: str, value: object) -> object:
    """Return a value as all ways of writing it have it. Of an address, the lane leaves out http or https."""
    return base_url(value) if key == "url" and isinstance(value, str) and value else value
