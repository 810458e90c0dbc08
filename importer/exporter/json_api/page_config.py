"""The key `pages` of a config-only service: in which of four ways the next page is asked for."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from importer.config import ObjectReader
from importer.exporter.json_api.pages import DEFAULT_MAX_PAGES, CursorWay, LinkWay, NumberWay, PageRule, Way
from importer.exporter.json_api.path import Path

LINK_HEADER = "Link"
"""In place of a path: the next page's address is in that header of the answer."""

_WAYS = ("next_link", "page_parameter", "offset_parameter", "cursor_parameter")


def read_pages(keys: ObjectReader, *, query: str, resolve: Callable[[str, str], str | None]) -> PageRule | None:
    """Return how pages are put together, or None if there are mistakes.

    `keys` is of the object `pages`, `query` is that of api_url, `resolve` as of LinkWay.
    """
    before = len(keys.problems)
    items = read_path(keys, "items")
    way = _way(keys, resolve)
    max_pages = keys.integer("max_pages", DEFAULT_MAX_PAGES, minimum=1)
    if items is not None and not items.finds_one:
        keys.problem("items", f"{items.text} can find several things; the path of one list is expected")
    _check_parameters(keys, query)
    keys.refuse_unknown()
    if items is None or way is None or len(keys.problems) > before:
        return None
    return PageRule(items, way, max_pages)


def extra_parameters(keys: ObjectReader) -> Mapping[str, tuple[str, ...]]:
    """Return the parameter that says how many items a page may have, if there is one."""
    name = keys.text("limit_parameter", None)
    limit = keys.integer("limit", None, minimum=1)
    if (name is None) != (limit is None):
        missing = "limit" if limit is None else "limit_parameter"
        keys.problem(missing, "is missing: limit_parameter and limit belong together")
    return {} if name is None or limit is None else {name: (str(limit),)}


def read_path(keys: ObjectReader, key: str) -> Path | None:
    """Return the path that a key holds, or None if it is none."""
    text = keys.text(key)
    if not text:
        return None
    try:
        return Path(text)
    except ValueError as error:
        keys.problem(key, str(error))
    return None


def _way(keys: ObjectReader, resolve: Callable[[str, str], str | None]) -> Way | None:
    given = [key for key in _WAYS if keys.value(key) is not None]
    if len(given) != 1:
        named = f"{' and '.join(given)} are given" if given else "nothing says how the next page is asked for"
        keys.problem("", f"{named}; one of {', '.join(_WAYS)} is expected")
        return None
    if given == ["next_link"]:
        return _link(keys, resolve)
    if given == ["cursor_parameter"]:
        return _cursor(keys)
    counts_items = given == ["offset_parameter"]
    end = "total" if counts_items else "last_page"
    return NumberWay(
        keys.text(given[0]),
        keys.integer("first_offset", 0, minimum=0) if counts_items else keys.integer("first_page", 1, minimum=0),
        counts_items,
        None if keys.value(end) is None else _single_path(keys, end),
    )


def _link(keys: ObjectReader, resolve: Callable[[str, str], str | None]) -> Way | None:
    if keys.value("next_link") == LINK_HEADER:
        return LinkWay(resolve, None)
    path = _single_path(keys, "next_link")
    return None if path is None else LinkWay(resolve, path)


def _cursor(keys: ObjectReader) -> Way | None:
    path = _single_path(keys, "cursor")
    return None if path is None else CursorWay(keys.text("cursor_parameter"), path)


def _single_path(keys: ObjectReader, key: str) -> Path | None:
    path = read_path(keys, key)
    if path is not None and not path.finds_one:
        keys.problem(key, f"{path.text} can find several things; the path of one is expected")
    return path


def _check_parameters(keys: ObjectReader, query: str) -> None:
    """Refuse a parameter that api_url holds already: a vendor would get it twice."""
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    for key in (*_WAYS[1:], "limit_parameter"):
        name = keys.value(key)
        if isinstance(name, str) and name in names:
            keys.problem(key, f"{name} is in the query of api_url too; leave it out there")
