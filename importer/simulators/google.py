"""A simulator of Google Analytics: Core Reporting and Real Time v3, the Data API of GA4, and the token endpoint.

What is known of the vendor is said in `importer.sources.google`. Figures are what `reports` holds; nothing is summed,
filtered or sorted.

>>> import json
>>> from urllib.request import Request as UrlRequest, urlopen
>>> body = json.dumps({"metrics": [{"name": "activeUsers"}]}).encode()
>>> with GoogleSimulator(access_token="ya29.example") as simulator:
...     simulator.active_users = 57
...     url = simulator.url + "/v1beta/properties/123:runRealtimeReport"
...     with urlopen(UrlRequest(url, body, {"Authorization": "Bearer ya29.example"}), timeout=10) as answer:
...         rows = json.load(answer)["rows"]
>>> rows
[{'metricValues': [{'value': '57'}]}]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack
from urllib.parse import urlencode

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.google_tokens import TokenEndpoint
from importer.simulators.http_wire import Answer, Handler, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["GoogleSimulator", "main"]

V3_PATH = "/analytics/v3"
PAGE_ROWS = 1000
"""What v3 gives without max-results."""
MAX_LIMIT = 250_000
_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}

FigureRow = Mapping[str, str]
"""Name, without `ga:`, -> value; of dimensions and metrics, of v3 and of GA4, as the test asks for them."""


@dataclass(frozen=True, slots=True)
class _Page:
    rows: Sequence[FigureRow]
    total: int
    next_start: int
    """Where the next page begins, from 0; the total where there is none."""


class BadQuestion(ValueError):
    """What was asked does not make sense; the text goes to the client with 400."""


class GoogleSimulator(HttpSimulator):
    """Views and properties that all have the same figures.

    - `reports` are the rows by start date (`2015-06-01`); those of `""` are for every other date.
    - `page_rows` is the most that one answer has, whatever is asked for.
    - `known` are the ids of the views and properties that may be asked about.
    - `active_users` are those of realtime reports.
    - `tokens` may be told to refuse the present token.
    """

    def __init__(
        self,
        *,
        access_token: str = "",
        known: Sequence[str] = ("123",),
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.reports: dict[str, Sequence[FigureRow]] = {}
        self.page_rows = PAGE_ROWS
        self.known = known
        self.active_users = 0
        self.tokens = TokenEndpoint()
        self.tokens.accept(access_token)
        self.route("POST", "/token", self.tokens.answer)
        self.route("GET", f"{V3_PATH}/data/ga", self._guarded(self._core))
        self.route("GET", f"{V3_PATH}/data/realtime", self._guarded(self._realtime))
        self.route("POST", "/v1beta/properties/{call}", self._guarded(self._data_api))

    @property
    def v3_url(self) -> str:
        """What credentials have as `url` for v3. Known once started."""
        return f"{self.url}{V3_PATH}/"

    @property
    def token_uri(self) -> str:
        """What the files of a login have as `token_uri`. Known once started."""
        return f"{self.url}/token"

    def _guarded(self, handler: Handler) -> Handler:
        """Return the handler behind what all calls have in common."""

        def guarded(request: Request) -> Answer:
            refusal = self.tokens.refusal(request)
            if refusal is not None:
                return refusal
            try:
                return handler(request)
            except BadQuestion as error:
                return failure(400, "badRequest", str(error))

        return guarded

    def _core(self, request: Request) -> Answer:
        query = request.query
        if query.get("ids", "").removeprefix("ga:") not in self.known or not query.get("ids", "").startswith("ga:"):
            return failure(
                403, "insufficientPermissions", "User does not have sufficient permissions for this profile."
            )
        dimensions, metrics = (_v3_names(query.get(kind, "")) for kind in ("dimensions", "metrics"))
        if not metrics or not query.get("start-date") or not query.get("end-date"):
            raise BadQuestion("Required parameter: metrics, start-date, end-date")
        start = int(query.get("start-index", "1")) - 1
        wanted = int(query.get("max-results", PAGE_ROWS))
        page = self._page(query["start-date"], start, wanted)
        answer: dict[str, object] = {
            "kind": "analytics#gaData",
            "query": dict(query),
            "itemsPerPage": wanted,
            "totalResults": page.total,
        }
        if page.next_start < page.total:
            following = {**query, "start-index": str(page.next_start + 1), "max-results": str(wanted)}
            answer["nextLink"] = f"https://www.googleapis.com{V3_PATH}/data/ga?{urlencode(following)}"
        rows = [_values(row, (*dimensions, *metrics)) for row in page.rows]
        return Answer.json({**answer, "rows": rows} if rows else answer)

    def _realtime(self, request: Request) -> Answer:
        dimensions = _v3_names(request.query.get("dimensions", ""))
        (metric,) = _v3_names(request.query.get("metrics", ""))
        headers = [{"name": name, "columnType": "DIMENSION"} for name in dimensions]
        headers.append({"name": metric, "columnType": "METRIC"})
        rows = [[str(self.active_users)]] if self.active_users else []
        if dimensions:
            rows = [_values(row, (*dimensions, metric)) for row in self.reports.get("", ())]
        answer = {"kind": "analytics#realtimeData", "columnHeaders": headers, "totalResults": len(rows)}
        return Answer.json({**answer, "rows": rows} if rows else answer)

    def _data_api(self, request: Request) -> Answer:
        name, _, method = request.path_values["call"].partition(":")
        if name not in self.known:
            return failure(403, "", "User does not have sufficient permissions for this property.")
        body = request.json()
        if method == "runRealtimeReport":
            rows = [{"metricValues": [{"value": str(self.active_users)}]}] if self.active_users else []
            return Answer.json({"rows": rows, "rowCount": len(rows)} if rows else {})
        if method != "runReport" or not isinstance(body, dict):
            return failure(404, "", f"no such method: {method}")
        return self._report(body)

    def _report(self, body: Mapping[str, object]) -> Answer:
        dimensions, metrics = (_names(body.get(kind, [])) for kind in ("dimensions", "metrics"))
        match body:
            case {"dateRanges": [{"startDate": str(start)}], "limit": str(limit), "offset": str(offset)}:
                pass
            case _:
                raise BadQuestion("dateRanges, limit and offset are wanted")
        if not 0 < int(limit) <= MAX_LIMIT:
            raise BadQuestion(f"limit must be from 1 to {MAX_LIMIT}")
        page = self._page(start, int(offset), int(limit))
        answer: dict[str, object] = {"kind": "analyticsData#runReport"}
        if page.total:
            answer["rowCount"] = page.total
            answer["rows"] = [_data_api_row(row, dimensions, metrics) for row in page.rows]
        return Answer.json(answer)

    def _page(self, start_date: str, start: int, wanted: int) -> _Page:
        rows = self.reports.get(start_date, self.reports.get("", ()))
        end = min(start + min(wanted, self.page_rows), len(rows))
        return _Page(rows[start:end], len(rows), end)


def failure(status: int, reason: str, message: str) -> Answer:
    """Return an error as v3 (with a reason) or the Data API (without) puts it."""
    errors = [{"domain": "global", "reason": reason, "message": message}]
    error: dict[str, object] = {"code": status, "message": message}
    error |= {"errors": errors} if reason else {"status": _STATUSES.get(status, "UNKNOWN")}
    return Answer.json({"error": error}, status=status)


def _v3_names(text: str) -> tuple[str, ...]:
    names = text.split(",") if text else []
    for name in names:
        if not name.startswith(("ga:", "rt:")):
            raise BadQuestion(f"Unknown dimension or metric: {name}")
    return tuple(name[3:] for name in names)


def _names(given: object) -> tuple[str, ...]:
    fields = given if isinstance(given, list) else []
    return tuple(str(field["name"]) for field in fields if not field.get("invisible"))


def _values(row: FigureRow, names: Sequence[str]) -> list[str]:
    missing = [name for name in names if name not in row]
    if missing:
        raise BadQuestion(f"Field {missing[0]} is not a valid dimension or metric.")
    return [row[name] for name in names]


def _data_api_row(row: FigureRow, dimensions: Sequence[str], metrics: Sequence[str]) -> dict[str, object]:
    parts = {"dimensionValues": _values(row, dimensions), "metricValues": _values(row, metrics)}
    return {kind: [{"value": value} for value in values] for kind, values in parts.items() if values}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.google", main.__doc__)
    parser.add_argument("--token", default="ya29.example", help="the access token that is accepted at the start")
    options = parser.parse_args(arguments)
    simulator = GoogleSimulator(access_token=options.token, host=options.host, port=options.port, keep_requests=0)
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
