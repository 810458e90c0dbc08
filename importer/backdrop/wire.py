"""How a request to a Backdrop looks: headers and body; and what its answers say."""

import gzip
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from importer import __version__
from importer.credentials import MASK, redact
from importer.errors import one_line
from importer.http_response import BadJson, Response

USER_AGENT = f"Performance Platform Client {__version__}"
REQUEST_ID = "Not-Set"
GZIP_ABOVE_CHARACTERS = 2048
MAX_BODY_BYTES = 10 * 2**20
"""What a Backdrop unpacks at most."""


def build_headers(token: str | None, *, request_id: str = REQUEST_ID, has_body: bool = False) -> dict[str, str]:
    """Return the headers of a request, the token among them if there is one."""
    headers = {"Accept": "application/json", "User-Agent": USER_AGENT, "Govuk-Request-Id": request_id}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if has_body:
        headers["Content-Type"] = "application/json"
    return headers


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as they may be logged: without the token."""
    return {name: f"Bearer {MASK}" if name == "Authorization" else value for name, value in headers.items()}


def pack(text: str) -> tuple[bytes, dict[str, str]]:
    """Return a body's bytes and the headers that belong to them: a long one is compressed."""
    data = text.encode()
    if len(text) <= GZIP_ABOVE_CHARACTERS:
        return data, {}
    return gzip.compress(data, mtime=0), {"Content-Encoding": "gzip"}


def answer_text(response: Response) -> str:
    """Return what a Backdrop says in an error answer, in one line without secrets; else what the status means.

    >>> answer_text(Response(400, {}, b'{"messages": ["Page Views is not a valid key"]}'))
    'Page Views is not a valid key'
    """
    try:
        said = "; ".join(_texts(response.json()))
    except BadJson:
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        said = "" if is_page else response.body[:1000].decode("utf-8", "replace")
    return one_line(redact(said)) or _meaning(response.status)


def _texts(answer: object) -> Iterator[str]:
    if not isinstance(answer, dict):
        return
    messages = answer.get("messages")
    for text in [answer.get("message"), *(messages if isinstance(messages, list) else [messages])]:
        if isinstance(text, str) and text.strip():
            yield text


def _meaning(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
