"""A data set of a Backdrop, the write API of the performance platform: records that replace each other by `_id`.

    POST {url}   JSON, a list of records or one     PUT {url}   `[]` empties the data set

The token is the run's own: none is kept with what waits.
"""

import json

from importer.backdrop.json_encoder import encode_json
from importer.backdrop.wire import answer_text, build_headers, pack
from importer.credentials import Secret
from importer.errors import Rejected, SinkRefused, SinkUnavailable
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
_REFUSED = {401: "correct the token", 403: "correct the token", 404: "correct backdrop_url, data-group or data-type"}


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
        records that the data set does not take.
        """
        if payload.format not in METHODS:
            raise Rejected(self.lane, "the kept payload is no request of ours")
        response = self._sent(payload.format, payload.data.decode())
        if response.status == _TOO_LARGE and self._deliver_halves(payload):
            return
        self._expect_success(response)

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

    def _deliver_halves(self, payload: Payload) -> bool:
        """Send a list of records in two requests; return whether there was something to divide."""
        records = json.loads(payload.data)
        if not isinstance(records, list) or len(records) < 2:
            return False
        middle = len(records) // 2
        for half in (records[:middle], records[middle:]):
            self.deliver(write_payload(payload.format, half))
        return True

    def _revealed(self) -> str | None:
        return None if self._token is None else self._token.reveal()

    def _expect_success(self, response: Response) -> None:
        status = response.status
        if 200 <= status < 300:
            return
        reason = f"HTTP {status}: {answer_text(response)}"
        if status in _REFUSED:
            raise SinkRefused(self.lane, f"{reason}; {_REFUSED[status]}")
        if status == 429 or status >= 500:
            address = self.lane.removeprefix("backdrop+")
            raise SinkUnavailable(
                self.lane,
                f"Max retries exceeded for {address}: {reason}",
                retry_after_seconds=asked_pause(response),
            )
        raise Rejected(self.lane, reason)
