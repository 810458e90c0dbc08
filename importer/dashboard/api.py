"""What /api/ answers: parameters are read here, and what was found becomes an object for JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from importer.cli.text_table import format_time
from importer.dashboard.catalogue import Catalogue, Metric, UnknownStore
from importer.dashboard.series import Curve
from importer.errors import SinkError, SinkUnavailable
from importer.http_server.message import RETRY_AFTER, HttpError
from importer.points import MAX_TIMESTAMP

MAX_LISTED = 200
DEFAULT_LISTED = 60
MAX_OFFSET = 10**7
MAX_WORDS = 8
MAX_TEXT = 500
"""Characters of a search, and of a name and a path that are asked for."""

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Api:
    """Answers out of the embedded stores; the methods take a while, and belong into a thread."""

    catalogue: Catalogue

    def series(self, parameters: Parameters) -> dict[str, object]:
        """Return the names that match `search`, `limit` of them from `offset` on. Raises HttpError."""
        offset = _number(parameters, "offset", 0, 0, MAX_OFFSET)
        limit = _number(parameters, "limit", DEFAULT_LISTED, 1, MAX_LISTED)
        words = _text(parameters, "search", "").split()
        if len(words) > MAX_WORDS:
            raise HttpError(400, f"search: {MAX_WORDS} words at the most")
        found = self.catalogue.search(words, offset=offset, limit=limit)
        return {
            "total": found.total,
            "offset": offset,
            "series": [_metric(metric) for metric in found.metrics],
            "problems": list(found.problems),
        }

    def suggested(self) -> dict[str, object]:
        """Return a few names that are worth a look."""
        metrics = self.catalogue.suggested()
        return {"series": [{"store": str(metric.store), "name": metric.name} for metric in metrics]}

    def points(self, parameters: Parameters) -> dict[str, object]:
        """Return the curves of `name` in `store` from `from` to `to`. Raises HttpError."""
        store, name = _text(parameters, "store"), _text(parameters, "name")
        start, end = _time(parameters, "from", 0.0), _time(parameters, "to", MAX_TIMESTAMP)
        if not start < end:
            raise HttpError(400, "from: a time before `to` is expected")
        try:
            curves, left_out = self.catalogue.curves(store, name, start=start, end=end)
        except UnknownStore:
            raise HttpError(404, "store: there is no such store; /api/status names those that are there") from None
        except SinkUnavailable as error:
            raise HttpError(503, str(error), headers=RETRY_AFTER) from error
        except SinkError as error:
            raise HttpError(500, str(error)) from error
        if not curves:
            raise HttpError(404, "name: no series has it; /api/series lists those that are there")
        return {"store": store, "name": name, "series": [_curve(curve) for curve in curves], "left_out": left_out}


def _metric(metric: Metric) -> dict[str, object]:
    newest = metric.newest
    return {
        "store": str(metric.store),
        "name": metric.name,
        "label_sets": metric.label_sets,
        "last": None if newest is None else format_time(newest.timestamp),
        "last_value": None if newest is None else newest.value,
    }


def _curve(curve: Curve) -> dict[str, object]:
    return {
        "labels": dict(curve.labels),
        "total": curve.total,
        "times": [timestamp for timestamp, _ in curve.points],
        "values": [value for _, value in curve.points],
    }


def seconds_to_wait(parameters: Parameters, *, most: int) -> int:
    """Return how long an answer may wait for news, by the parameter `wait`. Raises HttpError."""
    return _number(parameters, "wait", most, 0, most)


def _text(parameters: Parameters, name: str, default: str | None = None) -> str:
    text = parameters.get(name, default)
    if text is None:
        raise HttpError(400, f"{name}: is missing")
    if len(text) > MAX_TEXT:
        raise HttpError(400, f"{name}: {MAX_TEXT} characters at the most")
    return text


def _number(parameters: Parameters, name: str, default: int, least: int, most: int) -> int:
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise HttpError(400, f"{name}: a whole number from {least} to {most} is expected")
    return int(text)


def _time(parameters: Parameters, name: str, default: float) -> float:
    text = parameters.get(name)
    if text is None:
        return default
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not 0 <= moment <= MAX_TIMESTAMP:
        raise HttpError(400, f"{name}: seconds since 1970 UTC are expected")
    return moment
