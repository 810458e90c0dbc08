"""How many requests this process has made, by the status of the answers, and what is left of a vendor's limit.

Whoever makes requests counts them here, and whoever records a run takes the counts of the time since the last one. A
process records the runs of one command, so the counts are the process's: a client need not know for whom it asks.
"""

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

NO_ANSWER = "none"
"""What stands in place of a status where no whole answer came."""

_REMAINING = ("X-RateLimit-Remaining", "Rate-Limit-Remaining", "RateLimit-Remaining")
"""Log Search sends the first, Apteligent the second (their specifications); the third is the name that the IETF chose.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/03/ (2026-11-28)
"""
_PINGDOM = ("Req-Limit-Short", "Req-Limit-Long")
_NUMBER = re.compile(r"\s*(\d{1,15})\s*")
_PINGDOM_REMAINING = re.compile(r"Remaining:\s*(\d{1,15})\b")
_MAX_HOSTS = 1000


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of a while."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    """How many answers had each status, as text; NO_ANSWER is one of them."""
    rate_limit_remaining: int | None = None
    """How many more requests the vendors allowed when they were asked last, the smallest number; None: nobody said."""


class RequestCounts:
    """Counts requests; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for one addition: nothing beside the exchange that has just ended
        self._by_status: Counter[str] = Counter()
        self._remaining: dict[str, int] = {}

    def answered(self, host: str, status: int, headers: Mapping[str, str]) -> None:
        """Count an answer; `headers` are looked up without regard to case."""
        remaining = remaining_of(headers)
        with self._lock:
            self._by_status[str(status)] += 1
            if remaining is not None and (host in self._remaining or len(self._remaining) < _MAX_HOSTS):
                self._remaining[host] = remaining

    def unanswered(self) -> None:
        """Count a request to which no whole answer came."""
        with self._lock:
            self._by_status[NO_ANSWER] += 1

    def take(self) -> Requests:
        """Return what was counted since the last call."""
        with self._lock:
            by_status, self._by_status = self._by_status, Counter()
            remaining, self._remaining = self._remaining, {}
        return Requests(dict(sorted(by_status.items())), min(remaining.values(), default=None))


PROCESS_COUNTS = RequestCounts()
"""Those of this process."""


def remaining_of(headers: Mapping[str, str]) -> int | None:
    """Return how many more requests an answer allows, the smallest of several limits; None where it does not say.

    >>> remaining_of({"Rate-Limit-Remaining": "12"})
    12
    >>> remaining_of({"Req-Limit-Short": "Remaining: 394 Time until reset: 3589"})
    394
    """
    found = [_NUMBER.fullmatch(headers.get(name, "")) for name in _REMAINING]
    found += [_PINGDOM_REMAINING.search(headers.get(name, "")) for name in _PINGDOM]
    return min((int(match[1]) for match in found if match), default=None)
