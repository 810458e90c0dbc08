"""The client by which entrypoints ask vendors: its patience, and errors that show what the vendor says."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from importer.collector.vendor_failure import failure_of, unreachable
from importer.errors import BadAnswer, TransportError
from importer.http_client import HttpClient, RetryPolicy
from importer.http_request import split_url
from importer.http_response import BadJson, Response
from importer.rate_limit import asked_pause

TIMEOUT_SECONDS = 60.0
MAX_RESPONSE_BYTES = 32 * 2**20
RETRIES = RetryPolicy(extra_attempts=4, pause_seconds=10.0, max_wait_seconds=300.0, max_waits=4)
"""Five tries, after 10, 20, 40 and 80 seconds, or when the vendor says so: over 300 seconds are not waited for."""

_counted: ContextVar[Callable[[], None] | None] = ContextVar("counted", default=None)
_PINGDOM_RESET = re.compile(r"Remaining:\s*0\b.*?Time until reset:\s*(\d+)")


def vendor_client(
    base_url: str,
    *,
    proxies: Mapping[str, str] | None = None,
    retries: RetryPolicy = RETRIES,
    max_response_bytes: int = MAX_RESPONSE_BYTES,
    stop: threading.Event | None = None,
) -> HttpClient:
    """Return a client that repeats what may heal by RETRIES; raises ValueError for what is no address."""
    return HttpClient(
        base_url,
        timeout_seconds=TIMEOUT_SECONDS,
        max_response_bytes=max_response_bytes,
        proxies=proxies,
        retries=retries,
        retry_after=pause_of,
        uniform=lambda _shortest, longest: longest,
        stop=stop,
    )


@contextmanager
def counting_answers(count: Callable[[], None]) -> Iterator[None]:
    """Let `count` be called at each answer of a vendor while the block lasts, in this thread."""
    token = _counted.set(count)
    try:
        yield
    finally:
        _counted.reset(token)


def count_answer() -> None:
    """Tell who waits that an answer has come."""
    count = _counted.get()
    if count is not None:
        count()


def pause_of(response: Response) -> float | None:
    """Return how many seconds an answer asks us to wait: by Retry-After, or by Pingdom's Req-Limit headers."""
    asked = asked_pause(response)
    if asked is None and response.status >= 500:
        return response.retry_after_seconds()
    if asked is not None or response.status != 429:
        return asked
    resets = [
        float(found[1])
        for name in ("Req-Limit-Short", "Req-Limit-Long")
        if (found := _PINGDOM_RESET.search(response.headers.get(name, "")))
    ]
    return max(resets, default=None)


class Vendor:
    """An API below one address; whatever goes wrong with it is a SourceError in one line.

    `name` stands before each message. Raises ValueError for what is no address.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        proxies: Mapping[str, str] | None = None,
        retries: RetryPolicy = RETRIES,
        stop: threading.Event | None = None,
    ) -> None:
        self.name = name
        base, self._root = split_url(url)
        self._max_wait_seconds = retries.max_wait_seconds
        self._client = vendor_client(base, proxies=proxies, retries=retries, stop=stop)

    def ask(self, path: str = "", *, method: str = "GET", **request: Any) -> Response:
        """Return the answer to a request for `path`, put behind the address as it stands, if it is a good one.

        `request` is what `HttpClient.request` takes. Raises SourceError, which shows the vendor's own text.
        """
        address = self._address(path)
        try:
            response = self._client.request(method, f"{self._root}{path}", **request)
        except TransportError as error:
            raise unreachable(self.name, address, error) from error
        if response.status >= 300:
            pause = pause_of(response)
            repeated = pause is None or pause <= self._max_wait_seconds
            raise failure_of(self.name, address, response, pause_seconds=pause, repeated=repeated)
        count_answer()
        return response

    def ask_json(self, path: str = "", *, method: str = "GET", **request: Any) -> object:
        """Return what the answer to a request holds as JSON; raises SourceError."""
        response = self.ask(path, method=method, **request)
        try:
            return response.json()
        except BadJson as error:
            raise BadAnswer(self.name, f"{self._address(path)}: HTTP {response.status}: {error}") from error

    def _address(self, path: str) -> str:
        """Return what may be shown of a request's address: what follows a question mark may hold a key."""
        return f"{self._client.base_url}{self._root}{path}".partition("?")[0]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
