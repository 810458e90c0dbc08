"""The page for people at `/`, and what it is made of: files of this package, nothing from elsewhere."""

from functools import cache
from importlib.resources import files

from importer.http_server.message import Answer

_SCRIPT = b"text/javascript; charset=utf-8"
_FILES = {
    "/": ("page.html", b"text/html; charset=utf-8"),
    "/page.css": ("page.css", b"text/css; charset=utf-8"),
    **{f"/{name}": (name, _SCRIPT) for name in ("page.js", "api.js", "chart.js", "dom.js", "events.js")},
    "/openapi.json": ("openapi.json", b"application/json"),
}
PATHS = tuple(path for path in _FILES if path != "/")
"""What is served besides the page itself."""

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def page_file(path: str) -> Answer:
    """Return a file of the page by its path."""
    name, content_type = _FILES[path]
    body = files("importer.events.service").joinpath("static", name).read_bytes()
    headers = (
        (b"content-type", content_type),
        (b"content-security-policy", _POLICY),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-cache"),
        (b"vary", b"accept"),
    )
    return Answer(200, body, headers)
