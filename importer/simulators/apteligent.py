"""A simulator of the Apteligent REST API v1.0: made-up apps with plausible figures for any moment.

Every figure follows from the app, the metric and the time alone, so whoever knows these can work out what the
simulator answers: ask `daily_value`, `running_value`, `live_bucket`, `slices` and `service_value`. A bucket or a
finished day has the same figures however often and from whichever process it is asked.

>>> import json
>>> from urllib.request import Request as UrlRequest, urlopen
>>> noon = 1462276800.0  # 2016-05-03 12:00 UTC
>>> with ApteligentSimulator(clock=lambda: noon) as simulator:
...     url = simulator.url + "/v1.0/liveStats/periodic/52d0aa0000000000000000a1?app_version=total"
...     headers = {"Authorization": "Bearer " + simulator.issue_token()}
...     with urlopen(UrlRequest(url, method="POST", headers=headers), timeout=10) as answer:
...         last = json.load(answer)["periodic_data"][-1]
>>> last["time"]
1462276790000
>>> last == live_bucket(simulator.apps["52d0aa0000000000000000a1"], 1462276790).as_json()
True

As a process, for benchmarks and for tests that kill things: the URL is the first line of its output.

    python -m importer.simulators.apteligent --port 0 --apps 2000 --latency 0.05
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Unpack

from importer.simulators.apteligent_access import (
    CLIENT_ID,
    PASSWORD,
    USERNAME,
    AccountOptions,
    AccountSimulator,
    rate_limited,
)
from importer.simulators.apteligent_answers import (
    APP_ATTRIBUTES,
    daily_pie,
    daily_series,
    daily_sparklines,
    describe_app,
    live_buckets,
    live_totals,
    service_pie,
)
from importer.simulators.apteligent_apps import App, demo_apps
from importer.simulators.apteligent_figures import (
    BUCKET_SECONDS,
    DAY_MINUTES,
    LiveBucket,
    Slice,
    carrier_slices,
    combined,
    daily_value,
    live_bucket,
    local_midnight,
    running_value,
    service_value,
    slices,
    version_slices,
)
from importer.simulators.apteligent_question import (
    DAILY_METRICS,
    FILTER_KEYS,
    GROUPS,
    MAX_GRAPH_MINUTES,
    SERVICE_DURATIONS,
    SERVICE_METRICS,
    BadParameters,
    Question,
    read_question,
)
from importer.simulators.http_wire import Answer, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = [
    "APP_ATTRIBUTES",
    "BUCKETS",
    "BUCKET_SECONDS",
    "CLIENT_ID",
    "DAILY_METRICS",
    "FILTER_KEYS",
    "GROUPS",
    "MAX_GRAPH_MINUTES",
    "PASSWORD",
    "SERVICE_DURATIONS",
    "SERVICE_METRICS",
    "USERNAME",
    "App",
    "ApteligentSimulator",
    "LiveBucket",
    "Slice",
    "carrier_slices",
    "combined",
    "daily_value",
    "demo_apps",
    "live_bucket",
    "local_midnight",
    "main",
    "rate_limited",
    "running_value",
    "service_value",
    "slices",
    "version_slices",
]

BUCKETS = 30
"""How many the first live question gives."""


class ApteligentSimulator(AccountSimulator):
    """The vendor's API v1.0 for made-up apps.

    `answers` serves something fixed in place of figures, after token and parameters were found good: a JSON value
    or an `Answer`, by (route, app id, metric), each of the last two or both None for any. Routes: `apps`,
    `errorMonitoring/graph`, `errorMonitoring/pie`, `errorMonitoring/sparklines`, `performanceManagement/pie`,
    `liveStats/periodic`, `liveStats/totals`. The metric may be followed by `/` and the grouping (`crashes/carrier`);
    that of the live routes is the app version. Logins, tokens and limits are those of `AccountSimulator`.
    """

    def __init__(self, apps: Iterable[App] | None = None, **options: Unpack[AccountOptions]) -> None:
        super().__init__(**options)
        self.apps = {app.app_id: app for app in (demo_apps() if apps is None else apps)}
        self.answers: dict[tuple[str, str | None, str | None], object] = {}
        self._add_routes()

    def _add_routes(self) -> None:
        self.route("GET", "/allyourbase", _all_your_base)
        self.route("GET", "/v1.0", _links)
        self.route("GET", "/v1.0/apps", self.guarded(self._apps))
        for kind in ("graph", "pie", "sparklines"):
            self.route("POST", f"/v1.0/errorMonitoring/{kind}", self.guarded(self._error_monitoring))
        self.route("POST", "/v1.0/performanceManagement/pie", self.guarded(self._performance))
        self.route("POST", "/v1.0/liveStats/periodic/{app_id}", self.guarded(self._live_periodic))
        self.route("POST", "/v1.0/liveStats/totals/{app_id}", self.guarded(self._live_totals))

    def _answer(self, default: Callable[[], object], route: str, app_id: str | None, *metrics: str) -> Answer:
        """Return what `answers` has for the first of these that it knows, else the default as JSON."""
        for app in (app_id, None):
            for metric in (*metrics, None):
                if (route, app, metric) in self.answers:
                    fixed = self.answers[route, app, metric]
                    return fixed if isinstance(fixed, Answer) else Answer.json(fixed)
        return Answer.json(default())

    def _apps(self, request: Request) -> Answer:
        asked = request.query.get("attributes", ",".join(APP_ATTRIBUTES)).split(",")
        if unknown := sorted(set(asked) - set(APP_ATTRIBUTES)):
            raise BadParameters(f"unknown attributes: {', '.join(unknown)}")
        now = self._clock()
        return self._answer(
            lambda: {app.app_id: describe_app(app, asked, now=now) for app in self.apps.values()}, "apps", None
        )

    def _error_monitoring(self, request: Request) -> Answer:
        kind = request.path.rpartition("/")[2]
        question = self._question(request, DAILY_METRICS, GROUPS)
        if question.minutes % DAY_MINUTES or question.minutes > MAX_GRAPH_MINUTES:
            raise BadParameters(f"duration must be whole days, in minutes, up to {MAX_GRAPH_MINUTES}")
        if bool(question.group_by) == (kind == "graph"):
            raise BadParameters("graph takes no groupBy" if kind == "graph" else "groupBy is missing")
        make = {"graph": daily_series, "pie": daily_pie, "sparklines": daily_sparklines}[kind]
        return self._data(f"errorMonitoring/{kind}", question, make)

    def _performance(self, request: Request) -> Answer:
        question = self._question(request, SERVICE_METRICS, (*GROUPS, "service"))
        if question.minutes not in SERVICE_DURATIONS:
            raise BadParameters(f"duration must be one of {', '.join(map(str, SERVICE_DURATIONS))}")
        if not question.group_by:
            raise BadParameters("groupBy is missing")
        return self._data("performanceManagement/pie", question, service_pie)

    def _data(self, route: str, question: Question, make: Callable[[Question], object]) -> Answer:
        app_id = question.apps[0].app_id if len(question.apps) == 1 else None
        metrics = (f"{question.graph}/{question.group_by}", question.graph)
        return self._answer(lambda: {"params": question.params, "data": make(question)}, route, app_id, *metrics)

    def _live_periodic(self, request: Request) -> Answer:
        version = request.query.get("app_version", "total")
        count = BUCKETS if request.query.get("initialize") == "1" else 1
        app_id = request.path_values["app_id"]
        return self._answer(
            lambda: live_buckets(self.apps.get(app_id), version, count=count, now=self._clock()),
            "liveStats/periodic",
            app_id,
            version,
        )

    def _live_totals(self, request: Request) -> Answer:
        version = request.query.get("app_version", "total")
        app_id = request.path_values["app_id"]
        return self._answer(
            lambda: live_totals(self.apps.get(app_id), version, now=self._clock()), "liveStats/totals", app_id, version
        )

    def _question(self, request: Request, metrics: Sequence[str], groups: Sequence[str]) -> Question:
        return read_question(request, apps=self.apps, now=self._clock(), metrics=metrics, groups=groups)


def _all_your_base(_request: Request) -> Answer:
    return Answer.json({"versions": {"v1": {"latest": "v1.0"}}, "links": {"v1.0": {"href": "/v1.0"}}})


def _links(_request: Request) -> Answer:
    names = ("apps", "errorMonitoring", "performanceManagement", "liveStats", "token")
    return Answer.json({"links": {name: {"href": f"/v1.0/{name}"} for name in names}})


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.apteligent", main.__doc__)
    parser.add_argument("--apps", type=int, default=3, metavar="COUNT")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    simulator = ApteligentSimulator(
        demo_apps(options.apps),
        host=options.host,
        port=options.port,
        latency_seconds=options.latency,
        keep_requests=0,
    )
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
