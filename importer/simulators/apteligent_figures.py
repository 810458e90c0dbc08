"""The figures of the simulated Apteligent apps: what a day, ten seconds, a group or a web service comes to.

Every figure follows from the app, the metric and the time alone, in whichever process it is asked for.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from importer.simulators.apteligent_apps import App, group_label, group_members, group_shares
from importer.simulators.made_up import activity_at, activity_until, noise_of, noises_of, percentage

BUCKET_SECONDS = 10
DAY_SECONDS = 86_400
DAY_MINUTES = 1440
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_RATIOS = {"crashPercent": ("crashes", "appLoads"), "affectedUserPercent": ("affectedUsers", "dau")}


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
        return percentage(*(running_value(app, name, now) for name in _RATIOS[metric]))
    day, fraction = _moment(app, now)
    whole = daily_value(app, metric, day)
    return whole if whole is None or metric in {"mau", "rating"} else round(whole * activity_until(fraction))


def live_bucket(app: App, epoch: float, *, version: str = "total") -> LiveBucket:
    """Return the ten seconds that `epoch` falls in, of one version or of all."""
    start = int(epoch // BUCKET_SECONDS * BUCKET_SECONDS)
    day, fraction = _moment(app, start)
    figures = _whole_day(app, day)
    weight = 1.0 if version == "total" else group_shares(app.versions).get(version, 0.0)
    noise = noises_of(app.app_id, version, start)
    average = (figures["appLoads"] or 0) * weight / (DAY_SECONDS / BUCKET_SECONDS)
    crash_rate = (figures["crashPercent"] or 0) / 100
    # Plus noise, then cut off: whole numbers, now above and now below, that are right on average.
    loads = math.floor(average * activity_at(fraction) * (0.85 + 0.3 * noise[0]) + noise[1])
    errors = math.floor(loads * crash_rate + noise[2])
    exceptions = math.floor(loads * crash_rate * 3 + noise[3])
    return LiveBucket(start, loads, errors, exceptions)


def slices(app: App, metric: str, group_by: str, now: float, *, days: int = 1, weight: float = 1.0) -> list[Slice]:
    """Return the app's running day, cut by appVersion, carrier, device or os; nothing where there is no figure.

    Counts of the slices add up to about `running_value`; percentages are each slice's own. With more days those
    before count too; `weight` is the share of users that a filter leaves.
    """
    pieces = []
    for name, share in group_shares(group_members(app, group_by)).items():
        figures = [part_value(app, metric, now, share=share * weight, days_back=back) for back in range(days)]
        value = combined(metric, figures)
        if value is not None:
            pieces.append(Slice(*group_label(group_by, name), value))
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
    activity = activity_at(fraction)
    volume = round(loads * activity * minutes / DAY_MINUTES * (2 + 6 * noise_of(app.app_id, host)))
    jitter = 0.9 + 0.2 * noise_of(app.app_id, host, int(end))
    return {
        "volume": volume,
        "errors": round(volume * 0.02 * noise_of(host, "errors") * jitter),
        "latency": (40 + 300 * noise_of(host)) * jitter * (0.8 + 0.2 * activity),
        "dataIn": round(volume * (800 + 20_000 * noise_of(host, "in")) * jitter),
        "dataOut": round(volume * (300 + 900 * noise_of(host, "out")) * jitter),
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
    days, seconds = divmod(epoch + app.offset_hours * 3600, DAY_SECONDS)
    return date.fromordinal(_EPOCH_ORDINAL + int(days)), seconds / DAY_SECONDS


@lru_cache(maxsize=65_536)
def _whole_day(app: App, day: date) -> Mapping[str, float | None]:
    years = (day - date(2016, 1, 1)).days / 365.25
    size = app.daily_users * max(0.1, 1 + 0.2 * years)
    weekend = 1.15 if day.weekday() >= 5 else 1.0
    users = round(size * weekend * (0.95 + 0.1 * noise_of(app.app_id, "dau", day)))
    loads = round(users * (2.2 + 0.4 * noise_of(app.app_id, "appLoads", day)))
    crashes = round(loads * (0.002 + 0.004 * noise_of(app.app_id, "crashes", day)))
    affected = round(crashes * (0.6 + 0.2 * noise_of(app.app_id, "affectedUsers", day)))
    return {
        "dau": users,
        "mau": round(size * (6.4 + 0.1 * noise_of(app.app_id, "mau", day))),
        "appLoads": loads,
        "crashes": crashes,
        "crashPercent": percentage(crashes, loads),
        "affectedUsers": affected,
        "affectedUserPercent": percentage(affected, users),
        "rating": None if app.store_link is None else round(3.8 + 0.8 * noise_of(app.app_id, "rating", day.month), 2),
    }


def part_value(app: App, metric: str, now: float, *, share: float, days_back: int = 0) -> float | None:
    """Return what a share of the users makes of a metric, of the running day or one before."""
    if metric in _RATIOS:
        return percentage(*(part_value(app, name, now, share=share, days_back=days_back) for name in _RATIOS[metric]))
    if days_back:
        value = daily_value(app, metric, _moment(app, now)[0] - timedelta(days=days_back))
    else:
        value = running_value(app, metric, now)
    return value if value is None or metric == "rating" else round(value * share)
