"""Read the vendor's answers. Pure: no clock, no network, no file.

What is wrong as a whole raises ValueError with the reason; a single bad item is put into `problems` and skipped,
so that it costs no other item. A null is neither: the vendor has no value there.
Shapes are those of the v1.0 documentation and of recorded answers (see tests/golden/apteligent).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DailySeries:
    """A metric's values by calendar day, in the time zone that the vendor has configured for the app."""

    days: Mapping[date, float | None]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slices:
    """A metric's values by label (version, carrier, service), and the window they are of."""

    values: Mapping[str, float]
    end: object = None
    """The exclusive end of the window, as the vendor wrote it; see `parse_utc`."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """Ten seconds of an app's live figures."""

    epoch_seconds: int
    """Start of the bucket in seconds since 1970 UTC."""
    values: Mapping[str, float]
    """By the vendor's key: app_loads, app_errors, app_exceptions; those that are null are left out."""


@dataclass(slots=True)
class Buckets:
    """An app's buckets, oldest first."""

    buckets: list[Bucket] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


_LIVE_KEYS = tuple((key, f".{key}") for key in ("app_loads", "app_errors", "app_exceptions"))


def parse_apps(answer: object) -> dict[str, dict[str, object]]:
    """Return the account's apps: id -> attributes, without `links`.

    >>> parse_apps({"a1": {"appName": "Bike Shop", "links": {}}})
    {'a1': {'appName': 'Bike Shop'}}
    """
    apps = _object(answer, "app list")
    return {app_id: _without_links(attributes) for app_id, attributes in apps.items()}


def _without_links(attributes: object) -> dict[str, object]:
    """Return an app's attributes, none if they are no object: the app can be asked about all the same."""
    found = attributes if isinstance(attributes, dict) else {}
    return {key: value for key, value in found.items() if key != "links"}


def parse_graph(answer: object, metric: str) -> DailySeries:
    """Return the values of an errorMonitoring/graph answer by day, empty if the series is.

    The day of a value is `start` plus its index times `interval`: never its position from the end, as the vendor
    has given the running day last, and later has not.
    """
    data = _object(_object(answer, "answer").get("data"), "data")
    start = _naive(data.get("start"), "data.start")
    interval = _number(data.get("interval"), "data.interval")
    if interval != DAY.total_seconds():
        raise ValueError(f"data.interval is {interval!r}, expected 86400 (a day)")
    values = _series_points(_list(data.get("series"), "data.series"), metric)
    days: dict[date, float | None] = {}
    problems = []
    for index, value in enumerate(values):
        day = _shift(start, index).date()
        try:
            days[day] = None if value is None else _number(value, f"points[{index}]")
        except ValueError as error:
            problems.append(str(error))
    return DailySeries(days, tuple(problems))


def parse_pie(answer: object) -> Slices:
    """Return the values of an errorMonitoring or performanceManagement pie answer by label."""
    data = _object(_object(answer, "answer").get("data"), "data")
    values: dict[str, float] = {}
    problems = []
    for index, item in enumerate(_list(data.get("slices"), "data.slices")):
        try:
            slice_ = _object(item, f"slices[{index}]")
            label = _label(slice_, index)
            if slice_.get("value") is not None:
                values[label] = _number(slice_["value"], f"slices[{index}].value")
        except ValueError as error:
            problems.append(str(error))
    return Slices(values, data.get("end"), tuple(problems))


def parse_live(answer: object, *, latest: float) -> Buckets:
    """Return the buckets of a liveStats/periodic answer, oldest first.

    A bucket later than `latest` (seconds since 1970 UTC) is a problem: a cursor that followed it would hide all
    that comes before.
    """
    stats = _object(answer, "answer")
    if stats.get("success") != 1:
        raise ValueError(f"success is {stats.get('success')!r:.40}, expected 1")
    found = Buckets()
    for index, item in enumerate(_list(stats.get("periodic_data"), "periodic_data")):
        problems: list[str] = []
        try:
            found.buckets.append(_bucket(_object(item, ""), latest, problems))
        except ValueError as error:
            problems.append(str(error))
        found.problems += [f"periodic_data[{index}]{problem}" for problem in problems]
    found.buckets.sort(key=lambda bucket: bucket.epoch_seconds)
    return found


def parse_utc(text: object) -> float:
    """Return a time of the vendor's in seconds since 1970; without an offset it means UTC.

    >>> parse_utc("2016-05-03T00:00:00") == parse_utc("2016-05-03T02:00:00+02:00") == 1462233600
    True
    """
    try:
        moment = datetime.fromisoformat(_text(text, "data.end"))
        epoch = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"data.end {text!r:.40} is not a time") from error
    if epoch < 0:
        raise ValueError(f"data.end {text!r:.40} is before 1970")
    return epoch


def _bucket(item: Mapping[str, object], latest: float, problems: list[str]) -> Bucket:
    """Return a bucket; problems and errors begin with the key at fault, for the caller to say of which bucket."""
    milliseconds = _number(item.get("time"), ".time")
    seconds = int(milliseconds // 1000)
    if not 0 <= seconds <= latest:
        raise ValueError(f".time {milliseconds!r} is before 1970 or in the future")
    values: dict[str, float] = {}
    for key, where in _LIVE_KEYS:
        value = item.get(key)
        if value is not None:
            try:
                values[key] = _number(value, where)
            except ValueError as error:
                problems.append(str(error))
    return Bucket(seconds, values)


def _series_points(series: list[object], metric: str) -> list[object]:
    """Return the points of the series that has the metric's name, of the first one if none has."""
    candidates = [_object(item, f"series[{index}]") for index, item in enumerate(series)]
    if not candidates:
        return []
    chosen = next((item for item in candidates if item.get("name") == metric), candidates[0])
    return _list(chosen.get("points"), "series.points")


def _label(item: Mapping[str, object], index: int) -> str:
    label = item.get("label") if item.get("label") is not None else item.get("name")
    return _text(label, f"slices[{index}].label")


def _shift(start: datetime, days: int) -> datetime:
    try:
        return start + days * DAY
    except OverflowError as error:
        raise ValueError(f"data.start {start} is out of range") from error


def _naive(value: object, where: str) -> datetime:
    try:
        return datetime.fromisoformat(_text(value, where)).replace(tzinfo=None)
    except ValueError as error:
        raise ValueError(f"{where} {value!r:.40} is not a time") from error


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {_kind(value)}, expected an object")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{where} is {_kind(value)}, expected a list")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} is {_kind(value)}, expected text")
    return value


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{where} is {_kind(value)}, expected a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError(f"{where} is not a finite number")
    return value


def _kind(value: object) -> str:
    names: Iterator[str] = (
        name
        for kind, name in (
            (type(None), "missing"),
            (bool, "a truth value"),
            (str, "text"),
            (dict, "an object"),
            (list, "a list"),
        )
        if isinstance(value, kind)
    )
    return next(names, "a number")
