"""A simulator of Splunk On-Call (once VictorOps): the incidents of one account, by both of its APIs.

The vendor's description of them: https://portal.victorops.com/public/api-docs.html, version 0.0.3 (checked 2026-11-28).

>>> import json
>>> from urllib.request import Request as UrlRequest, urlopen
>>> with VictorOpsSimulator([incident(1), incident(2, phase="triggered")]) as simulator:
...     with urlopen(UrlRequest(simulator.reporting_url, headers=HEADERS), timeout=10) as answer:
...         found = json.load(answer)
>>> found["total"], [each["currentPhase"] for each in found["incidents"]]
(1, ['resolved'])

As a process: the URL is the first line of its output.

    python -m importer.simulators.victorops --port 0 --once-a-minute
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.http_wire import Answer, Handler, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["API_ID", "API_KEY", "HEADERS", "VictorOpsSimulator", "incident", "main"]

API_ID = "id-example"
API_KEY = "5f3c=with==equals"
HEADERS = {"X-VO-Api-Id": API_ID, "X-VO-Api-Key": API_KEY}
REPORTING_PATH = "/api-reporting/v2/incidents"
PUBLIC_PATH = "/api-public/v1/incidents"
PHASES = ("resolved", "triggered", "acknowledged")
LIMIT_SECONDS = 60.0
DEFAULT_PAGE, MAX_PAGE = 20, 100

_EQUALS = {"entityId": "entityId", "host": "host", "service": "service", "routingKey": "routingKey"}
"""Parameters that pick incidents, and the keys that they look at."""
_PARAMETERS = {"offset", "limit", "startedAfter", "startedBefore", "currentPhase", "incidentNumber", *_EQUALS}
_BEGIN = datetime(2026, 1, 5, 10, tzinfo=UTC)


class BadArgument(ValueError):
    """A parameter makes no sense; the text goes to the client with 400."""


class VictorOpsSimulator(HttpSimulator):
    """One account.

    - `incidents` may be changed at any time, as the vendor has them, newest last.
    - `total`, if it is not None, is told in place of the number of the incidents that were found.
    - `is_once_a_minute` answers the reporting API only so often: 403 in between, as documented, or
      `limit_status`, with Retry-After if that is 429.
    - `api_key` may be changed to refuse the old one from now on.
    """

    def __init__(
        self,
        incidents: Sequence[Mapping[str, Any]] = (),
        *,
        total: int | None = None,
        is_once_a_minute: bool = False,
        limit_status: int = 403,
        clock: Callable[[], float] = time.monotonic,
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.incidents = list(incidents)
        self.total = total
        self.is_once_a_minute = is_once_a_minute
        self.limit_status = limit_status
        self.api_id = API_ID
        self.api_key = API_KEY
        self._clock = clock
        self._last_report: float | None = None
        self.route("GET", REPORTING_PATH, self._guarded(self._report))
        self.route("GET", PUBLIC_PATH, self._guarded(self._current))

    @property
    def reporting_url(self) -> str:
        """Where incidents are looked up. Known once started."""
        return f"{self.url}{REPORTING_PATH}"

    @property
    def public_url(self) -> str:
        """Where current incidents are told. Known once started."""
        return f"{self.url}{PUBLIC_PATH}"

    def _guarded(self, handler: Handler) -> Handler:
        """Return the handler behind what all calls have in common."""

        def guarded(request: Request) -> Answer:
            given = [request.headers.get(name.lower(), "") for name in HEADERS]
            if not all(given):
                return _message("Authentication parameters missing", 401)
            if given != [self.api_id, self.api_key]:
                return _message("Authentication failed", 403)
            try:
                return handler(request)
            except BadArgument as error:
                return _message(str(error), 400)

        return guarded

    def _report(self, request: Request) -> Answer:
        if self.is_once_a_minute:
            now = self._clock()
            if self._last_report is not None and now - self._last_report < LIMIT_SECONDS:
                return self._limited(self._last_report + LIMIT_SECONDS - now)
            self._last_report = now
        found = list(_matching(self.incidents, request.query))
        offset = _number(request.query, "offset", 0, range(10**9))
        limit = _number(request.query, "limit", DEFAULT_PAGE, range(1, MAX_PAGE + 1))
        total = len(found) if self.total is None else self.total
        page = found[offset : offset + limit]
        return Answer.json({"offset": offset, "limit": limit, "total": total, "incidents": page})

    def _current(self, request: Request) -> Answer:
        """Tell all incidents: the vendor leaves those out that were resolved long ago, which there are none of here."""
        return Answer.json({"incidents": self.incidents})

    def _limited(self, remaining_seconds: float) -> Answer:
        if self.limit_status != 429:
            return _message("Rate limit reached", self.limit_status)
        headers = {"Retry-After": str(int(remaining_seconds) + 1)}
        return Answer.json({"message": "Too many requests"}, status=429, headers=headers)


def incident(
    number: int,
    *,
    phase: str = "resolved",
    acknowledged_after: timedelta = timedelta(minutes=3),
    resolved_after: timedelta = timedelta(minutes=12),
    begin: datetime = _BEGIN,
    host: str = "web-1",
    routing_key: str = "default",
) -> dict[str, Any]:
    """Return an incident with the transitions that lead to its phase."""
    alert = f"a{number:03}"
    at = {"triggered": begin, "acknowledged": begin + acknowledged_after, "resolved": begin + resolved_after}
    passed = ["triggered", "acknowledged", "resolved"][: ["triggered", "acknowledged", "resolved"].index(phase) + 1]
    return {
        "incidentNumber": str(number),
        "startTime": _iso(begin),
        "currentPhase": phase,
        "alertCount": 1,
        "entityId": f"checkout/{number}",
        "entityType": "service",
        "entityState": "critical",
        "entityDisplayName": f"Checkout {number}",
        "lastAlertId": alert,
        "lastAlertTime": _iso(begin),
        "service": "checkout",
        "host": host,
        "routingKey": routing_key,
        "pagedTeams": ["team-1"],
        "pagedUsers": [],
        "pagedPolicies": [{"policy": {"name": "Primary", "slug": "pol-1"}, "team": {"name": "Web", "slug": "team-1"}}],
        "transitions": [{"name": name, "at": _iso(at[name]), "alertId": alert} for name in passed],
    }


def _matching(incidents: Iterable[Mapping[str, Any]], query: Mapping[str, str]) -> Iterable[Mapping[str, Any]]:
    """Return the incidents that a query picks; raises BadArgument."""
    unknown = query.keys() - _PARAMETERS
    if unknown:
        raise BadArgument(f"Unknown parameter: {min(unknown)}")
    phases = query.get("currentPhase", PHASES[0]).split(",")
    if not set(phases) <= set(PHASES):
        raise BadArgument("currentPhase must be of resolved, triggered, acknowledged")
    wanted = _numbers(query["incidentNumber"]) if "incidentNumber" in query else None
    after, before = _time(query, "startedAfter"), _time(query, "startedBefore")
    for each in incidents:
        start = datetime.fromisoformat(each["startTime"])
        if (
            each["currentPhase"] in phases
            and (wanted is None or any(int(each["incidentNumber"]) in part for part in wanted))
            and (after is None or start > after)
            and (before is None or start < before)
            and all(each[key] == query[name] for name, key in _EQUALS.items() if name in query)
        ):
            yield each


def _numbers(text: str) -> list[range]:
    """Return what `4,5,20:50` stands for."""
    parts = [part.partition(":") for part in text.split(",")]
    try:
        return [range(int(first), int(last if colon else first) + 1) for first, colon, last in parts]
    except ValueError as error:
        raise BadArgument("incidentNumber must be as 4,5,20:50") from error


def _number(query: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) not in allowed:
        raise BadArgument(f"{name} must be from {allowed.start} to {allowed.stop - 1}")
    return int(text)


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    try:
        time_ = datetime.fromisoformat(query[name]) if name in query else None
    except ValueError as error:
        raise BadArgument(f"{name} must be a time of ISO 8601") from error
    return time_ if time_ is None or time_.tzinfo else time_.replace(tzinfo=UTC)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _message(text: str, status: int) -> Answer:
    return Answer.json({"message": text}, status=status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.victorops", main.__doc__)
    parser.add_argument("--once-a-minute", action="store_true")
    options = parser.parse_args(arguments)
    simulator = VictorOpsSimulator(
        [incident(number) for number in range(1, 58)],
        is_once_a_minute=options.once_a_minute,
        host=options.host,
        port=options.port,
        keep_requests=0,
    )
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
