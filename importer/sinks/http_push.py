"""Requests to a store that is spoken to by HTTP, and what their failures mean for the payload in hand."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from importer.credentials import redact
from importer.errors import Rejected, SinkRefused, SinkUnavailable, Stopped, TransportError, one_line
from importer.http_client import HttpClient
from importer.http_response import Response
from importer.rate_limit import asked_pause

_REFUSALS = {
    401: "the credentials are wrong",
    403: "the credentials do not allow it",
    404: "there is nothing at that address",
    405: "the address is not one to write to",
}
"""Answers that are about our configuration, whatever the payload."""


class TooLarge(Rejected):
    """More lines than the store takes at once: fewer may pass."""


def deliver_in_halves(deliver: Callable[[Sequence[bytes]], None], lines: Sequence[bytes]) -> None:
    """Deliver lines, in halves where they are TooLarge at once, and return once the store has all of them.

    Raises the first Rejected when every line that the store takes is there, and any other error at once.
    """
    rejections = _rejections(deliver, lines)
    if rejections:
        raise rejections[0]


def _rejections(deliver: Callable[[Sequence[bytes]], None], lines: Sequence[bytes]) -> list[Rejected]:
    try:
        deliver(lines)
    except TooLarge as error:
        if len(lines) == 1:
            return [error]
        middle = len(lines) // 2
        return _rejections(deliver, lines[:middle]) + _rejections(deliver, lines[middle:])
    except Rejected as error:
        return [error]
    return []


class HttpPush:
    """A client of one store; its answers are successes, or errors of the lane it is told.

    `hint` names the keys to mend where the store refuses us, such as "correct push_url or api_key". `stopping` ends
    the waits between tries once it is set, which `stop` does.
    """

    def __init__(self, lane: str, client: HttpClient, *, hint: str, stopping: threading.Event | None = None) -> None:
        self._lane = lane
        self._client = client
        self._hint = hint
        self._stopping = stopping or threading.Event()

    def send(self, method: str, path: str, **request: Any) -> Response:
        """Return the answer to a request, as `HttpClient.request` takes it, if its status is one of success (2xx).

        Raises SinkUnavailable where another try may succeed, SinkRefused where our configuration is at fault, and
        Rejected for any other answer 4xx: this payload will never be taken.
        """
        response = self.ask(method, path, **request)
        self.expect_success(response)
        return response

    def ask(self, method: str, path: str, **request: Any) -> Response:
        """Return the answer to a request, whatever its status; raises SinkUnavailable where none came."""
        try:
            return self._client.request(method, path, stop=self._stopping, **request)
        except TransportError as error:
            raise SinkUnavailable(self._lane, str(error)) from error
        except Stopped as error:
            raise SinkUnavailable(self._lane, "the process was asked to stop") from error

    def expect_success(self, response: Response) -> None:
        """Return for an answer 2xx; else raise as `send` does."""
        status = response.status
        if 200 <= status < 300:
            return
        reason = f"HTTP {status}{told(response)}"
        if status in (408, 425, 429) or status >= 500:
            raise SinkUnavailable(self._lane, reason, retry_after_seconds=_asked_seconds(response))
        if status in _REFUSALS:
            raise SinkRefused(self._lane, f"{reason}: {_REFUSALS[status]}; {self._hint}")
        if status < 400:
            where = one_line(redact(response.headers.get("Location", "nowhere")), limit=200)
            raise SinkRefused(self._lane, f"{reason}: redirects to {where}; {self._hint}")
        raise Rejected(self._lane, reason)

    def stop(self) -> None:
        """Wait no more between tries; an exchange under way is finished."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.close()


def _asked_seconds(response: Response) -> float | None:
    asked = asked_pause(response)
    return response.retry_after_seconds() if asked is None else asked


def told(response: Response) -> str:
    """Return `: ` and what the answer says about itself, if that is text to be read."""
    whole = redact(response.body.decode("utf-8", "replace"))  # some repeat our key; cut, it would not be known again
    text = one_line(whole[:2000], limit=300)
    return f": {text}" if text and not text.startswith("<") else ""
