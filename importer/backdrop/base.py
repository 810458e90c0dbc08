"""What the clients of a Backdrop and of its administration have in common: one request, and what becomes of it."""

import functools
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlencode

import requests

from importer.backdrop.json_encoder import JsonEncoder, encode_json
from importer.backdrop.wire import REQUEST_ID, answer_text, build_headers, pack, shown_headers
from importer.errors import ImporterError
from importer.logs import MULTILINE
from importer.requests_backoff import TIMEOUT_SECONDS, Backoff, public_address

__all__ = ["PATIENT", "BaseClient", "ChunkingError", "JsonEncoder", "return_none_on"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PATIENT = Backoff(said=answer_text, pauses_seconds=(1.0, 2.0, 4.0, 8.0), uniform=random.uniform)
"""Five tries, the pauses a random part of these seconds or what Retry-After asks for."""


class ChunkingError(ImporterError):
    """What was to be sent in chunks is no list of records."""


class BaseClient:
    """Requests below one address with a token; each gives back the parsed JSON of the answer, or None without one.

    A dry run logs what it would ask and asks nothing. Without `retry_on_error` there is one try. Raises ValueError for
    an address that is no text and a token that is neither text nor None; requests raise requests.HTTPError, or what
    `requests` raises where no answer comes.
    """

    compresses = True
    """Whether long bodies are sent compressed."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        dry_run: bool = False,
        request_id_fn: Callable[[], str] | None = None,
        retry_on_error: bool = True,
        *,
        backoff: Backoff = PATIENT,
    ) -> None:
        if not isinstance(base_url, str):
            raise ValueError(f"base_url: {base_url!r:.100} is not text; give the address of the data set or service")
        self._base_url = base_url
        self.set_token(token)
        self._dry_run = dry_run
        self._request_id = request_id_fn or (lambda: REQUEST_ID)
        self._backoff = backoff if retry_on_error else backoff.single()

    @property
    def base_url(self) -> str:
        """The address as it was given."""
        return self._base_url

    @property
    def token(self) -> str | None:
        """The token of the next request."""
        return self._token

    @property
    def dry_run(self) -> bool:
        """Whether nothing is asked."""
        return self._dry_run

    def set_token(self, token: str | None) -> None:
        """Use a token from the next request on; raises ValueError for what is neither text nor None."""
        if token is not None and not isinstance(token, str):
            raise ValueError(f"token: a {type(token).__name__} is not text; give the bearer token, or None")
        self._token = token

    def _get(self, path: str = "", params: Mapping[str, Any] | None = None) -> Any:
        return self._request("GET", path, params=params)

    def _post(self, path: str, data: Any, chunk_size: int = 0) -> Any:
        if isinstance(data, Iterator):
            data = list(data)
        if chunk_size <= 0:
            return self._request("POST", path, data)
        for chunk in _chunks(data, chunk_size):
            self._request("POST", path, chunk)
        return None

    def _put(self, path: str, data: Any) -> Any:
        return self._request("PUT", path, data)

    def _delete(self, path: str) -> Any:
        return self._request("DELETE", path)

    def _request(self, method: str, path: str, data: Any = None, *, params: Mapping[str, Any] | None = None) -> Any:
        body = None if data is None else encode_json(data)
        url = self._base_url.rstrip("/") + path + (f"?{urlencode(params, doseq=True)}" if params else "")
        headers = build_headers(self._token, request_id=self._request_id(), has_body=body is not None)
        content: bytes | None = None
        if body is not None:
            content, packed = pack(body) if self.compresses else (body.encode(), {})
            headers |= packed
        if self._dry_run:
            _show(method, url, headers, body)
            return None
        return _parsed(url, self._send(method, url, headers, content))

    def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> requests.Response:
        def send() -> requests.Response:
            return requests.request(
                method,
                url,
                headers=headers,
                data=content,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=method == "GET",  # else a redirected POST would become a GET
                auth=_keep_authorization,
            )

        return self._backoff.send(url, send, timeout=TIMEOUT_SECONDS)


def return_none_on(status: int) -> Callable[[Callable[P, T]], Callable[P, T | None]]:
    """Return a decorator that makes None of the requests.HTTPError of that status."""

    def decorator(function: Callable[P, T]) -> Callable[P, T | None]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T | None:
            try:
                return function(*args, **kwargs)
            except requests.HTTPError as error:
                if error.response is not None and error.response.status_code == status:
                    return None
                raise

        return wrapper

    return decorator


def _chunks(data: Any, size: int) -> Iterator[Any]:
    if isinstance(data, Mapping):
        yield data
        return
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise ChunkingError(f"a {type(data).__name__} cannot be sent in chunks; give a list of records")
    records = list(data)
    for begin in range(0, len(records), size):
        yield records[begin : begin + size]


def _show(method: str, url: str, headers: Mapping[str, str], body: str | None) -> None:
    logger.info('HTTP %s to "%s"\nheaders: %s', method, url, shown_headers(headers), extra=MULTILINE)
    logger.info("%s", "no body" if body is None else body)


def _parsed(url: str, response: requests.Response) -> Any:
    if 300 <= response.status_code < 400:
        target = public_address(response.headers.get("Location", "nowhere"))
        raise _http_error(url, response, f"HTTP {response.status_code}: redirects to {target}; give that address")
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise _http_error(url, response, f"HTTP {response.status_code}: the answer is not JSON") from None


def _http_error(url: str, response: requests.Response, reason: str) -> requests.HTTPError:
    return requests.HTTPError(f"{public_address(url)}: {reason}", request=response.request, response=response)


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth object that leaves the request as it is: without one, requests would look into ~/.netrc."""
    return request
