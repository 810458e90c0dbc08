"""Keys that several services read from [[[destination]]], where an unquoted comma has made a list of a text."""

from collections.abc import Mapping

from importer.config import ObjectReader
from importer.http_request import split_url

METRIC_NAME_EXAMPLE = "web.requests.count"


def joined(value: object) -> str | None:
    """Return a value as the text that the user wrote; None for an empty one, and for none.

    >>> joined(["posts", "last 24 h"])
    'posts, last 24 h'
    """
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) and value else None


def title(keys: Mapping[str, object], key: str) -> str | None:
    """Return a text that people read, None if the section has none."""
    return joined(keys.get(key))


def http_url(keys: ObjectReader, key: str, default: str | None = None) -> str:
    """Return the address that a key holds; an empty text after adding to `keys.problems` what is wrong with it."""
    url = keys.text(key) if default is None else keys.text(key, default)
    try:
        if url:
            split_url(url)
    except ValueError as error:
        keys.problem(key, str(error))
        return ""
    return url


def metric_name(keys: ObjectReader, key: str = "metric_name", *, required: bool = True) -> str:
    """Return a name for Graphite: no white space in it; adds to `keys.problems` what is wrong."""
    name = keys.text(key) if required else keys.text(key, "")
    if name and (not name.isprintable() or any(char.isspace() for char in name)):
        keys.problem(key, f"must not hold white space; write it like {METRIC_NAME_EXAMPLE}")
        return ""
    return name
