"""The page, and what it is made of: files of this package, nothing from elsewhere."""

from dataclasses import replace

from importer.http_server.message import Answer, Headers
from importer.http_server.static_file import CSS_TYPE, HTML_TYPE, SCRIPT_TYPE, static_file

_PACKAGE = "importer.dashboard"
_FORMS = b"'self'"
_PROBLEM_PLACE = b"<!-- problem -->"
_WRONG_TOKEN = b'<p class="problem" role="alert">That is not the token.</p>'
_FILES = {
    "/dashboard.css": ("dashboard.css", CSS_TYPE),
    "/dashboard.js": ("dashboard.js", SCRIPT_TYPE),
    "/vendor/uPlot.min.css": ("vendor/uPlot.min.css", CSS_TYPE),
    "/vendor/uPlot.iife.min.js": ("vendor/uPlot.iife.min.js", SCRIPT_TYPE),
}
PATHS = tuple(_FILES)
"""What is served besides the page itself; it tells nothing, and needs no token."""


def page(cookie: Headers = ()) -> Answer:
    """Return the page; with a cookie for who has just shown the token."""
    answer = static_file(_PACKAGE, "dashboard.html", HTML_TYPE, forms=_FORMS)
    return replace(answer, headers=(*answer.headers, *cookie))


def locked_page(*, is_wrong: bool) -> Answer:
    """Return the page that asks for the token; `is_wrong`: after one that was not the right one."""
    answer = static_file(_PACKAGE, "locked.html", HTML_TYPE, forms=_FORMS)
    body = answer.body.replace(_PROBLEM_PLACE, _WRONG_TOKEN if is_wrong else b"")
    return replace(answer, status=401, body=body, headers=(*answer.headers, (b"www-authenticate", b"Bearer")))


def page_file(path: str) -> Answer | None:
    """Return what the page is made of by its path, None for a path that there is not."""
    return static_file(_PACKAGE, *_FILES[path]) if path in _FILES else None
