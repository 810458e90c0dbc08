"""URLs as they may stand in messages: without passwords, and without queries, which may hold keys."""

import re

from importer.credentials import redact
from importer.errors import one_line

_QUERY = re.compile(r"((?:https?://|with url: ?/)[^\s?#'\"<>]*)[?#][^\s'\"<>]*", re.I)
_PAIRS = re.compile(r"\?[^\s?='\"<>]+=[^\s'\"<>]*")
"""A query without the address before it: vendors say what they were asked for."""
_PASSWORD = re.compile(r"(https?://)[^\s/@'\"]+@", re.I)


def without_queries(text: str) -> str:
    """Return text with its URLs cut before their queries, and without passwords in them.

    >>> without_queries("Cannot GET /v1/stats?window=1h&key=secret")
    'Cannot GET /v1/stats'
    """
    return redact(_PAIRS.sub("", _QUERY.sub(r"\1", _PASSWORD.sub(r"\1", text))))


def url_told(url: object) -> str:
    """Return a URL for messages: without user, password and query; as it is where it is none.

    >>> url_told("https://ada:pw@shop.example:8443/v1?key=secret")
    'https://shop.example:8443/v1'
    """
    return one_line(without_queries(str(url).partition("?")[0].partition("#")[0]), limit=200)
