"""The page for people at `/`, and what it is made of: files of this package, nothing from elsewhere."""

from dataclasses import replace
from functools import cache

from importer.http_server.message import Answer
from importer.http_server.static_file import CSS_TYPE, HTML_TYPE, SCRIPT_TYPE, static_file

_FILES = {
    "/": ("page.html", HTML_TYPE),
    "/page.css": ("page.css", CSS_TYPE),
    **{f"/{name}": (name, SCRIPT_TYPE) for name in ("page.js", "api.js", "chart.js", "dom.js", "events.js")},
    "/openapi.json": ("openapi.json", b"application/json"),
}
PATHS = tuple(path for path in _FILES if path != "/")
"""What is served besides the page itself."""


@cache
def page_file(path: str) -> Answer:
    """Return a file of the page by its path."""
    answer = static_file("importer.events.service", *_FILES[path])
    return replace(answer, headers=(*answer.headers, (b"vary", b"accept")))
