"""A pace that all threads share: so many requests a second, and none at all while a vendor wants a pause."""

import math
import re
import threading
import time
from collections.abc import Callable

from importer.errors import Stopped
from importer.http_response import Response

MAX_RESET_SECONDS = 60.0
"""What X-RateLimit-Reset is believed at the most: some servers tell seconds since 1970 there."""

_SECONDS = re.compile(r"\s*\d+(\.\d*)?\s*")


def is_limit(response: Response) -> bool:
    """Return whether an answer says that a limit of requests is used up."""
    is_used_up = response.headers.get("X-RateLimit-Remaining", "").strip() == "0"
    return response.status == 429 or (response.status >= 400 and is_used_up)


def asked_pause(response: Response) -> float | None:
    """Return how many seconds a limit or a 503 asks us to wait; None for others, and where it does not say.

    Of a limit, X-RateLimit-Reset counts more than Retry-After.

    >>> asked_pause(Response(429, {"X-RateLimit-Reset": "12", "Retry-After": "7"}, b""))
    12.0
    """
    limited = is_limit(response)
    reset = response.headers.get("X-RateLimit-Reset", "")
    if limited and _SECONDS.fullmatch(reset):
        return min(float(reset), MAX_RESET_SECONDS)
    return response.retry_after_seconds() if limited or response.status == 503 else None


class RateLimit:
    """Lets requests go one after the other, first come, first served, at most so many a second.

    Without `requests_per_second` nothing waits unless somebody calls `hold`. Raises ValueError for a rate
    that is not above zero.

    >>> RateLimit(5).acquire(threading.Event())  # the first one need not wait
    """

    def __init__(
        self, requests_per_second: float | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if requests_per_second is not None and not 0 < requests_per_second < math.inf:
            raise ValueError(f"{requests_per_second!r} is not a number of requests a second")
        self._interval_seconds = 0.0 if requests_per_second is None else 1.0 / requests_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._held_until = -math.inf
        self._shift_seconds = 0.0  # by how much the holds until now have moved the turns given out before them
        self._next_turn = -math.inf  # as it would be without any hold

    def acquire(self, stop: threading.Event) -> None:
        """Return when the caller may send a request. Raises Stopped once `stop` is set."""
        turn = self._take_turn()
        while True:
            if stop.is_set():
                raise Stopped("stopped while waiting for the next request's turn")
            wait_seconds = turn + self._shift_seconds - self._clock()
            if wait_seconds <= 0:
                return
            stop.wait(min(wait_seconds, threading.TIMEOUT_MAX))

    def hold(self, seconds: float) -> None:
        """Let nobody go for that many seconds from now, those who already wait included.

        Holds don't add up: of two that overlap the later end counts. Turns keep their distance, so that
        those who waited don't all go at once. Raises ValueError for a negative or endless time.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"{seconds!r} is not a time to wait")
        with self._lock:
            now = self._clock()
            until = now + seconds
            start = max(now, self._held_until)
            if until > start:
                self._shift_seconds += until - start
                self._held_until = until

    def _take_turn(self) -> float:
        with self._lock:
            earliest = max(self._clock(), self._held_until) - self._shift_seconds
            turn = max(earliest, self._next_turn)
            self._next_turn = turn + self._interval_seconds
            return turn
