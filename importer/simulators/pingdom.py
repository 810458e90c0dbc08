"""A simulator of the Pingdom API, 3.1 (bearer token) and 2.0 (user, password and application's key).

What is known of the vendor is said in `importer.sources.pingdom.parse`. Every figure follows from check and hour
alone: ask `hour_of`.

>>> from urllib.request import Request as UrlRequest, urlopen
>>> with PingdomSimulator() as simulator:
...     headers = {"Authorization": f"Bearer {TOKEN}"}
...     with urlopen(UrlRequest(f"{simulator.url_3_1}checks", headers=headers), timeout=10) as answer:
...         limit = answer.headers["Req-Limit-Short"]
>>> limit
'Remaining: 394 Time until reset: 3589'
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.basic_auth import basic_credentials
from importer.simulators.http_wire import Answer, Handler, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = [
    "APP_KEY",
    "PASSWORD",
    "TOKEN",
    "USER",
    "PingdomSimulator",
    "SimulatedCheck",
    "hour_of",
    "main",
    "over_limit",
    "result_of",
]

TOKEN = "pingdom-example-token"  # noqa: S105 - made up
USER = "operations@example.org"
PASSWORD = "pingdom-example-password"  # noqa: S105 - made up
APP_KEY = "pingdom-example-app-key"

HOUR_SECONDS = 3600
MAX_HOURS = 200_000
MAX_RESULTS = 1000
LIMITS = {
    "Req-Limit-Short": "Remaining: 394 Time until reset: 3589",
    "Req-Limit-Long": "Remaining: 71994 Time until reset: 2591989",
}
_INTEGER = re.compile(r"\d{1,10}")


@dataclass(frozen=True, slots=True)
class SimulatedCheck:
    """A check of the account."""

    id: int
    name: str
    status: str = "up"
    response_ms: int = 721
    tested_at: int = 1371340000

    def described(self) -> dict[str, object]:
        """Return what `checks` says of it."""
        return {
            "id": self.id,
            "created": 1240394682,
            "name": self.name,
            "hostname": "www.example.org",
            "resolution": 1,
            "type": "http",
            "lasttesttime": self.tested_at,
            "lastresponsetime": self.response_ms,
            "status": self.status,
        }


CHECKS = (SimulatedCheck(101, "govuk"), SimulatedCheck(102, "name with spaces"))


def hour_of(check_id: int, start: int) -> dict[str, int]:
    """Return what `summary.performance` says of one hour of a check, `start` being in seconds since 1970."""
    downtime = (check_id * 7 + start // HOUR_SECONDS * 13) % 60
    response = 100 + (check_id * 31 + start // HOUR_SECONDS * 17) % 900
    return {
        "starttime": start,
        "avgresponse": response,
        "uptime": HOUR_SECONDS - downtime,
        "downtime": downtime,
        "unmonitored": 0,
    }


def result_of(check_id: int, moment: int) -> dict[str, object]:
    """Return what `results` says of one test of a check, at that many seconds since 1970."""
    response = 100 + (check_id * 31 + moment // 60 * 7) % 900
    return {"probeid": 33, "time": moment, "status": "up", "responsetime": response, "statusdesc": "OK"}


def over_limit(*, reset_seconds: int = 0) -> Answer:
    """Return the answer to a request too many."""
    limits = {"Req-Limit-Short": f"Remaining: 0 Time until reset: {reset_seconds}"}
    return _error(429, "Too Many Requests", "Request limit exceeded, try again later", headers={**LIMITS, **limits})


class PingdomSimulator(HttpSimulator):
    """One account's checks.

    - `checks` may be changed at any time.
    - `answers` serves something fixed in place of figures, by the id of a check.
    - `account_email` makes 2.0 demand that header.
    """

    def __init__(
        self,
        *,
        checks: Sequence[SimulatedCheck] = CHECKS,
        account_email: str | None = None,
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.checks = list(checks)
        self.answers: dict[int, object] = {}
        self.account_email = account_email
        for version, is_let_in in (("3.1", self._has_token), ("2.0", self._has_password)):
            self.route("GET", f"/api/{version}/checks", _guarded(self._list, is_let_in))
            self.route("GET", f"/api/{version}/results/{{id}}", _guarded(self._results, is_let_in))
            self.route("GET", f"/api/{version}/summary.performance/{{id}}", _guarded(self._summary, is_let_in))

    @property
    def url_3_1(self) -> str:
        """What credentials with a token have as `url`. Known once started."""
        return f"{self.url}/api/3.1/"

    @property
    def url_2_0(self) -> str:
        """What credentials with a password have as `url`. Known once started."""
        return f"{self.url}/api/2.0/"

    def _has_token(self, request: Request) -> str:
        if request.headers.get("authorization") == f"Bearer {TOKEN}" or basic_credentials(request) == (TOKEN, ""):
            return ""
        return "Invalid token"

    def _has_password(self, request: Request) -> str:
        if basic_credentials(request) != (USER, PASSWORD):
            return "Invalid email and/or password"
        if request.headers.get("app-key") != APP_KEY:
            return "Invalid application key"
        return "" if request.headers.get("account-email") == self.account_email else "Invalid account e-mail"

    def _list(self, _request: Request) -> Answer:
        count = len(self.checks)
        counts = {"total": count, "limited": count, "filtered": count}
        return _good({"checks": [check.described() for check in self.checks], "counts": counts})

    def _results(self, request: Request) -> Answer:
        """Return a page of tests, a minute each, the newest first."""
        query, check_id = request.query, request.path_values["id"]
        if not all(_INTEGER.fullmatch(query.get(name, "")) for name in ("from", "to", "limit", "offset")):
            return _error(400, "Bad Request", "Invalid parameter value: from, to, limit and offset must be integers")
        check = next((check for check in self.checks if str(check.id) == check_id), None)
        if check is None:
            return _error(403, "Forbidden", "Not your check")
        last = check.tested_at - max(0, -(-(check.tested_at - int(query["to"])) // 60)) * 60
        times = range(last, int(query["from"]) - 1, -60)
        page = times[int(query["offset"]) : int(query["offset"]) + min(int(query["limit"]), MAX_RESULTS)]
        return _good({"results": [result_of(check.id, moment) for moment in page]})

    def _summary(self, request: Request) -> Answer:
        query = request.query
        if query.get("resolution") != "hour" or query.get("includeuptime") != "true":
            return _error(400, "Bad Request", "Invalid parameter value: resolution")
        if not all(_INTEGER.fullmatch(query.get(name, "")) for name in ("from", "to")):
            return _error(400, "Bad Request", "Invalid parameter value: from and to must be integers")
        check_id, start, end = request.path_values["id"], int(query["from"]), int(query["to"])
        if check_id not in {str(check.id) for check in self.checks}:
            return _error(403, "Forbidden", "Not your check")
        if int(check_id) in self.answers:
            fixed = self.answers[int(check_id)]
            return fixed if isinstance(fixed, Answer) else _good(fixed)
        first = -(-start // HOUR_SECONDS) * HOUR_SECONDS
        hours = range(first, min(end, first + MAX_HOURS * HOUR_SECONDS), HOUR_SECONDS)
        return _good({"summary": {"hours": [hour_of(int(check_id), hour) for hour in hours]}})


def _guarded(handler: Handler, is_let_in: Callable[[Request], str]) -> Handler:
    def guarded(request: Request) -> Answer:
        refusal = is_let_in(request)
        return _error(401, "Unauthorized", refusal) if refusal else handler(request)

    return guarded


def _good(value: object) -> Answer:
    return Answer.json(value, headers=LIMITS)


def _error(status: int, description: str, message: str, *, headers: dict[str, str] = LIMITS) -> Answer:
    content = {"statuscode": status, "statusdesc": description, "errormessage": message}
    return Answer.json({"error": content}, status=status, headers=headers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    options = build_parser("importer.simulators.pingdom", main.__doc__).parse_args(arguments)
    simulator = PingdomSimulator(host=options.host, port=options.port, keep_requests=0)
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
