"""google-auth's way to the token endpoint, by our own client: its time-outs, its tries, its errors."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.auth.transport import Request

from importer.collector.vendor import RETRIES, Vendor
from importer.errors import SourceError
from importer.http_client import RetryPolicy
from importer.http_response import BadJson, Response
from importer.sources.google.names import SOURCE


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What google-auth reads of an answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class TokenTransport(Request):
    """Asks token endpoints. Every answer but a good one is raised as a SourceError with Google's own text."""

    def __init__(
        self,
        *,
        proxies: Mapping[str, str] | None = None,
        retries: RetryPolicy = RETRIES,
        stop: threading.Event | None = None,
    ) -> None:
        self._proxies = proxies
        self._retries = retries
        self._stop = stop

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_options: Any,
    ) -> TokenAnswer:
        """Return the answer; `timeout` is not looked at: the client has its own."""
        vendor = Vendor(SOURCE, url, proxies=self._proxies, retries=self._retries, stop=self._stop)
        try:
            answer = vendor.ask(method=method, body=body, headers=headers)
        finally:
            vendor.close()
        if not _is_object(answer):
            raise SourceError(SOURCE, f"{url}: the answer is not a JSON object")  # google-auth takes it for one
        return TokenAnswer(answer.status, answer.headers, answer.body)


def _is_object(answer: Response) -> bool:
    try:
        return isinstance(answer.json(), dict)
    except BadJson:
        return False
