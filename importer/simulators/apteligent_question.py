"""What the simulated Apteligent API may be asked, and a question's parameters, read as strictly as it says."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from importer.simulators.apteligent_apps import App, group_members, group_shares
from importer.simulators.apteligent_figures import DAY_MINUTES
from importer.simulators.http_wire import Request

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
SERVICE_DURATIONS = (15, 60, 240, 480, 720, 1440, 2880)
"""Minutes that performanceManagement takes, as seen in public clients."""
MAX_GRAPH_MINUTES = 86_400
"""Sixty days: the longest that any public client asks of errorMonitoring."""


class BadParameters(ValueError):
    """What was asked does not make sense; the text goes to the client with 400."""


@dataclass(frozen=True, slots=True)
class Question:
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
        """How many whole days it is about."""
        return self.minutes // DAY_MINUTES

    def weight(self, app: App) -> float:
        """Return the share of the app's users that the filters leave."""
        shares = (group_shares(group_members(app, key)).get(name, 0.0) for key, name in self.filters.items())
        return math.prod(shares)


def read_question(
    request: Request, *, apps: Mapping[str, App], now: float, metrics: Sequence[str], groups: Sequence[str]
) -> Question:
    """Return what a JSON body asks of these apps. Raises BadParameters."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise BadParameters("Content-Type must be application/json")
    try:
        body = request.json()
    except ValueError as error:
        raise BadParameters("the body is not JSON") from error
    params = body.get("params") if isinstance(body, dict) else None
    if not isinstance(params, dict):
        raise BadParameters("params is missing or no object")
    if unknown := sorted(set(params) - {"graph", "duration", "appId", "appIds", "groupBy", "filters"}):
        raise BadParameters(f"unknown parameters: {', '.join(unknown)}")
    return Question(
        now,
        params,
        _choice(params, "graph", metrics),
        _minutes(params.get("duration")),
        _apps_asked(params, apps),
        _choice(params, "groupBy", groups) if "groupBy" in params else "",
        _filters(params.get("filters", {})),
    )


def _apps_asked(params: Mapping[str, object], apps: Mapping[str, App]) -> tuple[App, ...]:
    if ("appId" in params) == ("appIds" in params):
        raise BadParameters("either appId or appIds must be given")
    ids = params["appIds"] if "appIds" in params else [params["appId"]]
    if not isinstance(ids, list) or not ids:
        raise BadParameters("appIds must be a list of ids")
    if unknown := [app_id for app_id in ids if not (isinstance(app_id, str) and app_id in apps)]:
        raise BadParameters(f"unknown app: {unknown[0]}")
    return tuple(apps[app_id] for app_id in ids)


def _choice(params: Mapping[str, object], key: str, allowed: Sequence[str]) -> str:
    value = params.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise BadParameters(f"{key} must be one of {', '.join(allowed)}")
    return value


def _minutes(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise BadParameters("duration must be a number of minutes")
    return value


def _filters(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > 1:
        raise BadParameters("filters must be an object with one key")
    for key, name in value.items():
        if key not in FILTER_KEYS or not isinstance(name, str):
            raise BadParameters(f"filters takes one of {', '.join(FILTER_KEYS)} and a text")
    return value
