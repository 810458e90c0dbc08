"""Ask the query API: post a query, and poll until the final answer is there.

The API is Logentries', today Rapid7's Log Search (docs.rapid7.com/insightops/post-query). Whatever goes wrong is a
SourceError in one line, without keys and without the queries of URLs.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

from importer import __version__, rate_limit
from importer.credentials import redact
from importer.errors import BadAnswer, SourceError, SourceRefused, SourceUnavailable, Stopped, TransportError, one_line
from importer.http_client import HttpClient, HttpClients, Response, RetryPolicy
from importer.http_request import split_url
from importer.rate_limit import is_limit
from importer.sources.logentries.config import KEY_NAMES, QUERY_PATH, Account, Query

logger = logging.getLogger(__name__)

SOURCE = "logentries"
USER_AGENT = f"leexportpy {__version__}"
KEY_HEADER = "x-api-key"
POLL_INTERVAL_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0
"""The longest pause that a server is granted; one that asks for a longer one is asked again after this."""
RETRIES = RetryPolicy(extra_attempts=3, pause_seconds=0.5, max_wait_seconds=MAX_WAIT_SECONDS, waits_for_all=False)
"""Four tries, with pauses of 0.5, 1 and 2 seconds unless the server asks for another."""

_MAX_HOSTS = 16
_VENDOR_DOMAINS = (".rapid7.com", ".logentries.com")
_PORTS = {"http": 80, "https": 443}
_PLATFORM_DOMAIN = ".api.insight.rapid7.com"
_PLATFORM_PATH = "/log_search"
_NO_LOG = "00000000-0000-0000-0000-000000000000"
_NO_SUCH_LOG = "logs holds a key that no log has"
_EXPIRED = "the query has expired"


def query_body(query: Query, *, now: float) -> dict[str, object]:
    """Return the JSON that asks a query; its window ends at `now`, in seconds since 1970."""
    end_ms = int(now * 1000)
    during: dict[str, object] = {"from": end_ms - query.range_seconds * 1000, "to": end_ms}
    if query.time_range:
        during = {"time_range": query.time_range}
    return {"logs": list(query.logs), "leql": {"during": during, "statement": query.statement}}


def self_link(answer: Mapping[str, object]) -> str:
    """Return where to ask for the final answer, empty for an answer that is final.

    A link to the `Next` page of events does not count: events are nothing that we can use.
    """
    links = answer.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping) and str(link.get("rel")).lower() == "self" and isinstance(link.get("href"), str):
            return str(link["href"])
    return ""


def may_have_key(url: str, base_url: str) -> bool:
    """Return whether the key for base_url may be sent to url.

    It may be sent to where the user says, in whatever way, and by https alone to the vendor's hosts, on their own port.
    """
    try:
        target = _origin(url)
        if target == _origin(base_url):
            return True
    except ValueError:  # a port that is none
        return False
    scheme, host, port = target
    return scheme == "https" and port == _PORTS["https"] and host.endswith(_VENDOR_DOMAINS)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def asked_pause(response: Response) -> float | None:
    """Return how many seconds an error asks us to wait, MAX_WAIT_SECONDS at most; None where it does not say."""
    seconds = rate_limit.asked_pause(response)
    return None if seconds is None else min(seconds, MAX_WAIT_SECONDS)


class LogSearch:
    """One account's view of the API; its methods may be called from any number of threads."""

    def __init__(
        self,
        account: Account,
        *,
        stop: threading.Event,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._stop = stop
        self._clock = clock
        self._monotonic = monotonic
        self._clients = HttpClients(self._new_client, limit=_MAX_HOSTS)

    def ask(self, query: Query, *, what: str = "") -> dict[str, object]:
        """Return the final answer to a query, a JSON object; `what` names the query in the log.

        Raises SourceUnavailable where no answer is to be had, or none in time; SourceRefused for a wrong key;
        BadAnswer for a query that the vendor does not take, or an answer that we don't; Stopped.
        """
        deadline = self._monotonic() + self._account.query_timeout_seconds
        body = query_body(query, now=self._clock())
        logger.info("query sent: search=%s query=%s", what, body)
        url = f"{self._account.url}{QUERY_PATH}/"
        response = self._exchange("POST", url, deadline, json=body)
        polls = 0
        while True:
            answer = self._accepted(url, response, if_missing=_EXPIRED if polls else _NO_SUCH_LOG)
            link = self_link(answer)
            if response.status == 200 and not link:
                return answer
            if not polls and not link:
                raise BadAnswer(SOURCE, f"{_shown(url)}: HTTP 202 without a link to the final answer")
            logger.debug("query under way: search=%s polls=%d progress=%s", what, polls, answer.get("progress"))
            if polls:
                self._pause(deadline, answer)
            polls += 1
            url = _resolved(url, link)
            response = self._exchange("GET", url, deadline)

    def check(self) -> str:
        """Return one line that says what answered, after a request that runs no query; raises SourceError."""
        deadline = self._monotonic() + self._account.query_timeout_seconds
        parts = urlsplit(self._account.url)
        if parts.path == _PLATFORM_PATH or (parts.hostname or "").endswith(_PLATFORM_DOMAIN):
            url = f"{parts.scheme}://{parts.netloc}/validate"
            self._accepted(url, self._exchange("GET", url, deadline))
            return f"{self._account.url} answers: the key is valid"
        # The older hosts have no such address; what they say of a log that there is not tells enough.
        url = f"{self._account.url}{QUERY_PATH}/{_NO_LOG}"
        response = self._exchange("GET", url, deadline)
        if response.status not in (400, 404):
            self._accepted(url, response)
        elif not _message(response):
            raise BadAnswer(SOURCE, f"{_shown(url)}: HTTP {response.status}, not from the query API: mend url in [LE]")
        return f"{self._account.url} answers, and does not refuse the key"

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._clients.close()

    def _new_client(self, origin: str) -> HttpClient:
        return HttpClient(
            origin,
            user_agent=USER_AGENT,
            retries=RETRIES,
            retry_after=asked_pause,
            stop=self._stop,
            uniform=lambda _shortest, longest: longest,
        )

    def _exchange(self, method: str, url: str, deadline: float, *, json: object = ...) -> Response:
        """Return the answer to a request, whatever its status; what would last beyond the deadline is not waited for.

        At the deadline there is still time for a last look.
        """
        within_seconds = max(deadline - self._monotonic(), POLL_INTERVAL_SECONDS)
        try:
            origin, path = split_url(url)
            headers = {KEY_HEADER: self._account.key.reveal()} if may_have_key(url, self._account.url) else {}
            client = self._clients.get(origin)
            return client.request(method, path, headers=headers, json=json, within_seconds=within_seconds)
        except TransportError as error:
            raise SourceUnavailable(SOURCE, str(error), unreachable=error.unreachable) from error
        except ValueError as error:
            raise BadAnswer(SOURCE, f"sent on to what cannot be asked, {_shown(url)}: {error}") from error

    def _accepted(self, url: str, response: Response, *, if_missing: str = "") -> dict[str, object]:
        """Return the JSON object in an answer, final or not; raises the SourceError for any other answer."""
        if response.status not in (200, 202):
            raise self._error(url, response, if_missing)
        try:
            answer = response.json()
        except ValueError as error:
            raise BadAnswer(SOURCE, f"{_shown(url)}: {error}") from error
        if not isinstance(answer, dict):
            raise BadAnswer(SOURCE, f"{_shown(url)}: the answer is no JSON object")
        return answer

    def _error(self, url: str, response: Response, if_missing: str) -> SourceError:
        said = f"{_shown(url)}: {': '.join(filter(None, (f'HTTP {response.status}', _message(response))))}"
        if response.status in (401, 403):
            if may_have_key(url, self._account.url):
                return SourceRefused(SOURCE, f"{said}; the key is refused: mend {KEY_NAMES[0]}, or {KEY_NAMES[1]}")
            return BadAnswer(SOURCE, f"{said}; this host is not the vendor's, so it was asked without the key")
        if is_limit(response):
            return SourceUnavailable(SOURCE, f"{said}; the rate limit is used up")
        if response.status >= 500:
            return SourceUnavailable(SOURCE, said)
        return BadAnswer(SOURCE, f"{said}; {if_missing}" if response.status == 404 and if_missing else said)

    def _pause(self, deadline: float, answer: Mapping[str, object]) -> None:
        """Wait before the next poll; raises SourceUnavailable past the deadline, and Stopped."""
        seconds_left = deadline - self._monotonic()
        if seconds_left <= 0:
            seconds, progress = (
                self._account.query_timeout_seconds,
                one_line(redact(str(answer.get("progress"))), limit=20),
            )
            reason = f"no final answer within {seconds:g} s (query_timeout in [LE]), last progress: {progress}"
            raise SourceUnavailable(SOURCE, reason)
        if self._stop.wait(min(POLL_INTERVAL_SECONDS, seconds_left)):
            raise Stopped("stopped while waiting for the final answer to a query")


def _resolved(url: str, link: str) -> str:
    """Return the address that a link in the answer of url means, url itself if there is none."""
    try:
        return urljoin(url, link)
    except ValueError as error:
        raise BadAnswer(SOURCE, f"{_shown(url)}: the link to the final answer is no address") from error


def _shown(url: str) -> str:
    """Return what of an address may be shown: its query may hold anything."""
    return one_line(redact(url.partition("?")[0]), limit=200)


def _message(response: Response) -> str:
    """Return what an error says, without keys if it should repeat them."""
    try:
        answer = response.json()
    except ValueError:
        return ""
    texts = answer if isinstance(answer, Mapping) else {}
    said = (texts.get(name) for name in ("errorCode", "message"))
    return one_line(redact(": ".join(str(text) for text in said if isinstance(text, str | int))), limit=200)
