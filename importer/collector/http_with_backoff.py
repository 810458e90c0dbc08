"""The old stand-in for an httplib2.Http, with the patience that vendors need."""

from collections.abc import Callable, Mapping
from typing import Any

import requests

from importer.collector.backoff import VENDORS
from importer.requests_backoff import TIMEOUT_SECONDS


class Answer(dict[str, str]):
    """The headers of an answer, names in lower case, with its `status` and `reason`."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__({name.lower(): value for name, value in response.headers.items()})
        self["status"] = str(response.status_code)
        self.status = response.status_code
        self.reason = response.reason


class HttpWithBackoff:
    """Requests that are repeated after what may heal; raises requests.HTTPError from 400 up."""

    def __init__(self, *, sleep: Callable[[float], None] | None = None) -> None:
        self._backoff = VENDORS.sleeping_by(sleep)

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_more: Any,
    ) -> tuple[Answer, bytes]:
        """Return the answer's headers and its body."""

        def send() -> requests.Response:
            return requests.request(method, uri, data=body, headers=headers, timeout=TIMEOUT_SECONDS)

        response = self._backoff.send(uri, send, timeout=TIMEOUT_SECONDS)
        return Answer(response), response.content
