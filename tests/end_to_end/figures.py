"""What the four commands ought to store, worked out from the simulator's public figures and from nothing of ours.

Only the cleaning of path elements is the product's own; it has tests of its own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from importer.simulators.apteligent import (
    BUCKET_SECONDS,
    BUCKETS,
    App,
    daily_value,
    demo_apps,
    live_bucket,
    service_value,
    slices,
)
from importer.sinks.plain_text import clean_element

Key = tuple[str, int]
"""Name and time stamp of a point: what a store tells points apart by."""
Figures = dict[Key, float]

ROOT = "apteligent"
DAILY_METRICS = (
    "crashPercent",
    "mau",
    "dau",
    "rating",
    "appLoads",
    "crashes",
    "affectedUsers",
    "affectedUserPercent",
)
VERSION_METRICS = ("dau", "appLoads", "crashes", "crashPercent", "affectedUsers", "affectedUserPercent")
SERVICE_METRICS = ("dataIn", "dataOut", "latency", "volume", "errors")
WHITELIST = ("api.bikeshop.example", "cdn.bikeshop.example", "fotos.tweedehands.example", "pay.bazaar.example")
CARRIER_MAP = """\
[US]
(?i)verizon         Verizon
(?i)t-?mobile       T-Mobile
(?i)att|at&t        AT_T
.*                  Other

[NL]
(?i)KPN             KPN
(?i)vodafone        Vodafone
.*                  Other
"""
_SERVICE_STEP_SECONDS = 300


def noon_apps(now: float, count: int) -> tuple[App, ...]:
    """Return apps in whose zones it is about noon, so that no day ends while a test runs."""
    offset = 12.0 - datetime.fromtimestamp(now, UTC).hour
    return tuple(replace(app, offset_hours=offset) for app in demo_apps(count))


def daily(apps: Iterable[App], now: float) -> Figures:
    """Return yesterday's figures of each app, stamped with midnight UTC."""
    figures: Figures = {}
    for app in apps:
        day = (datetime.fromtimestamp(now, UTC) + timedelta(hours=app.offset_hours)).date() - timedelta(days=1)
        stamp = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        for metric in DAILY_METRICS:
            value = daily_value(app, metric, day)
            if value is not None:
                figures[_name(app, "daily", metric), stamp] = value
    return figures


def live(apps: Iterable[App], now: float) -> Figures:
    """Return the last five minutes of each app."""
    end = int(now // BUCKET_SECONDS * BUCKET_SECONDS)
    figures: Figures = {}
    for app in apps:
        for start in range(end - BUCKETS * BUCKET_SECONDS, end, BUCKET_SECONDS):
            bucket = live_bucket(app, start)
            figures[_name(app, "live", "appLoads"), start] = bucket.app_loads
            figures[_name(app, "live", "crashes"), start] = bucket.app_errors
            figures[_name(app, "live", "exceptions"), start] = bucket.app_exceptions
    return figures


def services(apps: Iterable[App], now: float) -> Figures:
    """Return the last 15 minutes of the services in WHITELIST."""
    end = int(now // _SERVICE_STEP_SECONDS * _SERVICE_STEP_SECONDS)
    return {
        (_name(app, "services", host, metric), end): service_value(app, host, metric, end)
        for app in apps
        for host in app.hosts
        if host in WHITELIST
        for metric in SERVICE_METRICS
    }


def versions(apps: Iterable[App], now: float) -> dict[str, float]:
    """Return the running day of each app by version; the stamp is the time of the request."""
    return {
        _name(app, "groupedby", "appversion", piece.label, metric): piece.value
        for app in apps
        for metric in VERSION_METRICS
        for piece in slices(app, metric, "appVersion", now)
    }


def carriers(apps: Iterable[App], now: float) -> dict[str, float]:
    """Return the running day of each app by group of CARRIER_MAP; the stamp is the time of the request."""
    figures: dict[str, float] = {}
    for app in apps:
        if app.country:
            for (group, metric), value in _grouped(app, now):
                figures[_name(app, "groupedby", "carrier", group, metric)] = value
    return figures


def _grouped(app: App, now: float) -> Iterator[tuple[tuple[str, str], float]]:
    rules = _rules(app.country)
    members: dict[str, list[Mapping[str, float]]] = {}
    by_metric = {
        metric: {piece.label: piece.value for piece in slices(app, metric, "carrier", now)}
        for metric in ("crashes", "appLoads", "crashPercent")
    }
    for carrier in by_metric["appLoads"]:
        group = next(group for pattern, group in rules if re.search(pattern, carrier))
        members.setdefault(group, []).append({metric: values[carrier] for metric, values in by_metric.items()})
    for group, found in members.items():
        crashes, loads = (sum(values[metric] for values in found) for metric in ("crashes", "appLoads"))
        yield (group, "crashes"), crashes
        yield (group, "appLoads"), loads
        yield (group, "crashPercent"), found[0]["crashPercent"] if len(found) == 1 else 100 * crashes / loads


def _rules(country: str) -> list[tuple[str, str]]:
    section = CARRIER_MAP.partition(f"[{country}]\n")[2].partition("\n\n")[0]
    return [(line.split()[0], line.split()[-1]) for line in section.splitlines()]


def _name(app: App, *path: str) -> str:
    return ".".join(map(clean_element, (ROOT, app.name, *path)))
