"""Who is asked, and what: the section [LE] and the sections [[[query]]] of leexportpy's configuration."""

import re
from dataclasses import dataclass

from importer.config import REQUIRED, ObjectReader
from importer.credentials import Secret
from importer.http_client import base_url

DEFAULT_URL = "https://rest.logentries.com"
"""The old product's address; treat it as legacy."""
REGIONS = ("us", "us2", "us3", "eu", "ca", "au", "ap")
"""Of https://REGION.rest.logs.insight.rapid7.com (docs.rapid7.com/insightops/post-query/)."""
QUERY_PATH = "/query/logs"

KEY_NAMES = ("rw_api_key", "ro_api_key", "x_api_key")
"""The first that is set counts. The last one is what the old README documented, and the old code never read."""

DEFAULT_QUERY_TIMEOUT_SECONDS = 300
MAX_QUERY_TIMEOUT_SECONDS = 24 * 3600
MAX_RANGE_SECONDS = 10**9
"""More than 30 years are not meant."""

_USABLE_KEY = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the query API is, and the key to it."""

    url: str
    """Base URL, without a last slash and without QUERY_PATH."""
    key: Secret
    query_timeout_seconds: float = DEFAULT_QUERY_TIMEOUT_SECONDS
    """How long a query may take, from the question to the final answer."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question about some logs."""

    logs: tuple[str, ...]
    """Their keys, one or more."""
    statement: str
    """LEQL, as it is sent."""
    range_seconds: int
    """How long the window is that ends now; 0 where only time_range says it."""
    time_range: str = ""
    """A window in the vendor's words, such as `Last 24 Hours`; it wins over range_seconds."""


def load_account(keys: ObjectReader) -> Account:
    """Return the account that [LE] describes; what is wrong with it is added to `keys.problems`."""
    key = load_key(keys)
    if key is None:
        keys.problem("", f"no usable key: set {KEY_NAMES[0]}, or {KEY_NAMES[1]}")
    timeout_seconds = keys.number(
        "query_timeout", DEFAULT_QUERY_TIMEOUT_SECONDS, minimum=1, maximum=MAX_QUERY_TIMEOUT_SECONDS
    )
    return Account(load_url(keys), key or Secret(""), timeout_seconds)


def load_key(keys: ObjectReader) -> Secret | None:
    """Return the first key that is set, None if none is; what is wrong with it is added to `keys.problems`."""
    for name in KEY_NAMES:
        key = keys.secret(name, None)
        if key is None:
            continue
        if not _USABLE_KEY.fullmatch(key.reveal()):
            keys.problem(name, "holds white space, or characters outside ASCII, which no key does")
        return key
    return None


def load_url(keys: ObjectReader) -> str:
    """Return the base URL that url, else region says; what is wrong with them is added to `keys.problems`."""
    region = keys.choice("region", REGIONS, None)
    default = DEFAULT_URL if region is None else f"https://{region}.rest.logs.insight.rapid7.com"
    try:
        return base_url(keys.text("url", default) or default).removesuffix(QUERY_PATH).rstrip("/")
    except ValueError as error:
        keys.problem("url", str(error))
        return default


def load_query(keys: ObjectReader) -> Query:
    """Return the query that [[[query]]] describes; what is wrong with it is added to `keys.problems`."""
    time_range = keys.text("time_range", "")
    seconds = keys.integer("query_range", 0 if time_range else REQUIRED, minimum=1, maximum=MAX_RANGE_SECONDS)
    return Query(_logs(keys), keys.text("statement"), seconds, time_range)


def _logs(keys: ObjectReader) -> tuple[str, ...]:
    """Return log keys, which are separated by colons or commas."""
    known_problems = len(keys.problems)
    given = keys.texts("logs", ())
    logs = tuple(name for text in given for part in re.split("[:,]", text) if (name := part.strip()))
    if not logs and len(keys.problems) == known_problems:
        keys.problem("logs", "names no log: give the keys of one or more, separated by ':'")
    return logs
