"""Files of our packages that browsers get: pages, and what they are made of. Nothing of them comes from elsewhere."""

from functools import cache
from importlib.resources import files

from importer.http_server.message import Answer, Headers

HTML_TYPE = b"text/html; charset=utf-8"
CSS_TYPE = b"text/css; charset=utf-8"
SCRIPT_TYPE = b"text/javascript; charset=utf-8"

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    b" base-uri 'none'; form-action %b; frame-ancestors 'none'"
)


def safe_headers(*, forms: bytes = b"'none'") -> Headers:
    """Return the headers that keep a page to itself; `forms` is where its forms may be sent, as the policy has it."""
    return (
        (b"content-security-policy", _POLICY % forms),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )


@cache
def static_file(package: str, name: str, content_type: bytes, *, forms: bytes = b"'none'") -> Answer:
    """Return a file of a package's folder `static`; a browser asks each time whether it is still the same."""
    body = files(package).joinpath("static", *name.split("/")).read_bytes()
    headers = ((b"content-type", content_type), *safe_headers(forms=forms), (b"cache-control", b"no-cache"))
    return Answer(200, body, headers)
