"""An HTTP request before it is sent: its address, header and body, checked so that nothing can be smuggled in."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from json import dumps
from urllib.parse import SplitResult, urlencode, urlsplit

from importer.errors import TransportError, one_line

Parameters = Mapping[str, str | int | Sequence[str]]

_HOST_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
_METHOD = re.compile(r"[A-Z]+")
_PATH = re.compile(r"/[^\s\x00-\x1f\x7f#\\]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"([\x21-\x7e\xa0-\xff]([\x20-\x7e\xa0-\xff\t]*[\x21-\x7e\xa0-\xff])?)?")

_NO_ADDRESS = "not an address: a host name, or https://host:port"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it goes out. Its `repr` shows nothing that may be secret."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def path(self) -> str:
        """The URL's path alone, for logs: some vendors want their key in the query."""
        return urlsplit(self.url).path


def base_url(text: str) -> str:
    """Return text as the base of an API: with its scheme (https unless given), without a last slash.

    Raises ValueError, with one line that does not quote text, for anything but an http(s) address.

    >>> base_url("developers.crittercism.com")
    'https://developers.crittercism.com'
    """
    if not text or not text.isprintable() or " " in text:
        raise ValueError(_NO_ADDRESS)
    parts = _split(text if "://" in text else f"https://{text}")
    if parts.scheme not in ("http", "https"):
        raise ValueError("only http:// and https:// addresses can be used")
    if "@" in parts.netloc:
        raise ValueError("an address must not hold a user name or password")
    if "?" in text or "#" in text:
        raise ValueError("an address must end before '?' and '#'")
    path = parts.path.rstrip("/")
    if not _is_host(parts) or not _PATH.fullmatch(path or "/"):
        raise ValueError(_NO_ADDRESS)
    return SplitResult(parts.scheme, parts.netloc, path, "", "").geturl()


def split_url(text: str) -> tuple[str, str]:
    """Return an address as the base of its host and the path there, with the query if there is one.

    Raises ValueError as `base_url` does.

    >>> split_url("https://push.geckoboard.com/v1/send/168760-44cd?a=b")
    ('https://push.geckoboard.com', '/v1/send/168760-44cd?a=b')
    """
    if "#" in text:
        raise ValueError("an address must not hold a '#': what begins there is never sent")
    address, mark, query = text.partition("?")
    parts = urlsplit(base_url(address))
    path = (_split(address if "://" in address else f"https://{address}").path or "/") + mark + query
    if not _PATH.fullmatch(path):
        raise ValueError(_NO_ADDRESS)
    return SplitResult(parts.scheme, parts.netloc, "", "", "").geturl(), path


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        if parts.port == 0 or parts.netloc.endswith(":"):
            raise ValueError
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None
    return parts


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if not parts.netloc.startswith("["):
        return len(host) <= 253 and all(map(_HOST_LABEL.fullmatch, host.removesuffix(".").split(".")))
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def build_url(base: str, path: str, params: Parameters | None) -> str:
    """Return the URL of path, quoted already, below base; raises ValueError if it is no path."""
    if not _PATH.fullmatch(path):
        raise ValueError("not a path that can be requested")
    if not params:
        return f"{base}{path}"
    return f"{base}{path}{'&' if '?' in path else '?'}{urlencode(params, doseq=True)}"


def build_body(json: object, form: Mapping[str, str] | None, body: bytes | None) -> tuple[str, bytes] | None:
    """Return the media type and bytes of whichever of the three is given (json: anything but `...`).

    Raises ValueError for more than one, and for what JSON cannot hold.
    """
    if (json is not ...) + (form is not None) + (body is not None) > 1:
        raise ValueError("a request has one body")
    if json is not ...:
        return "application/json", dumps(json, allow_nan=False, separators=(",", ":")).encode()
    if form is not None:
        return "application/x-www-form-urlencoded", urlencode(form).encode()
    return None if body is None else ("application/octet-stream", body)


def build_request(
    method: str,
    url: str,
    *,
    content: tuple[str, bytes] | None,
    headers: Mapping[str, str],
    basic: tuple[str, str] | None,
    bearer: str | None,
) -> Outgoing:
    """Return the request; `headers` win over those that follow from content, basic and bearer.

    Raises ValueError for a method that is none, and TransportError for a header that cannot be sent, such as
    a token with a line break in it.
    """
    if not _METHOD.fullmatch(method):
        raise ValueError("not a method that can be requested")
    implied: dict[str, str] = {}
    if content is not None:
        implied["Content-Type"] = content[0]
    if basic is not None:
        implied["Authorization"] = "Basic " + b64encode(":".join(basic).encode()).decode()
    if bearer is not None:
        implied["Authorization"] = f"Bearer {bearer}"
    given = {name.lower() for name in headers}
    fields = {name: value for name, value in implied.items() if name.lower() not in given} | dict(headers)
    for name, value in fields.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            reason = f"header {one_line(name, limit=40)} holds characters that HTTP does not allow"
            raise TransportError(urlsplit(url).netloc, reason)
    return Outgoing(method, url, fields, None if content is None else content[1])
