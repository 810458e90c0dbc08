"""Requests to the query API as functions, for code that used those of the old package. The engine does not use them.

Answers are `requests.Response` objects, and the exceptions those of requests, as they always were.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from importer.config import ObjectReader
from importer.errors import Problem
from importer.http_response import Response
from importer.sources.logentries.api import (
    KEY_HEADER,
    POLL_INTERVAL_SECONDS,
    RETRIES,
    USER_AGENT,
    asked_pause,
    may_have_key,
    query_body,
    self_link,
)
from importer.sources.logentries.config import (
    DEFAULT_QUERY_TIMEOUT_SECONDS,
    DEFAULT_URL,
    QUERY_PATH,
    load_key,
    load_query,
    load_url,
)

logger = logging.getLogger(__name__)

QUERY_URL = f"{DEFAULT_URL}{QUERY_PATH}/"
MAX_POLLS = int(DEFAULT_QUERY_TIMEOUT_SECONDS / POLL_INTERVAL_SECONDS)

_TIMEOUTS_SECONDS = (10.0, 30.0)
"""To connect, and between two bytes of the answer."""

Sleep = Callable[[float], object]
"""Waits for so many seconds."""


def generate_headers(key: str | None) -> dict[str, str]:
    """Return the headers that each request has; without a key it is left out."""
    return {"User-Agent": USER_AGENT} | ({KEY_HEADER: key} if key else {})


def do_get_le_url(url: str, key: str | None, params: Mapping[str, Any] | None = None) -> requests.Response:
    """Return the answer to a GET, whatever its status; raises requests.RequestException."""
    return requests.get(
        url, params=params, headers=generate_headers(key), timeout=_TIMEOUTS_SECONDS, allow_redirects=False
    )


def do_post_json_to_le(url: str, payload: object, key: str | None) -> requests.Response:
    """Return the answer to a POST of JSON, whatever its status; raises requests.RequestException."""
    return requests.post(
        url, json=payload, headers=generate_headers(key), timeout=_TIMEOUTS_SECONDS, allow_redirects=False
    )


def get_le_api_key(auth: Mapping[str, Any]) -> str | None:
    """Return the key that the section [LE] has, None if it has none; one in a file is found from the current folder.

    Raises ConfigError for a key that cannot be read.
    """
    keys = _reader(auth)
    key = load_key(keys)
    keys.finish(refuse_unknown=False)
    return None if key is None else key.reveal()


def post_le_search(
    query_config: Mapping[str, Any], auth: Mapping[str, Any], *, sleep: Sleep = time.sleep
) -> requests.Response:
    """Return the first answer to the query of a section [[[query]]], whatever its status, after four tries at the most.

    Raises requests.RequestException, and ConfigError for a section that says no query.
    """
    keys = _reader(query_config)
    query = load_query(keys)
    url = _address(auth, keys.problems)
    keys.finish(refuse_unknown=False)
    payload = query_body(query, now=time.time())
    logger.info("query sent: query=%s", payload)
    key = get_le_api_key(auth)
    return _persistently(lambda: do_post_json_to_le(url, payload, key), sleep)


def get_continuity_final_response(
    response: Any, auth: Mapping[str, Any] | str | None, *, sleep: Sleep = time.sleep
) -> Any:
    """Return the final answer that an answer of a query leads to, None if a poll fails or it takes too long.

    `auth` is the section [LE], or the key itself. A key is sent to where the section says, or where a key alone was
    given to where the answer is from, and by https to the vendor's hosts; to no other. Raises
    requests.RequestException.
    """
    key, address = (get_le_api_key(auth), _address(auth)) if isinstance(auth, Mapping) else (auth, "")
    url = getattr(response, "url", None) or address or QUERY_URL
    trusted = address or url
    for poll in range(MAX_POLLS):
        link = self_link(response.json()) if response.status_code in (200, 202) else ""
        if response.status_code == 200 and not link:
            return response
        if response.status_code not in (200, 202) or not (link or poll):
            logger.warning("no final answer: status=%d polls=%d", response.status_code, poll)
            return None
        if poll:
            sleep(POLL_INTERVAL_SECONDS)
        url = urljoin(url, link)
        response = _polled(url, key if may_have_key(url, trusted) else None, sleep)
    logger.warning("no final answer: polls=%d", MAX_POLLS)
    return None


def _polled(url: str, key: str | None, sleep: Sleep) -> requests.Response:
    return _persistently(lambda: do_get_le_url(url, key), sleep)


def _persistently(send: Callable[[], requests.Response], sleep: Sleep) -> requests.Response:
    """Return the answer to a request, sent again while that may help, after pauses of ours or those asked for."""
    for attempt in range(RETRIES.extra_attempts):
        seconds = RETRIES.pause_seconds * 2**attempt
        try:
            response = send()
        except (requests.ConnectionError, requests.Timeout) as error:
            logger.warning("request is repeated: reason=%s seconds=%.1f", type(error).__name__, seconds)
        else:
            asked_seconds = asked_pause(Response(response.status_code, response.headers, b""))
            if response.status_code < 500 and response.status_code != 429 and asked_seconds is None:
                return response
            seconds = seconds if asked_seconds is None else asked_seconds
            logger.warning("request is repeated: status=%d seconds=%.1f", response.status_code, seconds)
        sleep(seconds)
    return send()


def _address(auth: Mapping[str, Any], problems: list[Problem] | None = None) -> str:
    """Return where the section [LE] wants queries to go."""
    return f"{load_url(_reader(auth, problems))}{QUERY_PATH}/"


def _reader(section: Mapping[str, Any], problems: list[Problem] | None = None) -> ObjectReader:
    return ObjectReader(Path("config.ini"), dict(section), problems=problems, accept_text=True)
