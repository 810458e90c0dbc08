"""Prometheus' text format: how names are made legal, which sample of a series counts, and the text of them all.

https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/concepts/data_model/
(checked 2026-11-25). Samples are exposed without their times: Prometheus takes a stamp that is older than its
look-back (five minutes) for a series that has ended, and neither Pushgateway nor node_exporter accepts one.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from importer.points import Labels, Point
from importer.sinks.plain_text import format_value
from importer.surrogate import replaced

logger = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_CACHED_SERIES = 100_000

_HELP = "Newest value that metrics-importer was given."
"""The same for all: node_exporter refuses one name with different texts in two files."""
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_IN_LABEL_NAMES = re.compile(r"[^a-zA-Z0-9_]")
_TARGET_LABELS = frozenset({"job", "instance"})
"""Prometheus and Pushgateway have their own values for these."""


class Series(NamedTuple):
    """What Prometheus knows a series by; its order is that of the text."""

    name: str
    labels: Labels
    """In the order of the names; none has an empty value, which would be the same as no label."""


class Reading(NamedTuple):
    """A series' value at one time."""

    timestamp: float
    """Seconds since 1970-01-01 UTC."""
    value: float


Samples = Mapping[Series, Reading]
"""The newest reading of each series."""


def clean_name(path: Iterable[str]) -> str:
    """Return a path as one legal metric name: joined by `_`, which also stands for each sign that is not allowed.

    >>> clean_name(("apteligent", "Bike Shop", "daily", "appLoads"))
    'apteligent_Bike_Shop_daily_appLoads'
    >>> clean_name(["404s"])
    '_404s'
    """
    return _not_digit_first(_NOT_IN_NAMES.sub("_", "_".join(path)))


def clean_label_name(text: str) -> str:
    """Return text as a legal label name that is neither internal to Prometheus nor a target's own.

    >>> [clean_label_name(name) for name in ("app-version", "__name__", "job")]
    ['app_version', '_name__', 'exported_job']
    """
    name = _not_digit_first(_NOT_IN_LABEL_NAMES.sub("_", text))
    if name.startswith("__"):
        return f"_{name.lstrip('_')}"
    # As Prometheus itself renames them when it scrapes.
    return f"exported_{name}" if name in _TARGET_LABELS else name


def _not_digit_first(name: str) -> str:
    return f"_{name}" if not name or name[0].isdigit() else name


def _clean_labels(labels: Labels) -> Labels:
    cleaned = [(clean_label_name(name), replaced(value)) for name, value in labels]
    chosen = dict(cleaned)
    if len(chosen) < len(cleaned):
        logger.warning("labels become one by cleaning, the last value counts: labels=%.200r", labels)
    return tuple(sorted((name, value) for name, value in chosen.items() if value))


class SeriesTable(dict[tuple[tuple[str, ...], Labels], Series]):
    """The series for each `path, labels`, made at the first look-up and remembered.

    Two that become one by cleaning share it; the log says so once for each but the first.

    >>> SeriesTable()[("shop", "dau"), (("os", "ios"),)]
    Series(name='shop_dau', labels=(('os', 'ios'),))
    """

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[Series, tuple[tuple[str, ...], Labels]] = {}

    def __missing__(self, key: tuple[tuple[str, ...], Labels]) -> Series:
        if len(self) >= MAX_CACHED_SERIES:
            self.clear()
            self._first.clear()
        series = self[key] = Series(clean_name(key[0]), _clean_labels(key[1]))
        first = self._first.setdefault(series, key)
        if first != key:
            logger.warning(
                "series become one by cleaning, the newest value counts: name=%s %.200r and %.200r",
                series.name,
                first,
                key,
            )
        return series


def newest(points: Iterable[Point], table: SeriesTable) -> dict[Series, Reading]:
    """Return the newest reading of each series; of two at one time the later one counts."""
    samples: dict[Series, Reading] = {}
    for point in points:
        update(samples, table[point.path, point.labels], Reading(point.timestamp, point.value))
    return samples


def update(samples: dict[Series, Reading], series: Series, reading: Reading) -> None:
    """Put a reading in its place among samples, unless there is a newer one."""
    held = samples.get(series)
    if held is None or reading.timestamp >= held.timestamp:
        samples[series] = reading


def without_expired(samples: Samples, *, before: float) -> dict[Series, Reading]:
    """Return the samples but those from before a time, in seconds since 1970-01-01 UTC."""
    return {series: reading for series, reading in samples.items() if reading.timestamp >= before}


def expose(samples: Samples) -> bytes:
    """Return the text of all samples, as gauges, in the order of their names and labels."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector

    class Families(Collector):
        def collect(self) -> Iterator[Metric]:
            for name, group in groupby(sorted(samples), key=lambda series: series.name):
                family = GaugeMetricFamily(name, _HELP)
                for series in group:
                    family.add_sample(name, dict(series.labels), float(samples[series].value))
                yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families())
    return generate_latest(registry)


def sample_line(series: Series, value: float) -> str:
    r"""Return a sample for people to read, on one line whatever its labels hold.

    >>> sample_line(Series("shop_dau", (("os", "a\u2028b"),)), 48213)
    'shop_dau{os="a\\u2028b"} 48213'
    """
    labels = ",".join(f"{name}={json.dumps(value)}" for name, value in series.labels)
    return f"{series.name}{f'{{{labels}}}' if labels else ''} {format_value(value)}"


def sample_row(series: Series, reading: Reading) -> str:
    """Return one sample as JSON on one line of ASCII, with its time and all digits; `parse_row` reads it.

    >>> sample_row(Series("shop_dau", (("os", "ios"),)), Reading(1462147200, 48213))
    '["shop_dau",[["os","ios"]],1462147200,48213]'
    """
    return json.dumps([series.name, series.labels, reading.timestamp, reading.value], separators=(",", ":"))


def parse_row(row: object) -> tuple[Series, Reading]:
    """Return the sample that decoded JSON holds; raises ValueError where it is none that we would write."""
    match row:
        case [str(name), list(labels), int() | float() as timestamp, int() | float() as value]:
            Point((name,), value, timestamp)  # raises ValueError for what no point can hold
            series = Series(name, tuple(_parse_label(label) for label in labels))
            if _NAME.fullmatch(name) and series.labels == tuple(sorted(dict(series.labels).items())):
                return series, Reading(timestamp, value)
    raise ValueError(f"{row!r:.100} is not: name, labels, timestamp, value")


def _parse_label(label: object) -> tuple[str, str]:
    match label:
        case [str(name), str(value)] if value and _LABEL_NAME.fullmatch(name):
            return name, value
    raise ValueError(f"{label!r:.100} is not: label name, label value")
