"""The simulated Apteligent API's answers as values for JSON: figures in the vendor's shapes."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from importer.simulators.apteligent_apps import App, group_label, group_members, group_shares
from importer.simulators.apteligent_figures import (
    BUCKET_SECONDS,
    DAY_SECONDS,
    Slice,
    combined,
    live_bucket,
    local_midnight,
    part_value,
    running_value,
    service_value,
    slices,
)
from importer.simulators.apteligent_question import Question

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
_STEP_SECONDS = 300
"""performanceManagement moves on every five minutes."""


def describe_app(app: App, asked: Iterable[str], *, now: float) -> dict[str, object]:
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


def live_buckets(app: App | None, version: str, *, count: int, now: float) -> dict[str, object]:
    """Return the last so many buckets that are over; `success` 0 for an app that is not known."""
    if app is None:
        return {"success": 0}
    known = version == "total" or version in app.versions
    end = int(now // BUCKET_SECONDS * BUCKET_SECONDS)
    starts = range(end - count * BUCKET_SECONDS, end, BUCKET_SECONDS) if known else ()
    return {
        "success": 1,
        "periodic_data": [live_bucket(app, start, version=version).as_json() for start in starts],
    }


def live_totals(app: App | None, version: str, *, now: float) -> dict[str, object]:
    """Return the running day of one version or of all; `success` 0 for an app that is not known."""
    if app is None:
        return {"success": 0}
    weight = 1.0 if version == "total" else group_shares(app.versions).get(version, 0.0)
    loads, crashes = (part_value(app, name, now, share=weight) or 0 for name in ("appLoads", "crashes"))
    return {
        "success": 1,
        "total_app_loads": loads,
        "total_errors": crashes,
        "total_exceptions": crashes * 3,
    }


def _span(question: Question) -> dict[str, object]:
    # Several apps may live in several zones; what the vendor says then is not known: the first app's here.
    end = local_midnight(question.apps[0], question.now) + timedelta(days=1)
    start = end - timedelta(days=question.days)
    return {"start": start.isoformat(), "end": end.isoformat(), "interval": DAY_SECONDS}


def _points(question: Question, share: Callable[[App], float]) -> list[float | None]:
    """Return the figure of each day, oldest first, for the share of each app's users."""
    return [
        combined(
            question.graph,
            [part_value(app, question.graph, question.now, share=share(app), days_back=back) for app in question.apps],
        )
        for back in reversed(range(question.days))
    ]


def daily_series(question: Question) -> dict[str, object]:
    """Return the figure of each day, oldest first, as one series."""
    points = _points(question, question.weight)
    return {**_span(question), "series": [{"name": question.graph, "points": points}]}


def daily_sparklines(question: Question) -> dict[str, object]:
    """Return a series of days for each of the question's groups."""
    # No answer to this call was ever seen: a series for each slice is our guess.
    series = []
    for name in _group_names(question):
        points = _points(question, partial(_share_of_group, question, name))
        internal, label = group_label(question.group_by, name)
        series.append({"name": internal, "label": label, "points": points})
    return {**_span(question), "series": series}


def daily_pie(question: Question) -> dict[str, object]:
    """Return the days taken together, cut by the question's groups."""
    cut = _whole_app if question.group_by == "appId" else _cut_app
    pieces = [piece for app in question.apps for piece in cut(app, question)]
    return {**_span(question), "slices": _merged(question.graph, pieces)}


def service_pie(question: Question) -> dict[str, object]:
    """Return the figures of web services for the minutes before the last step."""
    end = question.now // _STEP_SECONDS * _STEP_SECONDS
    pieces = [piece for app in question.apps for piece in _service_slices(app, question, end)]
    return {
        "start": _naive_utc(end - question.minutes * 60),
        "end": _naive_utc(end),
        "interval": _STEP_SECONDS,
        "slices": _merged(question.graph, pieces),
    }


def _whole_app(app: App, question: Question) -> list[Slice]:
    weight = question.weight(app)
    days = range(question.days)
    figures = [part_value(app, question.graph, question.now, share=weight, days_back=back) for back in days]
    value = combined(question.graph, figures)
    return [] if value is None else [Slice(app.app_id, app.name, value)]


def _cut_app(app: App, question: Question) -> list[Slice]:
    return slices(app, question.graph, question.group_by, question.now, days=question.days, weight=question.weight(app))


def _group_names(question: Question) -> list[str]:
    if question.group_by == "appId":
        return [app.app_id for app in question.apps]
    return list(dict.fromkeys(name for app in question.apps for name in group_members(app, question.group_by)))


def _share_of_group(question: Question, name: str, app: App) -> float:
    """Return the share of the app's users that are in the named group and pass the filters."""
    if question.group_by == "appId":
        return question.weight(app) if app.app_id == name else 0.0
    return group_shares(group_members(app, question.group_by)).get(name, 0.0) * question.weight(app)


def _service_slices(app: App, question: Question, end: float) -> list[Slice]:
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
    shares = group_shares(group_members(app, question.group_by)).items()
    return [
        Slice(*group_label(question.group_by, name), _scaled(question.graph, whole, share * question.weight(app)))
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
