"""Who may ask the simulated Apteligent API, and how often: logins, tokens and the rate limit."""

import base64
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Unpack

from importer.simulators.apteligent_question import BadParameters
from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.http_wire import Answer, Handler, Request

CLIENT_ID = "3XAAexampleClientIdO3M6zV0hVlrdk"
USERNAME = "metrics@example.org"
PASSWORD = "change me"  # noqa: S105 - made up, for loopback


class AccountOptions(ServerOptions, total=False):
    """What an AccountSimulator can be told; see there."""

    clock: Callable[[], float]
    token_lifetime_seconds: int
    make_token: Callable[[], str]
    rate_limit: int | None
    rate_window_seconds: int


class AccountSimulator(HttpSimulator):
    """A simulator with the vendor's login, whose other routes can be put behind a token and a limit by `guarded`.

    - `username`, `password` and `client_id` may be changed to refuse a login from now on.
    - `rate_limit` calls are allowed in each window (None: any number, and the headers name a million).
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        token_lifetime_seconds: int = 86_400,
        make_token: Callable[[], str] = secrets.token_hex,
        rate_limit: int | None = None,
        rate_window_seconds: int = 3600,
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.username = USERNAME
        self.password = PASSWORD
        self.client_id = CLIENT_ID
        self.token_lifetime_seconds = token_lifetime_seconds
        self.rate_limit = rate_limit
        self._clock = clock
        self._make_token = make_token
        self._token_ends: dict[str, float] = {}
        self._rate_window_seconds = rate_window_seconds
        self._rate_window = 0.0
        self._rate_count = 0
        self.route("POST", "/v1.0/token", self._login)

    def issue_token(self, lifetime_seconds: int | None = None) -> str:
        """Return a token that is good from now on, like one made by hand in the vendor's portal."""
        token = self._make_token()
        seconds = self.token_lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        self._token_ends[token] = self._clock() + seconds
        return token

    def revoke_tokens(self) -> None:
        """Refuse every token given out until now."""
        self._token_ends.clear()

    def _login(self, request: Request) -> Answer:
        given = {**request.query, **request.form}
        if _basic_user(request) != self.client_id:
            return _refused("invalid_client", "Client credentials are invalid.")
        if given.get("grant_type") != "password":
            return _refused("unsupported_grant_type", "Only the password grant is supported.", status=400)
        if (given.get("username"), given.get("password")) != (self.username, self.password):
            return _refused("invalid_grant", "Invalid credentials given.")
        duration = given.get("duration", str(self.token_lifetime_seconds))
        if not (duration.isascii() and duration.isdigit()):
            return _refused("invalid_request", "duration is not a number of seconds.", status=400)
        token = self.issue_token(int(duration))
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(duration), "scope": ""}
        return Answer.json(answer)

    def guarded(self, handler: Handler) -> Handler:
        """Return the handler behind the checks that every call but the login has in common."""

        def guarded(request: Request) -> Answer:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme != "Bearer" or self._token_ends.get(token, -math.inf) <= self._clock():
                return _refused("invalid_token", "The access token is missing, unknown or expired.")
            if not self._count_call():
                return rate_limited(self._rate_count, self.rate_limit or 0, self._rate_reset())
            try:
                answer = handler(request)
            except BadParameters as error:
                return Answer.json({"message": str(error)}, status=400)
            return replace(answer, headers={**answer.headers, **self._rate_headers()})

        return guarded

    def _count_call(self) -> bool:
        window = self._clock() // self._rate_window_seconds
        if window != self._rate_window:
            self._rate_window, self._rate_count = window, 0
        self._rate_count += 1
        return self.rate_limit is None or self._rate_count <= self.rate_limit

    def _rate_reset(self) -> int:
        return math.ceil(self._rate_window_seconds - self._clock() % self._rate_window_seconds)

    def _rate_headers(self) -> dict[str, str]:
        limit = 1_000_000 if self.rate_limit is None else self.rate_limit
        return {
            "Rate-Limit-Limit": str(limit),
            "Rate-Limit-Remaining": str(max(0, limit - self._rate_count)),
            "Rate-Limit-Reset": str(self._rate_reset()),
        }


def rate_limited(actual: int = 3601, limit: int = 3600, reset_seconds: float = 42) -> Answer:
    """Return the vendor's answer to too many calls, for `fail`."""
    body = {
        "message": "API rate limit exceeded",
        "actual": actual,
        "limit": limit,
        "reset": reset_seconds,
    }
    return Answer.json(body, status=429)


def _refused(error: str, description: str, *, status: int = 401) -> Answer:
    return Answer.json({"error": error, "error_description": description}, status=status)


def _basic_user(request: Request) -> str | None:
    """Return the user name of HTTP Basic, whatever the password: clients send none or any."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except ValueError:
        return None
