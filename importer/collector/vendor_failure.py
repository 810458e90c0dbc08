"""What went wrong with a vendor, in one line: the HTTP status, the vendor's own text, and whether we gave up."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from importer.credentials import redact
from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable, TransportError, one_line
from importer.http_response import BadJson, Response

_TEXT_KEYS = ("errormessage", "message", "error_description", "Message", "statusdesc")
"""Where vendors put what a person should read, the best one first."""
_MARKUP = re.compile(rb"\s*(<!doctype|<html|<\?xml)", re.I)


def failure_of(
    source: str, address: str, response: Response, *, pause_seconds: float | None = None, repeated: bool = True
) -> SourceError:
    """Return the error of an answer of 300 and up, once nothing more is to be tried.

    `address` is that of the request, without secrets; `pause_seconds` is how long the vendor asks us to wait, and
    `repeated` whether what may heal was asked again until now.
    """
    reason = f"HTTP {response.status}: {vendor_text(response)}"
    if response.status in (401, 403):
        return SourceRefused(source, f"{address}: {reason}")
    if response.status != 429 and response.status < 500:
        return BadAnswer(source, f"{address}: {reason}")
    until = "" if pause_seconds is None else f"; it asks us to wait until {_time_in(pause_seconds)}"
    return SourceUnavailable(source, f"{_gave_up(address, repeated=repeated)}: {reason}{until}")


def unreachable(source: str, address: str, error: TransportError) -> SourceUnavailable:
    """Return the error of a request that brought no whole answer, once nothing more is to be tried."""
    from importer.http_failure import ExchangeError  # on use: it imports requests

    repeated = isinstance(error, ExchangeError) and error.may_heal
    reason = f"{_gave_up(address, repeated=repeated)}: {redact(error.reason)}"
    return SourceUnavailable(source, reason, unreachable=error.unreachable)


def vendor_text(response: Response) -> str:
    """Return what the vendor says in an error answer, without secrets; else what the status means.

    >>> vendor_text(Response(401, {}, b'{"error": {"statusdesc": "Unauthorized", "errormessage": "Invalid email"}}'))
    'Invalid email'
    """
    if 300 <= response.status < 400:
        return one_line(redact(f"redirects to {response.headers.get('Location', 'nowhere').partition('?')[0]}"))
    try:
        said = next(_texts_in(response.json()), "")
    except BadJson:
        said = "" if _MARKUP.match(response.body) else response.body[:1000].decode("utf-8", "replace")
    return one_line(redact(said), limit=300) or _meaning(response.status)


def _gave_up(address: str, *, repeated: bool) -> str:
    return f"Max retries exceeded for {address}" if repeated else address


def _texts_in(answer: object) -> Iterator[str]:
    if isinstance(answer, str) and answer.strip():
        yield answer
    if not isinstance(answer, Mapping):
        return
    for key in _TEXT_KEYS:
        if isinstance(answer.get(key), str) and answer[key].strip():
            yield answer[key]
    yield from _texts_in(answer.get("error"))


def _meaning(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def _time_in(seconds: float) -> str:
    try:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds:g} s from now"
    return f"{until:%Y-%m-%dT%H:%M:%SZ}"
