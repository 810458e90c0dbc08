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

import argparse
import base64
import math
import secrets
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from hashlib import blake2b
from typing import NamedTuple

from importer.simulators.base import Answer, Handler, HttpSimulator, Request, serve_until_signalled

CLIENT_ID = "3XAAexampleClientIdO3M6zV0hVlrdk"
USERNAME = "metrics@example.org"
PASSWORD = "change me"  # noqa: S105 - made up, for loopback

DAILY_METRICS = (
    "affectedUserPercent",
    "affectedUsers",
    "appLoads",
    "crashPercent",
    "crashes",
    "dau",
    "mau",
    "rating",
)
FILTER_KEYS = ("appVersion", "carrier", "device", "os")
GROUPS = ("appId", *FILTER_KEYS)
SERVICE_METRICS = ("dataIn", "dataOut", "latency", "volume", "errors")
APP_ATTRIBUTES = (
    "appName",
    "appType",
    "appVersions",
    "crashPercent",
    "dau",
    "latency",
    "latestAppStoreReleaseDate",
    "latestVersionString",
    "linkToAppStore",
    "iconURL",
    "mau",
    "rating",
    "role",
)
SERVICE_DURATIONS = (15, 60, 240, 480, 720, 1440, 2880)
"""Minutes that performanceManagement takes, as seen in public clients."""
MAX_GRAPH_MINUTES = 86_400
"""Sixty days: the longest that any public client asks of errorMonitoring."""

BUCKET_SECONDS = 10
BUCKETS = 30
_DAY_SECONDS = 86_400
_DAY_MINUTES = 1440
_FOUR_WORDS = struct.Struct(">4I").unpack
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_RATIOS = {"crashPercent": ("crashes", "appLoads"), "affectedUserPercent": ("affectedUsers", "dau")}
_STEP_SECONDS = 300
"""performanceManagement moves on every five minutes."""

# ---- The apps and their figures


@dataclass(frozen=True, slots=True)
class App:
    """One made-up app of the account."""

    app_id: str
    name: str
    offset_hours: float = 0.0
    """Its zone, as hours east of UTC; its days begin at midnight there."""
    country: str = ""
    """A section of carrier.map; empty if unknown."""
    versions: tuple[str, ...] = ("2.0", "1.9")
    """Newest and most used first."""
    carriers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """The web services that it calls."""
    daily_users: int = 20_000
    """About how many used it a day at the beginning of 2016; it grows by a fifth of that every year."""
    store_link: str | None = None
    """None for an app that is in no store and so has no rating."""
    app_type: str = "ios"


_DEMO = (
    App(
        "52d0aa0000000000000000a1",
        "Bike Shop",
        -8,
        "US",
        ("3.10.1 (88)", "3.2", "dot_2"),
        ("Verizon Wireless", "T-Mobile", "TMobile US", "AT&T", "ATT Mobility", "Sprint", "Wifi"),
        ("api.bikeshop.example", "cdn.bikeshop.example", "hotspot.hotel.example"),
        48_000,
        "https://store.example/bikeshop",
    ),
    App(
        "52d0aa0000000000000000b2",
        "Tweedehands (NL)",
        1,
        "NL",
        ("1.0", "0.9-rc/1"),
        ("KPN NL", "KPN", "vodafone NL", "T-Mobile NL", "Sunrise"),
        ("api.tweedehands.example", "fotos.tweedehands.example"),
        9_000,
        None,
        "android",
    ),
    App(
        "52d0aa0000000000000000c3",
        "Bazaar India",
        5.5,
        "",
        ("6.6.1 (3705)", "6.6.0", "???"),
        ("Airtel", "Jio 4G", "Vodafone IN", "BSNL Mobile"),
        ("api.bazaar.example", "pay.bazaar.example"),
        120_000,
        "https://store.example/bazaar",
        "android",
    ),
)


def demo_apps(count: int = 3) -> tuple[App, ...]:
    """Return that many apps, always the same: Bike Shop, Tweedehands (NL), Bazaar India, then numbered ones."""
    return _DEMO[:count] + tuple(
        replace(_DEMO[number % 3], app_id=f"52d0bb{number:018x}", name=f"Demo app {number}")
        for number in range(4, count + 1)
    )


class LiveBucket(NamedTuple):
    """Ten seconds of an app."""

    time: int
    """Its beginning, epoch seconds, a multiple of ten."""
    app_loads: int
    app_errors: int
    app_exceptions: int

    def as_json(self) -> dict[str, int]:
        """Return it as the vendor writes it: time in milliseconds."""
        return {
            "time": self.time * 1000,
            "app_loads": self.app_loads,
            "app_errors": self.app_errors,
            "app_exceptions": self.app_exceptions,
        }


class Slice(NamedTuple):
    """One piece of a pie."""

    name: str
    label: str
    """What people are to see; clients use this one."""
    value: float


def daily_value(app: App, metric: str, day: date) -> float | None:
    """Return the figure of a whole day in the app's zone; None for the rating of an app in no store.

    Raises KeyError for an unknown metric.
    """
    return _whole_day(app, day)[metric]


def running_value(app: App, metric: str, now: float) -> float | None:
    """Return the figure of the app's day that is running at `now` (epoch seconds), as far as it has come.

    Counts grow through the day and percentages follow them; mau and rating are those of the whole day. Raises
    KeyError for an unknown metric.
    """
    if metric in _RATIOS:
        return _ratio(*(running_value(app, name, now) for name in _RATIOS[metric]))
    day, fraction = _moment(app, now)
    whole = daily_value(app, metric, day)
    return whole if whole is None or metric in {"mau", "rating"} else round(whole * _share_of_day(fraction))


def live_bucket(app: App, epoch: float, *, version: str = "total") -> LiveBucket:
    """Return the ten seconds that `epoch` falls in, of one version or of all."""
    start = int(epoch // BUCKET_SECONDS * BUCKET_SECONDS)
    day, fraction = _moment(app, start)
    figures = _whole_day(app, day)
    weight = 1.0 if version == "total" else _weights(app.versions).get(version, 0.0)
    noise = _noises(app.app_id, version, start)
    average = (figures["appLoads"] or 0) * weight / (_DAY_SECONDS / BUCKET_SECONDS)
    crash_rate = (figures["crashPercent"] or 0) / 100
    # Plus noise, then cut off: whole numbers, now above and now below, that are right on average.
    loads = math.floor(average * _activity(fraction) * (0.85 + 0.3 * noise[0]) + noise[1])
    errors = math.floor(loads * crash_rate + noise[2])
    exceptions = math.floor(loads * crash_rate * 3 + noise[3])
    return LiveBucket(start, loads, errors, exceptions)


def slices(app: App, metric: str, group_by: str, now: float, *, days: int = 1, weight: float = 1.0) -> list[Slice]:
    """Return the app's running day, cut by appVersion, carrier, device or os; nothing where there is no figure.

    Counts of the slices add up to about `running_value`; percentages are each slice's own. With more days those
    before count too; `weight` is the share of users that a filter leaves.
    """
    pieces = []
    for name, share in _weights(_members(app, group_by)).items():
        figures = [_part(app, metric, now, share=share * weight, days_back=back) for back in range(days)]
        value = combined(metric, figures)
        if value is not None:
            pieces.append(Slice(*_label(group_by, name), value))
    return pieces


def version_slices(app: App, metric: str, now: float) -> list[Slice]:
    """Return the running day of the app by version."""
    return slices(app, metric, "appVersion", now)


def carrier_slices(app: App, metric: str, now: float) -> list[Slice]:
    """Return the running day of the app by carrier."""
    return slices(app, metric, "carrier", now)


def service_value(app: App, host: str, metric: str, end: float, *, minutes: int = 15) -> float:
    """Return the figure of one of the app's web services for the minutes before `end` (epoch seconds).

    `latency` in milliseconds, `dataIn` and `dataOut` in bytes, `volume` and `errors` in calls. Raises KeyError
    for an unknown metric.
    """
    day, fraction = _moment(app, end)
    loads = daily_value(app, "appLoads", day) or 0
    activity = _activity(fraction)
    volume = round(loads * activity * minutes / _DAY_MINUTES * (2 + 6 * _noise(app.app_id, host)))
    jitter = 0.9 + 0.2 * _noise(app.app_id, host, int(end))
    return {
        "volume": volume,
        "errors": round(volume * 0.02 * _noise(host, "errors") * jitter),
        "latency": (40 + 300 * _noise(host)) * jitter * (0.8 + 0.2 * activity),
        "dataIn": round(volume * (800 + 20_000 * _noise(host, "in")) * jitter),
        "dataOut": round(volume * (300 + 900 * _noise(host, "out")) * jitter),
    }[metric]


def combined(metric: str, figures: Iterable[float | None]) -> float | None:
    """Return the figure of several days, apps or services taken together: a sum, or an average of ratios."""
    known = [figure for figure in figures if figure is not None]
    if len(known) <= 1:
        return known[0] if known else None
    ratio = metric in {"crashPercent", "affectedUserPercent", "rating", "latency"}
    return sum(known) / len(known) if ratio else sum(known)


def local_midnight(app: App, now: float) -> datetime:
    """Return the naive time at which the app's running day began, in the app's zone."""
    return datetime.combine(_moment(app, now)[0], datetime.min.time())


def _moment(app: App, epoch: float) -> tuple[date, float]:
    """Return the app's calendar day, and how much of it is over, from 0 to 1."""
    days, seconds = divmod(epoch + app.offset_hours * 3600, _DAY_SECONDS)
    return date.fromordinal(_EPOCH_ORDINAL + int(days)), seconds / _DAY_SECONDS


@lru_cache(maxsize=65_536)
def _whole_day(app: App, day: date) -> Mapping[str, float | None]:
    years = (day - date(2016, 1, 1)).days / 365.25
    size = app.daily_users * max(0.1, 1 + 0.2 * years)
    weekend = 1.15 if day.weekday() >= 5 else 1.0
    users = round(size * weekend * (0.95 + 0.1 * _noise(app.app_id, "dau", day)))
    loads = round(users * (2.2 + 0.4 * _noise(app.app_id, "appLoads", day)))
    crashes = round(loads * (0.002 + 0.004 * _noise(app.app_id, "crashes", day)))
    affected = round(crashes * (0.6 + 0.2 * _noise(app.app_id, "affectedUsers", day)))
    return {
        "dau": users,
        "mau": round(size * (6.4 + 0.1 * _noise(app.app_id, "mau", day))),
        "appLoads": loads,
        "crashes": crashes,
        "crashPercent": _ratio(crashes, loads),
        "affectedUsers": affected,
        "affectedUserPercent": _ratio(affected, users),
        "rating": None if app.store_link is None else round(3.8 + 0.8 * _noise(app.app_id, "rating", day.month), 2),
    }


def _part(app: App, metric: str, now: float, *, share: float, days_back: int = 0) -> float | None:
    """Return what a share of the users makes of a metric, of the running day or one before."""
    if metric in _RATIOS:
        return _ratio(*(_part(app, name, now, share=share, days_back=days_back) for name in _RATIOS[metric]))
    if days_back:
        value = daily_value(app, metric, _moment(app, now)[0] - timedelta(days=days_back))
    else:
        value = running_value(app, metric, now)
    return value if value is None or metric == "rating" else round(value * share)


def _ratio(part: float | None, whole: float | None) -> float:
    return 100 * part / whole if part and whole else 0.0


def _activity(fraction_of_day: float) -> float:
    """Return how busy people are: 0.3 at four in the morning, 1.7 at four in the afternoon, 1 on average."""
    return 1 - 0.7 * math.cos(2 * math.pi * (fraction_of_day - 4 / 24))


def _share_of_day(fraction_of_day: float) -> float:
    """Return how much of the day's activity is over: the integral of `_activity`."""
    angle = 2 * math.pi * (fraction_of_day - 4 / 24)
    return fraction_of_day - 0.7 / (2 * math.pi) * (math.sin(angle) + math.sin(2 * math.pi * 4 / 24))


def _noises(*what: object) -> tuple[float, float, float, float]:
    """Return four numbers from 0 to 1 that depend on nothing but the arguments."""
    first, second, third, fourth = _FOUR_WORDS(blake2b("|".join(map(str, what)).encode(), digest_size=16).digest())
    return first / 2**32, second / 2**32, third / 2**32, fourth / 2**32


def _noise(*what: object) -> float:
    return _noises(*what)[0]


@lru_cache(maxsize=4096)
def _weights(names: tuple[str, ...]) -> Mapping[str, float]:
    """Return each name's share; every one has about half of that before it."""
    raw = {name: (0.4 + 0.2 * _noise(name)) ** rank for rank, name in enumerate(names)}
    return {name: weight / sum(raw.values()) for name, weight in raw.items()}


def _members(app: App, group_by: str) -> tuple[str, ...]:
    if group_by in {"appVersion", "carrier", "service"}:
        return {"appVersion": app.versions, "carrier": app.carriers, "service": app.hosts}[group_by]
    if group_by == "device":
        return ("iPhone8,1", "iPhone6,2", "iPad4,1") if app.app_type == "ios" else ("SM-G900F", "Nexus 5")
    return ("9.3", "8.4.1", "6.1.3") if app.app_type == "ios" else ("6.0.1", "5.1", "4.4.2")


def _label(group_by: str, name: str) -> tuple[str, str]:
    # Only for operating systems have the vendor's name and label been seen to differ.
    return (f"ios{name}", f"iOS {name}") if group_by == "os" else (name, name)


# ---- The API


class _BadParameters(ValueError):
    """What was asked does not make sense; the text goes to the client with 400."""


@dataclass(frozen=True, slots=True)
class _Question:
    """The `params` of an errorMonitoring or performanceManagement call, looked at."""

    now: float
    """When it was asked."""
    params: Mapping[str, object]
    """As they came, to be echoed."""
    graph: str
    minutes: int
    apps: tuple[App, ...]
    group_by: str
    filters: Mapping[str, str]

    @property
    def days(self) -> int:
        return self.minutes // _DAY_MINUTES

    def weight(self, app: App) -> float:
        """Return the share of the app's users that the filters leave."""
        shares = (_weights(_members(app, key)).get(name, 0.0) for key, name in self.filters.items())
        return math.prod(shares)


class ApteligentSimulator(HttpSimulator):
    """The vendor's API v1.0 for made-up apps.

    - `answers` serves something fixed in place of figures, after token and parameters were found good: a JSON value
      or an `Answer`, by (route, app id, metric), each of the last two or both None for any. Routes: `apps`,
      `errorMonitoring/graph`, `errorMonitoring/pie`, `errorMonitoring/sparklines`, `performanceManagement/pie`,
      `liveStats/periodic`, `liveStats/totals`. The metric may be followed by `/` and the grouping (`crashes/carrier`);
      that of the live routes is the app version.
    - `username`, `password` and `client_id` may be changed to refuse a login from now on.
    - `rate_limit` calls are allowed in each window (None: any number, and the headers name a million).
    """

    def __init__(
        self,
        apps: Iterable[App] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        token_lifetime_seconds: int = 86_400,
        make_token: Callable[[], str] = secrets.token_hex,
        rate_limit: int | None = None,
        rate_window_seconds: int = 3600,
        host: str = "127.0.0.1",
        port: int = 0,
        latency_seconds: float = 0.0,
        keep_requests: int | None = None,
    ) -> None:
        super().__init__(host=host, port=port, latency_seconds=latency_seconds, keep_requests=keep_requests)
        self.apps = {app.app_id: app for app in (demo_apps() if apps is None else apps)}
        self.answers: dict[tuple[str, str | None, str | None], object] = {}
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
        self._add_routes()

    def _add_routes(self) -> None:
        self.route("GET", "/allyourbase", _all_your_base)
        self.route("GET", "/v1.0", _links)
        self.route("POST", "/v1.0/token", self._login)
        self.route("GET", "/v1.0/apps", self._guarded(self._apps))
        for kind in ("graph", "pie", "sparklines"):
            self.route("POST", f"/v1.0/errorMonitoring/{kind}", self._guarded(self._error_monitoring))
        self.route("POST", "/v1.0/performanceManagement/pie", self._guarded(self._performance))
        self.route("POST", "/v1.0/liveStats/periodic/{app_id}", self._guarded(self._live_periodic))
        self.route("POST", "/v1.0/liveStats/totals/{app_id}", self._guarded(self._live_totals))

    # Tokens and limits

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

    def _guarded(self, handler: Handler) -> Handler:
        """Return the handler behind the checks that every call but the login has in common."""

        def guarded(request: Request) -> Answer:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme != "Bearer" or self._token_ends.get(token, -math.inf) <= self._clock():
                return _refused("invalid_token", "The access token is missing, unknown or expired.")
            if not self._count_call():
                return rate_limited(self._rate_count, self.rate_limit or 0, self._rate_reset())
            try:
                answer = handler(request)
            except _BadParameters as error:
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

    # Answers

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
            raise _BadParameters(f"unknown attributes: {', '.join(unknown)}")
        now = self._clock()
        return self._answer(
            lambda: {app.app_id: _attributes(app, now, asked) for app in self.apps.values()}, "apps", None
        )

    def _error_monitoring(self, request: Request) -> Answer:
        kind = request.path.rpartition("/")[2]
        question = self._question(request, DAILY_METRICS, GROUPS)
        if question.minutes % _DAY_MINUTES or question.minutes > MAX_GRAPH_MINUTES:
            raise _BadParameters(f"duration must be whole days, in minutes, up to {MAX_GRAPH_MINUTES}")
        if bool(question.group_by) == (kind == "graph"):
            raise _BadParameters("graph takes no groupBy" if kind == "graph" else "groupBy is missing")
        make = {"graph": _series, "pie": _pie, "sparklines": _sparklines}[kind]
        return self._data(f"errorMonitoring/{kind}", question, make)

    def _performance(self, request: Request) -> Answer:
        question = self._question(request, SERVICE_METRICS, (*GROUPS, "service"))
        if question.minutes not in SERVICE_DURATIONS:
            raise _BadParameters(f"duration must be one of {', '.join(map(str, SERVICE_DURATIONS))}")
        if not question.group_by:
            raise _BadParameters("groupBy is missing")
        return self._data("performanceManagement/pie", question, _service_pie)

    def _data(self, route: str, question: _Question, make: Callable[[_Question], object]) -> Answer:
        app_id = question.apps[0].app_id if len(question.apps) == 1 else None
        metrics = (f"{question.graph}/{question.group_by}", question.graph)
        return self._answer(lambda: {"params": question.params, "data": make(question)}, route, app_id, *metrics)

    def _live_periodic(self, request: Request) -> Answer:
        version = request.query.get("app_version", "total")
        count = BUCKETS if request.query.get("initialize") == "1" else 1
        app_id = request.path_values["app_id"]
        return self._answer(lambda: self._buckets(app_id, version, count), "liveStats/periodic", app_id, version)

    def _buckets(self, app_id: str, version: str, count: int) -> dict[str, object]:
        app = self.apps.get(app_id)
        if app is None:
            return {"success": 0}
        known = version == "total" or version in app.versions
        end = int(self._clock() // BUCKET_SECONDS * BUCKET_SECONDS)  # only buckets that are over
        starts = range(end - count * BUCKET_SECONDS, end, BUCKET_SECONDS) if known else ()
        return {
            "success": 1,
            "periodic_data": [live_bucket(app, start, version=version).as_json() for start in starts],
        }

    def _live_totals(self, request: Request) -> Answer:
        version = request.query.get("app_version", "total")
        app_id = request.path_values["app_id"]
        return self._answer(lambda: self._totals(app_id, version), "liveStats/totals", app_id, version)

    def _totals(self, app_id: str, version: str) -> dict[str, object]:
        app = self.apps.get(app_id)
        if app is None:
            return {"success": 0}
        weight = 1.0 if version == "total" else _weights(app.versions).get(version, 0.0)
        now = self._clock()
        loads, crashes = (_part(app, name, now, share=weight) or 0 for name in ("appLoads", "crashes"))
        return {
            "success": 1,
            "total_app_loads": loads,
            "total_errors": crashes,
            "total_exceptions": crashes * 3,
        }

    def _question(self, request: Request, metrics: Sequence[str], groups: Sequence[str]) -> _Question:
        """Return what a JSON body asks. Raises _BadParameters."""
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise _BadParameters("Content-Type must be application/json")
        try:
            body = request.json()
        except ValueError as error:
            raise _BadParameters("the body is not JSON") from error
        params = body.get("params") if isinstance(body, dict) else None
        if not isinstance(params, dict):
            raise _BadParameters("params is missing or no object")
        if unknown := sorted(set(params) - {"graph", "duration", "appId", "appIds", "groupBy", "filters"}):
            raise _BadParameters(f"unknown parameters: {', '.join(unknown)}")
        return _Question(
            self._clock(),
            params,
            _choice(params, "graph", metrics),
            _minutes(params.get("duration")),
            self._apps_asked(params),
            _choice(params, "groupBy", groups) if "groupBy" in params else "",
            _filters(params.get("filters", {})),
        )

    def _apps_asked(self, params: Mapping[str, object]) -> tuple[App, ...]:
        if ("appId" in params) == ("appIds" in params):
            raise _BadParameters("either appId or appIds must be given")
        ids = params["appIds"] if "appIds" in params else [params["appId"]]
        if not isinstance(ids, list) or not ids:
            raise _BadParameters("appIds must be a list of ids")
        if unknown := [app_id for app_id in ids if not (isinstance(app_id, str) and app_id in self.apps)]:
            raise _BadParameters(f"unknown app: {unknown[0]}")
        return tuple(self.apps[app_id] for app_id in ids)


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


def _all_your_base(_request: Request) -> Answer:
    return Answer.json({"versions": {"v1": {"latest": "v1.0"}}, "links": {"v1.0": {"href": "/v1.0"}}})


def _links(_request: Request) -> Answer:
    names = ("apps", "errorMonitoring", "performanceManagement", "liveStats", "token")
    return Answer.json({"links": {name: {"href": f"/v1.0/{name}"} for name in names}})


def _attributes(app: App, now: float, asked: Iterable[str]) -> dict[str, object]:
    """Return what was asked of an app, and its links, which always come along."""
    described: dict[str, object] = {
        "appName": app.name,
        "appType": app.app_type,
        # Clients have been given this pseudo-version along with the real ones.
        "appVersions": [*app.versions, "total"] if app.versions else [],
        "latestAppStoreReleaseDate": "2016-04-18T00:00:00" if app.store_link else None,
        "latestVersionString": app.versions[0] if app.versions else None,
        "linkToAppStore": app.store_link,
        "iconURL": f"https://icons.example/{app.app_id}.png" if app.store_link else None,
        "role": "MANAGER",
    }
    attributes = {name: described[name] if name in described else _figure(app, name, now) for name in asked}
    return {**attributes, "links": {"crashSummaries": {"href": f"/v1.0/app/{app.app_id}/crash/summaries"}}}


def _figure(app: App, name: str, now: float) -> float | None:
    if name != "latency":
        return running_value(app, name, now)
    end = now // _STEP_SECONDS * _STEP_SECONDS
    return combined("latency", [service_value(app, host, "latency", end) for host in app.hosts])


def _choice(params: Mapping[str, object], key: str, allowed: Sequence[str]) -> str:
    value = params.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise _BadParameters(f"{key} must be one of {', '.join(allowed)}")
    return value


def _minutes(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise _BadParameters("duration must be a number of minutes")
    return value


def _filters(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > 1:
        raise _BadParameters("filters must be an object with one key")
    for key, name in value.items():
        if key not in FILTER_KEYS or not isinstance(name, str):
            raise _BadParameters(f"filters takes one of {', '.join(FILTER_KEYS)} and a text")
    return value


def _span(question: _Question) -> dict[str, object]:
    # Several apps may live in several zones; what the vendor says then is not known: the first app's here.
    end = local_midnight(question.apps[0], question.now) + timedelta(days=1)
    start = end - timedelta(days=question.days)
    return {"start": start.isoformat(), "end": end.isoformat(), "interval": _DAY_SECONDS}


def _points(question: _Question, share: Callable[[App], float]) -> list[float | None]:
    """Return the figure of each day, oldest first, for the share of each app's users."""
    return [
        combined(
            question.graph,
            [_part(app, question.graph, question.now, share=share(app), days_back=back) for app in question.apps],
        )
        for back in reversed(range(question.days))
    ]


def _series(question: _Question) -> dict[str, object]:
    points = _points(question, question.weight)
    return {**_span(question), "series": [{"name": question.graph, "points": points}]}


def _sparklines(question: _Question) -> dict[str, object]:
    # No answer to this call was ever seen: a series for each slice is our guess.
    series = []
    for name in _group_names(question):
        points = _points(question, partial(_share_of_group, question, name))
        internal, label = _label(question.group_by, name)
        series.append({"name": internal, "label": label, "points": points})
    return {**_span(question), "series": series}


def _pie(question: _Question) -> dict[str, object]:
    cut = _whole_app if question.group_by == "appId" else _cut_app
    pieces = [piece for app in question.apps for piece in cut(app, question)]
    return {**_span(question), "slices": _merged(question.graph, pieces)}


def _service_pie(question: _Question) -> dict[str, object]:
    end = question.now // _STEP_SECONDS * _STEP_SECONDS
    pieces = [piece for app in question.apps for piece in _service_slices(app, question, end)]
    return {
        "start": _naive_utc(end - question.minutes * 60),
        "end": _naive_utc(end),
        "interval": _STEP_SECONDS,
        "slices": _merged(question.graph, pieces),
    }


def _whole_app(app: App, question: _Question) -> list[Slice]:
    weight = question.weight(app)
    days = range(question.days)
    figures = [_part(app, question.graph, question.now, share=weight, days_back=back) for back in days]
    value = combined(question.graph, figures)
    return [] if value is None else [Slice(app.app_id, app.name, value)]


def _cut_app(app: App, question: _Question) -> list[Slice]:
    return slices(app, question.graph, question.group_by, question.now, days=question.days, weight=question.weight(app))


def _group_names(question: _Question) -> list[str]:
    if question.group_by == "appId":
        return [app.app_id for app in question.apps]
    return list(dict.fromkeys(name for app in question.apps for name in _members(app, question.group_by)))


def _share_of_group(question: _Question, name: str, app: App) -> float:
    """Return the share of the app's users that are in the named group and pass the filters."""
    if question.group_by == "appId":
        return question.weight(app) if app.app_id == name else 0.0
    return _weights(_members(app, question.group_by)).get(name, 0.0) * question.weight(app)


def _service_slices(app: App, question: _Question, end: float) -> list[Slice]:
    values = {host: service_value(app, host, question.graph, end, minutes=question.minutes) for host in app.hosts}
    if question.group_by == "service":
        return [
            Slice(host, host, _scaled(question.graph, value, question.weight(app))) for host, value in values.items()
        ]
    whole = combined(question.graph, values.values())
    if whole is None:
        return []
    if question.group_by == "appId":
        return [Slice(app.app_id, app.name, _scaled(question.graph, whole, question.weight(app)))]
    shares = _weights(_members(app, question.group_by)).items()
    return [
        Slice(*_label(question.group_by, name), _scaled(question.graph, whole, share * question.weight(app)))
        for name, share in shares
    ]


def _scaled(metric: str, value: float, share: float) -> float:
    return value if metric == "latency" or share == 1 else round(value * share)


def _merged(metric: str, pieces: Iterable[Slice]) -> list[dict[str, object]]:
    """Return slices as JSON; those of several apps with one name become one."""
    values: dict[tuple[str, str], list[float]] = {}
    for name, label, value in pieces:
        values.setdefault((name, label), []).append(value)
    return [
        {"name": name, "label": label, "value": combined(metric, figures)} for (name, label), figures in values.items()
    ]


def _naive_utc(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None).isoformat()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = argparse.ArgumentParser(prog="importer.simulators.apteligent", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
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
