"""One exchange of a config-only service with its vendor: quick repeats, redirects, and what went wrong in one line."""

import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import responses
from urllib.parse import urljoin, urlsplit

from importer.credentials import redact
from importer.errors import Stopped, TransportError, one_line
from importer.exporter.base import Fault, FaultKind
from importer.exporter.url_text import without_queries
from importer.http_client import BadJson, HttpClient, Response, RetryPolicy
from importer.rate_limit import asked_pause

MAX_EXTRA_TRIES = 2
"""In a whole poll: after network errors and 5xx."""
MAX_REDIRECTS = 5
MAX_BODY_SHOWN = 200
ONE_TRY = RetryPolicy(extra_attempts=0, max_waits=0)

_PAUSE_SECONDS = 0.3
_REDIRECTS = (301, 302, 303, 307, 308)


class PollFailed(Exception):
    """There is no document to look into."""

    def __init__(
        self,
        kind: FaultKind,
        reason: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.fault = Fault(kind, one_line(redact(reason)))
        self.status = status
        """Of the answer, if its status is what went wrong."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.fault.reason)

    def within(self, what: str) -> "PollFailed":
        """Return the same failure, told as one of something: `page 3: ...`."""
        reason = f"{what}: {self.fault.reason}"
        return PollFailed(self.fault.kind, reason, status=self.status, retry_after_seconds=self.retry_after_seconds)


class Tries:
    """How often requests may still be repeated in a poll."""

    def __init__(self, stop: threading.Event, *, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._stop = stop
        self._uniform = uniform
        self._used = 0

    def again(self) -> bool:
        """Whether there is another try, after a short wait; raises Stopped."""
        if self._used == MAX_EXTRA_TRIES:
            return False
        self._used += 1
        if self._stop.wait(self._uniform(0, _PAUSE_SECONDS * self._used)):
            raise Stopped("stopped while waiting to ask again")
        return True


@dataclass(frozen=True, slots=True)
class Call:
    """A request; its `repr` shows nothing that may be secret."""

    method: str
    path: str = field(repr=False)
    """Below the client's base, with its query if it has one."""
    params: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


class Caller:
    """Sends the requests of one service to one host."""

    def __init__(self, client: HttpClient, *, valid_statuses: Collection[int] = ()) -> None:
        """`valid_statuses` are those of an answer; none: any 2xx."""
        self._client = client
        self._valid_statuses = valid_statuses

    def call(
        self,
        call: Call,
        tries: Tries,
        *,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
    ) -> tuple[Response, str]:
        """Return a valid answer, and the path and query where it was found.

        Raises PollFailed, and Stopped.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = self._answer(call, tries, basic, bearer)
            if self._is_valid(response.status):
                return response, call.path
            if call.method != "GET" or response.status not in _REDIRECTS or "Location" not in response.headers:
                raise self._refusal(call, response)
            call = self._redirected(call, response)
        raise PollFailed(FaultKind.STATUS, f"{self.shown(call.path)} is behind more than {MAX_REDIRECTS} redirects")

    def resolved(self, path: str, link: str) -> str | None:
        """Return the path and query of a link found at path, or None if it leads to another host.

        It would be told our credentials there.
        """
        try:
            url = urljoin(f"{self._client.base_url}{path}", link.strip())
            parts = urlsplit(url)
            if parts.username is not None or _origin(url) != _origin(self._client.base_url):
                return None
        except ValueError:  # an address that is none
            return None
        return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}".replace(" ", "%20")

    def shown(self, path: str) -> str:
        """Return the address of a path for messages: without its query, which may hold a key."""
        return f"{self._client.base_url}{path.partition('?')[0]}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _answer(self, call: Call, tries: Tries, basic: tuple[str, str] | None, bearer: str | None) -> Response:
        while True:
            try:
                response = self._client.request(
                    call.method,
                    call.path,
                    params=call.params,
                    headers=call.headers,
                    body=call.body,
                    basic=basic,
                    bearer=bearer,
                    retries=ONE_TRY,
                )
            except TransportError as error:
                kind, may_heal = _diagnosis(error)
                if not may_heal or not tries.again():
                    raise PollFailed(kind, str(error)) from error
            except ValueError as error:
                raise PollFailed(FaultKind.STATUS, f"{self.shown(call.path)}: {error}") from error
            else:
                may_heal = response.status >= 500 and asked_pause(response) is None
                if self._is_valid(response.status) or not may_heal or not tries.again():
                    return response

    def _is_valid(self, status: int) -> bool:
        return status in self._valid_statuses if self._valid_statuses else 200 <= status < 300

    def _redirected(self, call: Call, response: Response) -> Call:
        location = response.headers["Location"]
        path = self.resolved(call.path, location)
        if path is None:
            reason = f"HTTP {response.status} from {self.shown(call.path)}: leads to another host, {_host(location)}"
            raise PollFailed(FaultKind.STATUS, f"{reason}; only redirects to the same one are followed")
        return replace(call, path=path, params={})

    def _refusal(self, call: Call, response: Response) -> PollFailed:
        return PollFailed(
            FaultKind.STATUS,
            refusal_text(response, self.shown(call.path), silent=_phrase(response.status)),
            status=response.status,
            retry_after_seconds=asked_pause(response),
        )


def refusal_text(response: Response, where: str, *, silent: str = "") -> str:
    """Return what is told of an answer whose status is none of success; `silent` is said for one without a body."""
    body = one_line(without_queries(response.body.decode("utf-8", "replace")), limit=MAX_BODY_SHOWN) or silent
    hint = " (bad key, or the rate limit)" if response.status == 403 else ""
    return f"HTTP {response.status} from {where}{hint}{': ' if body else ''}{body}"


def document_of(response: Response, what: str) -> object:
    """Return what an answer holds as JSON; raises PollFailed."""
    try:
        return response.json()
    except BadJson as error:
        raise PollFailed(FaultKind.ANSWER, f"{what}: {error}") from error


def _diagnosis(error: TransportError) -> tuple[FaultKind, bool]:
    """Return of what kind an exchange without an answer is, and whether another try makes sense."""
    from importer.http_failure import ExchangeError  # on use: it imports requests

    if not isinstance(error, ExchangeError):
        return FaultKind.CONNECTION, False
    if error.timed_out:
        return FaultKind.TIMEOUT, False
    return FaultKind.ANSWER if error.too_large else FaultKind.CONNECTION, error.may_heal


def _host(url: str) -> str:
    """Return what host an address names, for messages."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "nowhere"
    except ValueError:  # an address that is none
        return "nowhere"


def _phrase(status: int) -> str:
    """Return what a status means, for an answer that says nothing itself."""
    return responses.get(status, "no status that HTTP knows")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Return what a host is known by; raises ValueError for an address that is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
