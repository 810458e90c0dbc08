"""A data set of a Backdrop, the write API of the performance platform: records that replace each other by `_id`.

    POST {url}   JSON, a list of records or one     PUT {url}   `[]` empties the data set

The token is the run's own: none is kept with what waits.
"""

import json

from importer.backdrop.json_encoder import encode_json
from importer.backdrop.wire import answer_text, build_headers, pack
from importer.credentials import Secret, redact
from importer.errors import PartlyRejected, Rejected, SinkRefused, SinkUnavailable, one_line
from importer.http_client import HttpClient, Response, RetryPolicy
from importer.http_request import split_url
from importer.points import Payload
from importer.rate_limit import asked_pause
from importer.sinks.base import Sink
from importer.sinks.http_push import HttpPush

METHODS = ("POST", "PUT")
RETRIES = RetryPolicy(extra_attempts=4, pause_seconds=1.0, max_wait_seconds=300.0)
"""Five tries, after a random part of 1, 2, 4 and 8 seconds, or as long as Retry-After says."""
TIMEOUT_SECONDS = 60.0

_TOO_LARGE = 413
_WRONG_ADDRESS = "correct backdrop_url, data-group or data-type"
_REFUSED = {401: "correct the token", 403: "correct the token", 404: _WRONG_ADDRESS, 405: _WRONG_ADDRESS}
_MAY_HEAL = (408, 425, 429)


def write_payload(method: str, content: object) -> Payload:
    """Return the payload of one request; raises TypeError and ValueError for what JSON cannot hold."""
    count = len(content) if isinstance(content, list | tuple) else 1
    return Payload(encode_json(content).encode(), points=count, format=method)


class BackdropSink(Sink):
    """One data set, written to with a token, or without. Raises ValueError for a url that is no address.

    Sinks of several processes may share an outbox: each delivers the lane of its own data set alone.
    """

    def __init__(self, url: str, token: Secret | None, *, client: HttpClient | None = None) -> None:
        base, self._path = split_url(url)
        super().__init__(f"backdrop+{base}{self._path}")
        self.family = self.lane  # what waits for a data set is no other one's
        self._token = token
        client = client or HttpClient(base, retries=RETRIES, timeout_seconds=TIMEOUT_SECONDS)
        self._push = HttpPush(self.lane, client, hint="correct backdrop_url or the token")

    def deliver(self, payload: Payload) -> None:
        """Send one request; of records that are too many at once, the halves.

        Raises SinkUnavailable after the last of some tries, SinkRefused for a wrong token or address, and Rejected for
        records that the data set does not take: PartlyRejected where it has taken other parts.
        """
        if payload.format not in METHODS:
            raise Rejected(self.lane, "the kept payload is no request of ours")
        parts = self._refused_parts(payload)
        if parts and parts[0][0] is payload:
            raise Rejected(self.lane, parts[0][1])
        if parts:
            raise PartlyRejected(self.lane, parts)

    def check(self) -> str:
        """Return that the data set can be read; raises SinkUnavailable or SinkRefused."""
        response = self._push.ask("GET", self._path, params={"limit": 1}, headers=build_headers(self._revealed()))
        self._expect_success(response)
        return f"{self.lane} answers"

    def stop(self) -> None:
        """Wait no more between tries."""
        self._push.stop()

    def close(self) -> None:
        """Close the connections."""
        self._push.close()

    def _sent(self, method: str, text: str) -> Response:
        body, packed = pack(text)
        headers = {**build_headers(self._revealed(), has_body=True), **packed}
        return self._push.ask(method, self._path, body=body, headers=headers)

    def _refused_parts(self, payload: Payload) -> list[tuple[Payload, str]]:
        """Send a payload, or its halves; return what of it will never be taken, with the reasons."""
        response = self._sent(payload.format, payload.data.decode())
        halves = _halves_of(payload) if response.status == _TOO_LARGE else []
        if halves:
            return [part for half in halves for part in self._refused_parts(half)]
        try:
            self._expect_success(response)
        except Rejected as error:
            return [(payload, error.reason)]
        return []

    def _revealed(self) -> str | None:
        return None if self._token is None else self._token.reveal()

    def _expect_success(self, response: Response) -> None:
        status = response.status
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        if 200 <= status < 300 and not is_page:
            return
        if 200 <= status < 300:  # of a proxy, or of a network that wants a login first
            raise SinkUnavailable(self.lane, f"HTTP {status}: a web page, and not a data set, has answered")
        if 300 <= status < 400:
            where = one_line(redact(response.headers.get("Location", "nowhere").partition("?")[0]), limit=200)
            raise SinkRefused(self.lane, f"HTTP {status}: redirects to {where}; {_WRONG_ADDRESS}")
        reason = f"HTTP {status}: {answer_text(response)}"
        if status in _REFUSED:
            raise SinkRefused(self.lane, f"{reason}; {_REFUSED[status]}")
        if status in _MAY_HEAL or status >= 500:
            address = self.lane.removeprefix("backdrop+")
            raise SinkUnavailable(
                self.lane,
                f"Max retries exceeded for {address}: {reason}",
                retry_after_seconds=asked_pause(response),
            )
        raise Rejected(self.lane, reason)


def _halves_of(payload: Payload) -> list[Payload]:
    """Return a list of records as two; nothing where there is nothing to divide."""
    records = json.loads(payload.data)
    if not isinstance(records, list) or len(records) < 2:
        return []
    middle = len(records) // 2
    return [write_payload(payload.format, half) for half in (records[:middle], records[middle:])]
